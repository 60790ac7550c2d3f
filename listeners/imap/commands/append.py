"""APPEND: a message into a folder. RFC 3501 §6.3.11, RFC 4315, RFC 7889."""

from __future__ import annotations

from blobs.committer import process_committer
from blobs.errors import StoreError
from blobs.store import Body, new_body
from clock.moments import to_micros, utc_now
from domains import directory as domains
from listeners import bridge
from listeners.imap import flags as imap_flags
from listeners.imap.carriers import Answer, carries_out
from listeners.imap.commands.copy import NO_TARGET
from listeners.imap.lookup import find_folder
from listeners.imap.session import CONTINUE, Session
from mailboxes import directory, quota
from mailboxes.appending import Append
from mailboxes.delivery import Delivery
from mailboxes.errors import FolderNotFound
from protocols.imap import commands
from protocols.imap.responses import append_uid_code, no, ok
from protocols.imap.server import AppendOffered

# The structure of a larger message is computed in a thread, so that other sessions go on.
LARGE_BYTES = 128 * 1024
MOST_REMEMBERED = 100_000

_TOO_BIG = no("The message is too big", b"TOOBIG")
_NO_BINARY = no("Binary messages are not taken", b"UNKNOWN-CTE")


@carries_out(AppendOffered)
async def offer(session: Session, offered: AppendOffered) -> Answer:
    """Refuse what cannot be kept before it is sent; otherwise let it come."""
    account, command = session.account, offered.command
    assert account is not None
    if command.is_binary:
        return _NO_BINARY
    most = await largest(session)
    if most is not None and command.size_bytes > most:
        return _TOO_BIG
    target = await find_folder(account.account_id, command.folder)
    if target is None:
        return NO_TARGET
    await bridge.ask_warm(quota.require_room, account, command.size_bytes)
    uidvalidity = await uidvalidity_of(session, target.folder_id)
    session.intake = MessageIntake(session, command, target.folder_id, uidvalidity)
    session.reader.accept_message()
    if offered.is_synchronising:
        session.send(CONTINUE)
    return None


async def uidvalidity_of(session: Session, folder_id: int) -> int:
    """It never changes while the folder has its id, so it is remembered apart."""
    known = session.door.uidvalidities
    if folder_id not in known:
        counters = await bridge.ask_warm(directory.counters, folder_id)
        if counters is None:
            raise FolderNotFound
        if len(known) >= MOST_REMEMBERED:
            known.clear()
        known[folder_id] = counters.uidvalidity
    return known[folder_id]


async def largest(session: Session) -> int | None:
    """Bytes of the largest message that may come; None: no limit."""
    assert session.account is not None
    domain = await bridge.ask_warm(domains.policy, session.account.domain_id)
    limits = [session.door.policy.message_bytes]
    if domain is not None:
        limits.append(domain.limits.max_message_bytes)
    return min((limit for limit in limits if limit is not None), default=None)


class MessageIntake:
    """The message while it comes in; nothing is kept before `finish`."""

    def __init__(
        self, session: Session, command: commands.Append, folder_id: int, uidvalidity: int
    ) -> None:
        self._session = session
        self._command = command
        self._folder_id = folder_id
        self._uidvalidity = uidvalidity
        self._body: Body = new_body()
        self._error: StoreError | None = None

    def write(self, chunk: bytes) -> None:
        if self._error is None:
            try:
                self._body.write(chunk)
            except StoreError as error:
                self._error = error

    def abort(self) -> None:
        self._body.discard()

    async def finish(self) -> Answer:
        if self._error is not None:
            raise self._error
        try:
            large = self._body.size_bytes > LARGE_BYTES
            job = await bridge.ask(self._job) if large else self._job()
            delivery: Delivery = await process_committer().commit(job)
        finally:
            self._body.discard()
        door = self._session.door
        directory.forget_folder(self._folder_id)
        await door.folders.reach(self._folder_id, delivery.modseq)
        return ok("APPEND completed", append_uid_code(self._uidvalidity, delivery.uid))

    def _job(self) -> Append:
        account, command = self._session.account, self._command
        assert account is not None
        bits, keywords = imap_flags.split(command.flags)
        return Append.of(
            self._body,
            account_id=account.account_id,
            domain_id=account.domain_id,
            folder_id=self._folder_id,
            received_at=to_micros(command.internal_at or utc_now()),
            flags=bits,
            keywords=" ".join(keywords),
        )
