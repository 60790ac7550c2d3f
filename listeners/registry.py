"""Tells the registry of open sessions what this process has, and ends what it is told to end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence

import structlog
from django.conf import settings

from blobs.committer import process_committer
from blobs.ids import new_id, time_of
from clock.moments import utc_now
from listeners import bridge
from listeners.base import Listener, Visit
from operations import connections
from operations.connections import Changes, OpenConnection
from switchboard.subscribe import Switchboard
from switchboard.topics import Note, Topic

log = structlog.get_logger(__name__)

# Sessions shorter than this cost the registry nothing.
TELL_SECONDS = 1.0
HEARTBEAT_SECONDS = 5.0


class Registry:
    """Every second it writes the difference between what is open and what the table says."""

    def __init__(self, board: Switchboard, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        self._process_id = new_id()
        self._told: dict[int, int | None] = {}  # session to account
        self._last_told = 0.0
        board.subscribe(Topic.SESSION, None, self._end_sessions)

    async def run(self) -> None:
        """Until cancelled; then the process leaves the registry."""
        try:
            await bridge.ask(
                connections.enter, process_id=self._process_id, node=settings.MAILHOST_NODE,
                pid=os.getpid(), now=utc_now(),
            )  # fmt: skip
            while True:
                await asyncio.sleep(TELL_SECONDS)
                try:
                    await self._tell()
                except Exception:
                    log.exception("the registry of sessions could not be written")
        finally:
            await asyncio.shield(bridge.ask(connections.leave, process_id=self._process_id))

    async def _tell(self) -> None:
        visits = {visit.id: visit for listener in self._listeners for visit in listener.visits}
        opened = [visit for number, visit in visits.items() if number not in self._told]
        logged_in = [
            visit
            for number, visit in visits.items()
            if number in self._told and self._told[number] != visit.account_id
        ]
        closed = [number for number in self._told if number not in visits]
        now = asyncio.get_running_loop().time()
        if not (opened or logged_in or closed or now - self._last_told > HEARTBEAT_SECONDS):
            return
        self._last_told = now
        self._told = {number: visit.account_id for number, visit in visits.items()}
        await process_committer().commit(
            Changes(
                process_id=self._process_id,
                now=utc_now(),
                opened=_described(opened),
                logged_in=_described(logged_in),
                closed=closed,
            )
        )

    def _end_sessions(self, notes: Sequence[Note]) -> None:
        sessions = {int.from_bytes(note.payload, "big") for note in notes if note.payload}
        accounts = {note.key for note in notes if not note.payload}
        for listener in self._listeners:
            listener.end_sessions(
                lambda visit: visit.id in sessions or visit.account_id in accounts
            )


def _described(visits: Iterable[Visit]) -> list[OpenConnection]:
    return [
        OpenConnection(
            visit.id, visit.listener.name, visit.client_ip, visit.client_port, visit.local_ip,
            visit.endpoint.port, visit.is_encrypted, visit.account_id, visit.domain_id,
            time_of(visit.id),
        )
        for visit in visits
    ]  # fmt: skip
