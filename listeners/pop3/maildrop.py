"""The maildrop that one POP3 session has open: locked, numbered, read in chunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

from blobs.committer import process_committer
from blobs.errors import BlobGone, StoreError
from blobs.segment import Location
from blobs.store import locate, open_body, read_body
from clock.moments import utc_now
from listeners import bridge
from mailboxes import maildrop
from mailboxes.errors import MaildropLocked
from mailboxes.expunging import Expunge
from mailboxes.maildrop import Maildrop, MaildropEntry, ReleaseLock, RenewLock, TakeLock
from operations import elsewhere
from protocols.pop3 import replies
from protocols.pop3.replies import Reply

if TYPE_CHECKING:
    from listeners.base import Visit

CHUNK_BYTES = 256 * 1024
AHEAD_MESSAGES = 32
# A body; where it lies if it is too large to be held; or why it cannot be had.
Fetched = bytes | Location | StoreError
RENEW_SECONDS = maildrop.LOCK.total_seconds() / 3


class OpenMaildrop:
    """Numbers from 1 on, as they stood at login. RFC 1939 §5."""

    __slots__ = (
        "_account_id", "_ahead", "_maildrop", "_next", "_renewal", "_step", "_visit", "deleted",
    )  # fmt: skip

    def __init__(self, visit: Visit, account_id: int, opened: Maildrop) -> None:
        self.deleted: set[int] = set()
        self._visit = visit
        self._account_id = account_id
        self._maildrop = opened
        self._ahead: dict[int, Fetched] = {}  # read before they were asked for
        self._next = 0  # that the client will ask for if it goes on as it does
        self._step = 1
        loop = asyncio.get_running_loop()
        self._renewal = loop.call_later(RENEW_SECONDS, self._renew)

    @classmethod
    async def open(cls, visit: Visit, account_id: int) -> OpenMaildrop:
        """Lock it, then look. Raises MaildropLocked, FolderNotFound."""
        try:
            folder_id = await _take(visit, account_id)
            return cls(visit, account_id, await bridge.ask(maildrop.snapshot, folder_id))
        except MaildropLocked:
            raise
        except BaseException:
            # Also when the client has gone meanwhile: what was asked for may still be granted.
            _commit_beside(_release(visit, account_id))
            raise

    def __getitem__(self, number: int) -> MaildropEntry:
        return self._maildrop.entries[number - 1]

    def numbers(self) -> list[int]:
        """Of the messages that are not marked as deleted."""
        return [n for n in range(1, len(self._maildrop.entries) + 1) if n not in self.deleted]

    def total_bytes(self) -> int:
        return sum(self[number].size_bytes for number in self.numbers())

    def refusal(self, number: int) -> Reply | None:
        """Why there is no such message; None if there is."""
        if number > len(self._maildrop.entries):
            return replies.NO_SUCH_MESSAGE
        return replies.ALREADY_DELETED if number in self.deleted else None

    def unique_id(self, number: int) -> str:
        """The same for ever: a UID never comes back under the same UIDVALIDITY. RFC 1939 §7."""
        return f"{self._maildrop.uidvalidity}.{self[number].uid}"

    async def read(self, number: int) -> AsyncIterator[bytes]:
        """The message in chunks. Raises BlobGone, BlobDamaged before its first or a later one."""
        if number not in self._ahead:
            await self._read_ahead(number)
        prefix, body = self[number].prefix.encode(), self._ahead.pop(number)
        if isinstance(body, StoreError):
            raise body
        if isinstance(body, bytes):
            yield prefix + body
            return
        yield prefix
        with await bridge.ask(open_body, body) as file:
            while chunk := await bridge.ask(file.read, CHUNK_BYTES):
                yield chunk

    async def update(self) -> None:
        """The UPDATE state: what is marked goes for good, and the lock with it. Raises StoreError.

        Both are asked for at once, so one sync serves them.
        """
        self._renewal.cancel()
        jobs: list[Expunge | ReleaseLock] = [_release(self._visit, self._account_id)]
        if self.deleted:
            jobs.insert(0, self._expunge())
        committer = process_committer()
        outcomes = await asyncio.gather(
            *(committer.commit(job) for job in jobs), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def let_go(self) -> None:
        """The connection is lost: nothing is removed, another session may open it. §6."""
        self._renewal.cancel()
        _commit_beside(_release(self._visit, self._account_id))

    def _expunge(self) -> Expunge:
        assert self._visit.domain_id is not None
        return Expunge(
            folder_id=self._maildrop.folder_id,
            domain_id=self._visit.domain_id,
            uids=sorted(self[number].uid for number in self.deleted),
            even_unflagged=True,
        )

    async def _read_ahead(self, number: int) -> None:
        """Clients read one message after the other: more and more are fetched at once."""
        self._step = min(self._step * 4, AHEAD_MESSAGES) if number == self._next else 1
        last = min(number + self._step, len(self._maildrop.entries) + 1)
        wanted = {n: self[n].blob_id for n in range(number, last)}
        self._ahead = await bridge.ask(_read_some, wanted)
        self._next = max(self._ahead) + 1

    def _renew(self) -> None:
        self._renewal = asyncio.get_running_loop().call_later(RENEW_SECONDS, self._renew)
        renew = RenewLock(account_id=self._account_id, session=self._visit.id, now=utc_now())
        _commit_beside(renew)


def _read_some(blobs: dict[int, int]) -> dict[int, Fetched]:
    """The first of these bodies, at least one and as many as fit; by their numbers."""
    places = locate(blobs.values())
    fetched: dict[int, Fetched] = {}
    total = 0
    for number, blob_id in blobs.items():
        place = places.get(blob_id)
        total += place.size_bytes if place is not None else 0
        if fetched and total > CHUNK_BYTES:
            break
        fetched[number] = _read_one(place) if place is not None else BlobGone([blob_id])
    return fetched


def _read_one(place: Location) -> Fetched:
    if place.size_bytes > CHUNK_BYTES:
        return place
    try:
        return read_body(place)
    except StoreError as error:
        return error


async def _take(visit: Visit, account_id: int) -> int:
    """The lock, also from a session whose process has died: it will not let go by itself."""
    try:
        return await _take_if_free(visit, account_id)
    except MaildropLocked as error:
        if await bridge.ask(elsewhere.is_alive, error.session, now=utc_now()):
            raise
        dead = ReleaseLock(account_id=account_id, session=error.session)
        await process_committer().commit(dead)
    return await _take_if_free(visit, account_id)


async def _take_if_free(visit: Visit, account_id: int) -> int:
    take = TakeLock(account_id=account_id, session=visit.id, now=utc_now())
    return int(await process_committer().commit(take))


def _release(visit: Visit, account_id: int) -> ReleaseLock:
    return ReleaseLock(account_id=account_id, session=visit.id)


def _commit_beside(job: RenewLock | ReleaseLock) -> None:
    # Nobody waits for it: if it fails the lock lapses by itself.
    with suppress(StoreError):
        process_committer().submit(job)
