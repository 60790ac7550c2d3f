"""The only way a message enters a mailbox: many deliveries in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from blobs.ids import new_id
from mailboxes import changes, quota, standard
from mailboxes.changes import Change, Kind, Marked
from mailboxes.errors import FolderNotFound
from mailboxes.models import Flag
from mailboxes.quota import QuotaScope

_ALLOT = (
    "UPDATE mailboxes_folder SET uid_next = uid_next + %s, highest_modseq = highest_modseq + 1,"
    " messages = messages + %s, unseen = unseen + %s, deleted = deleted + %s, bytes = bytes + %s"
    " WHERE id = %s AND account_id = %s RETURNING uid_next, highest_modseq"
)
INSERT_MESSAGE = (
    "INSERT INTO mailboxes_message (id, folder_id, uid, modseq, flags, keywords, blob_id, prefix,"
    " size_bytes, received_at, saved_at, spooled_id, is_settled)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


@dataclass(slots=True, eq=False)
class Delivery:
    """One message for one folder; the second half is filled in by `deliver`.

    The caller counts a reference of the blob for each delivery that went well.
    """

    account_id: int
    domain_id: int
    blob_id: int
    prefix: str  # Return-Path and Delivered-To lines of this copy
    size_bytes: int  # prefix and body
    received_at: int  # microseconds
    folder_id: int | None = None  # None: the INBOX
    flags: int = 0
    keywords: str = ""
    spooled_id: int | None = None
    is_settled: bool = False  # the blob lies in this domain's own folder already
    is_exempt: bool = False  # limits of space do not count (D-083)
    message_id: int = field(init=False, default=0)
    uid: int = field(init=False, default=0)
    modseq: int = field(init=False, default=0)
    error: Exception | None = field(init=False, default=None)
    is_for_inbox: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_for_inbox = self.folder_id is None


def deliver(cursor: Any, deliveries: Sequence[Delivery], *, now: int) -> None:
    """Write them all in the caller's transaction; `now` in microseconds.

    What cannot be delivered has its `error` set (QuotaExceeded, FolderNotFound) and leaves no
    row. May be called again for the same deliveries after a rollback. Locks rows in this order:
    folders, usage of accounts, usage of domains, each by rising id.
    """
    accounts = sorted({d.account_id for d in deliveries if d.is_for_inbox})
    inboxes = {account_id: _inbox(cursor, account_id, now=now) for account_id in accounts}
    for delivery in deliveries:
        delivery.error = None
        if delivery.is_for_inbox:
            delivery.folder_id = inboxes[delivery.account_id]
            if delivery.folder_id is None:
                delivery.error = FolderNotFound()
    quota.refuse_overfull(cursor, [d for d in deliveries if d.error is None and not d.is_exempt])
    by_folder: defaultdict[tuple[int, int], list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.error is None and delivery.folder_id is not None:
            by_folder[delivery.folder_id, delivery.account_id].append(delivery)
    for key in sorted(by_folder):
        _allot(cursor, by_folder[key], now=now)
    _write(cursor, [d for d in deliveries if d.error is None], now=now)


def _inbox(cursor: Any, account_id: int, *, now: int) -> int | None:
    """None: there is no such account (any more)."""
    try:
        return standard.inbox(cursor, account_id, now=now)
    except FolderNotFound:
        return None


def _allot(cursor: Any, deliveries: Sequence[Delivery], *, now: int) -> None:
    """UIDs and one MODSEQ for all that go into one folder, and its counters."""
    first = deliveries[0]
    row = _count_in(cursor, deliveries)
    if row is None and first.is_for_inbox:
        # The remembered INBOX has gone: with a transaction rolled back, or with its account.
        standard.forget_inbox(first.account_id)
        folder_id = _inbox(cursor, first.account_id, now=now)
        for delivery in deliveries:
            delivery.folder_id = folder_id
        row = None if folder_id is None else _count_in(cursor, deliveries)
    if row is None:
        for delivery in deliveries:
            delivery.error = FolderNotFound()
        return
    uid_next, modseq = row
    for uid, delivery in enumerate(deliveries, uid_next - len(deliveries)):
        delivery.uid, delivery.modseq = uid, modseq
    marked = [Marked(d.uid, d.flags, d.keywords) for d in deliveries]
    changes.publish(first.folder_id or 0, Change(Kind.ADDED, modseq, marked))


def _count_in(cursor: Any, deliveries: Sequence[Delivery]) -> tuple[int, int] | None:
    first = deliveries[0]
    counts = count_flags((d.flags, d.size_bytes) for d in deliveries)
    return allot(cursor, first.folder_id or 0, first.account_id, counts)


class Counts(NamedTuple):
    """What messages add to the counters of their folder."""

    messages: int
    unseen: int
    deleted: int
    size_bytes: int


def count_flags(messages: Iterable[tuple[int, int]]) -> Counts:
    """The sum over (flags, bytes)."""
    count = unseen = deleted = total = 0
    for flags, size_bytes in messages:
        count += 1
        unseen += not flags & Flag.SEEN
        deleted += bool(flags & Flag.DELETED)
        total += size_bytes
    return Counts(count, unseen, deleted, total)


def allot(cursor: Any, folder_id: int, account_id: int, counts: Counts) -> tuple[int, int] | None:
    """Count messages into a folder: (the UID behind the last of theirs, their MODSEQ).

    None: the account has no such folder. The folder's row stays locked.
    """
    cursor.execute(_ALLOT, (counts.messages, *counts, folder_id, account_id))
    row: tuple[int, int] | None = cursor.fetchone()
    return row


def _write(cursor: Any, deliveries: Sequence[Delivery], *, now: int) -> None:
    if not deliveries:
        return
    rows = []
    for delivery in deliveries:
        delivery.message_id = new_id()
        rows.append(
            (
                delivery.message_id, delivery.folder_id, delivery.uid, delivery.modseq,
                delivery.flags, delivery.keywords, delivery.blob_id, delivery.prefix,
                delivery.size_bytes, delivery.received_at, now, delivery.spooled_id,
                delivery.is_settled,
            )
        )  # fmt: skip
    cursor.executemany(INSERT_MESSAGE, rows)
    of_accounts = totals((d.account_id, d.size_bytes) for d in deliveries)
    of_domains = totals((d.domain_id, d.size_bytes) for d in deliveries)
    quota.add_usage(cursor, QuotaScope.ACCOUNT, of_accounts)
    quota.add_usage(cursor, QuotaScope.DOMAIN, of_domains)


def totals(sizes: Iterable[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """(bytes, messages) by key, out of (key, bytes)."""
    found: dict[int, tuple[int, int]] = {}
    for key, size_bytes in sizes:
        size, count = found.get(key, (0, 0))
        found[key] = size + size_bytes, count + 1
    return found
