"""One visit to an account: what it knows, what it has come to, how it takes a message in."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from blobs.committer import Committer
from blobs.errors import StoreFailed, StoreFull
from clock.moments import utc_now
from mailboxes.errors import QuotaExceeded
from retrieval import bookkeeping, permits, takingin
from retrieval.errors import FetchedAlready, Paused
from retrieval.models import Afterwards, RemoteFolder
from retrieval.permits import Mailbox
from retrieval.remote.connecting import Network
from retrieval.remote.errors import MessageTooBig, RemoteFailed
from retrieval.remote.server import Limits, Remote
from retrieval.takingin import Source
from spool.errors import MessageLoops, SpoolFull
from spool.placing import Placing
from units import sizes

# Calls a plain function in a thread.
Ask = Callable[..., Awaitable[Any]]

HEADER_BYTES = 64 * 1024
# One message that cannot be had is passed over; so many in a row, and the visit has failed.
MOST_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Task:
    """An account as one run works on it."""

    account_id: int
    run: int  # the name of its claim
    user_id: int
    kind: str
    remote: Remote
    limits: Limits
    networks: tuple[Network, ...]
    afterwards: str
    delete_after_days: int
    target_folder: str
    all_folders: bool
    ends_at: datetime  # then the rest is left to the next run

    @property
    def is_over(self) -> bool:
        return utc_now() >= self.ends_at

    def is_to_be_deleted(self, fetched_at: datetime, now: datetime) -> bool:
        """On the other server, where it lies since we have it."""
        if self.afterwards == Afterwards.DELETE:
            return True
        days = timedelta(days=self.delete_after_days)
        return self.afterwards == Afterwards.DELETE_LATER and fetched_at <= now - days


@dataclass(slots=True)
class Found:
    """What a run has come to so far."""

    count: int = 0  # messages taken in
    too_big: int = 0
    limit_bytes: int = 0
    passed_over: int = 0  # that the other server did not give out
    why: str = ""  # of the first of them
    unplaced: str = ""  # a folder that could not be made here
    has_more: bool = False  # there was no time for all

    def in_words(self) -> str:
        """What was left, for its user; empty: nothing."""
        told = []
        if self.too_big:
            what = "1 message is" if self.too_big == 1 else f"{self.too_big} messages are"
            limit = sizes.limit_in_words(self.limit_bytes)
            told.append(f"{what} larger than the {limit} that this server takes, and left there.")
        if self.passed_over:
            what = "1 message" if self.passed_over == 1 else f"{self.passed_over} messages"
            told.append(f"{what} could not be fetched: {self.why}")
        if self.unplaced:
            told.append(f"The folder {self.unplaced} cannot be made here: its mail is elsewhere.")
        return " ".join(told)


@dataclass(slots=True)
class Visit:
    """A run of a task with what it works with."""

    task: Task
    mailbox: Mailbox
    ask: Ask
    committer: Committer
    found: Found = field(default_factory=Found)
    _failures: int = 0

    async def take(
        self,
        folder: RemoteFolder,
        key: str,
        size_bytes: int,
        chunks: Callable[[], AsyncIterator[bytes]],
        placing: Placing,
    ) -> bool:
        """Fetch one message and make it durable here; whether it is here now.

        False: it was left, and stands in `found`. Raises Paused, ClaimLost, RemoteFailed where it
        makes no sense to go on.
        """
        await self.ask(permits.require_room, self.mailbox, size_bytes)
        try:
            await self._take(folder, key, chunks, placing)
        except MessageTooBig:
            self.found.too_big += 1
            self.found.limit_bytes = self.task.limits.message_bytes or 0
            return False
        except RemoteFailed as error:
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                raise
            self.found.passed_over += 1
            self.found.why = self.found.why or error.text
            return False
        self._failures = 0
        return True

    async def _take(
        self,
        folder: RemoteFolder,
        key: str,
        chunks: Callable[[], AsyncIterator[bytes]],
        placing: Placing,
    ) -> None:
        task = self.task
        source = Source(task.account_id, task.run, folder.pk, folder.uidvalidity, key)
        digest, head = hashlib.sha256(), bytearray()
        try:
            opened = await self.ask(
                takingin.begin,
                self.mailbox,
                account_id=task.account_id,
                host=task.remote.host,
                protocol=task.kind.upper(),
                placing=placing,
            )
        except SpoolFull:
            raise Paused(permits.NO_SPACE) from None
        try:
            circles = False
            async for chunk in chunks():
                digest.update(chunk)
                if len(head) < HEADER_BYTES:
                    head += chunk
                try:
                    if not circles:
                        opened.write(chunk)
                except MessageLoops:
                    circles = True  # the rest is read, as the other server sends it
            name = digest.hexdigest()
            circles = circles or is_marked(bytes(head), task.account_id)
            if circles or await self.ask(bookkeeping.is_known_by_digest, folder, name):
                job = takingin.record(source, name, utc_now())
            else:
                job = await self.ask(takingin.job_for, opened, source, name, utc_now())
            await self._commit(job)
        except (StoreFull, StoreFailed, SpoolFull):
            raise Paused(permits.NO_SPACE) from None
        finally:
            opened.abort()

    async def _commit(self, job: takingin.TakeIn) -> None:
        try:
            await self.committer.commit(job)
        except QuotaExceeded as error:
            raise Paused(permits.full(error)) from None
        except FetchedAlready:
            return
        if job.acceptance is not None:
            self.found.count += 1
            takingin.tell(job)


def is_marked(head: bytes, account_id: int) -> bool:
    """Whether a message has come through this account before: it would go in a circle."""
    line = takingin.mark_of(account_id).lower()
    end = head.find(b"\r\n\r\n")
    fields = (head if end < 0 else head[: end + 2]).lower()
    return fields.startswith(line) or b"\n" + line in fields
