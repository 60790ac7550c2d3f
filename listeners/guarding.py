"""Keeps the guard of this process true to the rows, and tells the rows what it has counted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog
from django.db import connection, transaction
from django.db.models import F

from blobs.committer import process_committer
from clock.moments import to_micros, utc_now
from listeners import bridge
from listeners.base import Listener, Visit
from operations import abuse, blocks, counting, guard, rules
from operations.counting import RecordEvents
from operations.guard import Barred, Guard
from operations.models import Block
from switchboard.subscribe import Switchboard
from switchboard.topics import Note, Topic

log = structlog.get_logger(__name__)

TELL_SECONDS = 1.0
HITS_SECONDS = 5.0
TIDY_SECONDS = 60.0


class Guardian:
    """`load` before the first accept, then `run`."""

    def __init__(self, board: Switchboard, watched: Guard, listeners: Sequence[Listener]) -> None:
        self._guard = watched
        self._listeners = listeners
        self._waiting: list[Note] = []
        self._told = asyncio.Event()
        self._offence = asyncio.Event()
        watched.on_offence = self._offence.set
        board.subscribe(Topic.BLOCKS, None, self._take_notes)

    async def load(self) -> None:
        self._guard.take(await bridge.ask(guard.load))

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self._follow(), self._tell(), self._tidy())

    def _take_notes(self, notes: Sequence[Note]) -> None:
        self._waiting += notes
        self._told.set()

    async def _follow(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            notes, self._waiting = self._waiting, []
            try:
                await self._read_again(notes)
                self._cut_blacklisted()
            except Exception:
                log.exception("lists and blocks could not be read; tried again")
                self._waiting = notes + self._waiting
                await asyncio.sleep(TELL_SECONDS)
                self._told.set()

    async def _read_again(self, notes: Sequence[Note]) -> None:
        abuse.forget()
        accounts = [note.key for note in notes if note.key]
        payloads = {note.payload for note in notes if not note.key}
        if payloads & {b"", rules.NOTE}:
            await self.load()
        if accounts:
            self._guard.take_users(await bridge.ask(guard.load_stopped), accounts)
        for payload in payloads - {b"", rules.NOTE}:
            network = payload.decode()
            self._guard.take_network(network, await bridge.ask(guard.load_network, network))

    def _cut_blacklisted(self) -> None:
        """M-046: who is on the blacklist now has no open connection either."""

        def is_meant(visit: Visit) -> bool:
            barred = self._guard.look(visit.client_ip, visit.listener.name)
            return barred is Barred.BLACKLISTED

        for listener in self._listeners:
            if count := listener.drop_sessions(is_meant):
                log.info("blacklisted clients cut off", protocol=listener.name, sessions=count)

    async def _tell(self) -> None:
        """Each second, and at once when a rule was broken."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TELL_SECONDS):
                    await self._offence.wait()
            self._offence.clear()
            events = self._guard.take_unsent()
            if events:
                try:
                    await process_committer().commit(
                        RecordEvents(now=to_micros(utc_now()), events=events)
                    )
                except Exception:
                    log.exception("what rules have counted could not be written")

    async def _tidy(self) -> None:
        last_tidied = 0.0
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(HITS_SECONDS)
            try:
                if hits := self._guard.take_hits():
                    await bridge.ask(_write_hits, hits)
                if loop.time() - last_tidied > TIDY_SECONDS:
                    last_tidied = loop.time()
                    await bridge.ask(_forget_ended)
            except Exception:
                log.exception("blocks could not be tidied; tried again soon")


def _write_hits(hits: dict[int, int]) -> None:
    with transaction.atomic():
        for block_id, count in sorted(hits.items()):
            Block.objects.filter(pk=block_id).update(hits=F("hits") + count)


def _forget_ended() -> None:
    now = utc_now()
    blocks.forget_ended(now=now)
    with connection.cursor() as cursor:
        counting.forget_before(cursor, rules.enabled(), to_micros(now))
