"""Writing results: attempts, ends, next tries, finished messages and the ledger, in one batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec
from django.db import DEFAULT_DB_ALIAS, connections

from blobs import references
from blobs.committer import Job
from blobs.ids import new_id
from mailboxes import delivery
from mailboxes.delivery import Delivery
from spool import ledger, summaries, throttlecounts
from spool.acceptance import Acceptance, insert_statement
from spool.decisions import Settled, words
from spool.models import State
from spool.statements import marks, padded
from spool.work import ClaimedMessage, Entry, Result

ATTEMPT_COLUMNS = (
    "id", "recipient_id", "number", "started_at", "finished_at", "outcome", "host",
    "host_address", "tls", "reply_code", "enhanced_code", "reply", "traceback",
)  # fmt: skip
ENTRY_COLUMNS = ("id", "message_id", "recipient_id", "at", "actor", "decision", "detail")

INSERT_ATTEMPT = insert_statement("spool_deliveryattempt", ATTEMPT_COLUMNS)
INSERT_ENTRY = insert_statement("spool_traceentry", ENTRY_COLUMNS)
_PRESENT = (
    "SELECT id, claimed_by, state, priority, hold_reason FROM spool_spooledrecipient"
    " WHERE id IN ({ids}) ORDER BY id{lock}"
)
_UPDATE_RECIPIENT = (
    "UPDATE spool_spooledrecipient SET state = %s, due_at = %s, priority = %s, reply = %s,"
    " ended_at = %s, folder_id = %s, uid = %s, attempts = attempts - %s, is_forced = %s,"
    " claimed_by = NULL, claimed_until = NULL WHERE id = %s"
)
_LOCK_MESSAGES = "SELECT id FROM spool_spooledmessage WHERE id IN ({ids}) ORDER BY id FOR UPDATE"
_UNFINISHED = (
    "SELECT DISTINCT message_id FROM spool_spooledrecipient"
    f" WHERE message_id IN ({{ids}}) AND state < {State.DELIVERED.value}"
)
_COUNT_DELIVERED = (
    "UPDATE spool_spooledmessage SET recipients_delivered = recipients_delivered + %s WHERE id = %s"
)
_FINISH = (
    "UPDATE spool_spooledmessage SET recipients_delivered = recipients_delivered + %s,"
    " finished_at = %s, blob_id = NULL, delay_notice_at = NULL WHERE id = %s"
)
_ARM_NOTICE = (
    "UPDATE spool_spooledmessage SET delay_notice_at = %s WHERE id = %s AND delay_notice_at IS NULL"
)
_LEDGER_NAMES = {
    State.DELIVERED: "delivered",
    State.RELAYED: "relayed",
    State.BOUNCED: "bounced",
    State.EXPIRED: "expired",
    State.DISCARDED: "discarded",
    State.DELETED: "deleted",
}


class ClaimLost(Exception):
    """Another process has taken over, or an administrator has deleted, what was worked on."""


@dataclass(slots=True, kw_only=True, eq=False)
class Settlement(Job):
    """Results of this process; `report` tells the sender of them, both or neither."""

    owner: int
    now: int
    settled: list[Settled]
    entries: list[Entry] = field(default_factory=list)
    report: Acceptance | None = None
    notices: dict[int, int] = field(default_factory=dict)  # message -> when a delay notice is due

    @staticmethod
    def write_rows(jobs: Sequence[Settlement], cursor: Any) -> None:
        claims = {
            one.result.recipient.recipient_id: job.owner for job in jobs for one in job.settled
        }
        found = standing(cursor, claims)
        going = [job for job in jobs if not job._is_lost(found)]
        telling = [job for job in going if not job._is_deleted(found)]
        reports = [job.report for job in telling if job.report is not None]
        if reports:
            Acceptance.write_rows(reports, cursor)
        write_settled(cursor, [one for job in going for one in job.settled], found)
        write_entries(cursor, [(job.now, entry) for job in telling for entry in job.entries])
        notices = [(due, message) for job in going for message, due in job.notices.items()]
        if notices:
            cursor.executemany(_ARM_NOTICE, notices)

    def _is_lost(self, found: Standing) -> bool:
        """A report about recipients that are no longer ours must not go out.

        Nor one about some that have been deleted: the others come up again by themselves.
        """
        if self.report is None:
            return False
        kept = found.ours - found.deleting
        if all(one.result.recipient.recipient_id in kept for one in self.settled):
            return False
        if self._is_deleted(found):
            return False
        self.error = ClaimLost()
        return True

    def _is_deleted(self, found: Standing) -> bool:
        """An administrator has deleted all of it: nobody is told (S-038)."""
        gone = found.ours & found.deleting
        return self.report is not None and all(
            one.result.recipient.recipient_id in gone for one in self.settled
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Which recipients still have a row, and of which the claim still holds."""

    present: set[int]
    ours: set[int]  # neither lapsed to another process nor deleted by an administrator
    deleting: set[int]  # deleted by an administrator who may still undo it
    held: set[int]  # an operator holds it: it is not tried again
    priorities: dict[int, int]


def standing(cursor: Any, claims: dict[int, int]) -> Standing:
    """`claims` maps recipients to the owners that they were claimed by. Locks the rows."""
    if not claims:
        return Standing(set(), set(), set(), set(), {})
    lock = " FOR UPDATE" if connections[DEFAULT_DB_ALIAS].vendor == "postgresql" else ""
    ids = padded(list(claims))
    cursor.execute(_PRESENT.format(ids=marks(ids), lock=lock), ids)
    rows = cursor.fetchall()
    return Standing(
        present={row[0] for row in rows},
        ours={
            recipient_id
            for recipient_id, claimed_by, state, *_ in rows
            if claimed_by == claims[recipient_id] and state < State.DELIVERED
        },
        deleting={row[0] for row in rows if row[2] == State.DELETING},
        held={row[0] for row in rows if row[4]},
        priorities={row[0]: row[3] for row in rows},
    )


def write_settled(cursor: Any, settled: Sequence[Settled], found: Standing) -> None:
    """The try is written in any case, what follows from it only where the claim still holds."""
    tried = [one.result for one in settled if one.result.recipient.recipient_id in found.present]
    _write_attempts(cursor, tried)
    current = [
        _kept_for_undo(one) if one.result.recipient.recipient_id in found.deleting else one
        for one in settled
        if one.result.recipient.recipient_id in found.ours
    ]
    throttlecounts.settle(cursor, (one.result for one in current))
    _update_recipients(cursor, current, found)
    ended = [one for one in current if one.is_end]
    waiting = _finish_messages(cursor, ended)
    _count_ends(cursor, ended)
    messages = {one.result.recipient.message for one in current if not one.is_end} | waiting
    small = {one.message_id for one in messages if one.recipients_total <= summaries.LARGE}
    summaries.refresh(cursor, sorted(small))


def _write_attempts(cursor: Any, results: Iterable[Result]) -> None:
    rows = [_attempt_row(result) for result in results if result.is_try]
    if rows:
        cursor.executemany(INSERT_ATTEMPT, rows)


def _attempt_row(result: Result) -> tuple[Any, ...]:
    reply, peer = result.outcome.reply, result.peer
    return (
        new_id(), result.recipient.recipient_id, result.recipient.attempts, result.started_at,
        result.finished_at, result.verdict.value, peer.host[:255], peer.address[:60],
        peer.tls[:60], reply.code, reply.enhanced, words(reply), result.traceback,
    )  # fmt: skip


def _update_recipients(cursor: Any, settled: Sequence[Settled], found: Standing) -> None:
    rows = [
        (
            *_what_follows(one, found), one.reply,
            one.result.finished_at if one.is_end else None, one.result.folder_id, one.result.uid,
            0 if one.result.is_try else 1,
            one.result.is_returned and one.result.recipient.is_forced,
            one.result.recipient.recipient_id,
        )
        for one in settled
    ]  # fmt: skip
    if rows:
        # One order for all processes, so that none waits for another that waits for it.
        cursor.executemany(_UPDATE_RECIPIENT, sorted(rows, key=lambda row: row[-1]))


def _kept_for_undo(one: Settled) -> Settled:
    """What fails while it is being deleted ends with the deletion, or is tried again."""
    if one.state in (State.BOUNCED, State.EXPIRED):
        return replace(one, state=State.DELETING, due_at=None)
    return one


def _what_follows(one: Settled, found: Standing) -> tuple[int, int | None, int]:
    """State, next try and priority; what an operator said during the try comes first."""
    recipient = one.result.recipient
    if one.is_end:
        return one.state.value, None, one.priority
    now = found.priorities.get(recipient.recipient_id, recipient.priority)
    priority = one.priority if now == recipient.priority else now
    if recipient.recipient_id in found.deleting:
        return State.DELETING.value, None, priority
    if recipient.recipient_id in found.held:
        return State.HELD.value, None, priority
    return one.state.value, one.due_at, priority


def _finish_messages(cursor: Any, ended: Sequence[Settled]) -> set[ClaimedMessage]:
    """Count what has arrived; let go of messages that nobody waits for any more; the others."""
    if not ended:
        return set()
    messages = {one.result.recipient.message.message_id: one for one in ended}
    arrived = Counter(
        one.result.recipient.message.message_id
        for one in ended
        if one.state in (State.DELIVERED, State.RELAYED)
    )
    several = [
        key for key, one in messages.items() if one.result.recipient.message.recipients_total > 1
    ]
    waiting: set[int] = set()
    if several:
        if connections[DEFAULT_DB_ALIAS].vendor == "postgresql":
            # Of two processes that end the last two recipients, the second one sees the first's.
            cursor.execute(_LOCK_MESSAGES.format(ids=marks(several)), several)
        cursor.execute(_UNFINISHED.format(ids=marks(several)), several)
        waiting = {row[0] for row in cursor.fetchall()}
    finished = sorted(messages.keys() - waiting)
    if finished:
        rows = [(arrived[key], messages[key].result.finished_at, key) for key in finished]
        cursor.executemany(_FINISH, rows)
    if waiting:
        counts = [(arrived[key], key) for key in sorted(waiting) if arrived[key]]
        if counts:
            cursor.executemany(_COUNT_DELIVERED, counts)
    _release_blobs(cursor, [messages[key] for key in finished])
    return {messages[key].result.recipient.message for key in waiting}


def _release_blobs(cursor: Any, finished: Iterable[Settled]) -> None:
    deltas: Counter[int] = Counter()  # batches of a list's post share one body
    for one in finished:
        location = one.result.recipient.message.location
        if location is not None:
            deltas[location.blob_id] -= 1
    references.change(cursor, deltas)


def _count_ends(cursor: Any, ended: Iterable[Settled]) -> None:
    counts: Counter[tuple[int, int, State]] = Counter()
    for one in ended:
        hour = one.result.finished_at // ledger.HOUR_MICROS
        counts[one.result.recipient.ledger_domain_id or 0, hour, one.state] += 1
    for (domain_id, hour, state), count in sorted(counts.items()):
        ledger.count(cursor, domain_id, hour * ledger.HOUR_MICROS, **{_LEDGER_NAMES[state]: count})


def write_entries(cursor: Any, entries: Iterable[tuple[int, Entry]]) -> None:
    rows = [
        (
            new_id(), entry.message_id, entry.recipient_id, at, entry.actor, entry.decision,
            msgspec.json.encode(entry.detail).decode(),
        )
        for at, entry in entries
    ]  # fmt: skip
    if rows:
        cursor.executemany(INSERT_ENTRY, rows)


@dataclass(slots=True, kw_only=True, eq=False)
class RecipientEnd(Job):
    """The end of a recipient, with what it causes, in one transaction or neither."""

    owner: int  # who has claimed the recipient
    settled: Settled
    entries: list[Entry] = field(default_factory=list)


End = TypeVar("End", bound=RecipientEnd)


def still_ours(cursor: Any, jobs: Sequence[End]) -> tuple[Standing, list[End]]:
    """How the recipients stand, and the jobs whose claim holds; the others get ClaimLost."""
    claims = {job.settled.result.recipient.recipient_id: job.owner for job in jobs}
    found = standing(cursor, claims)
    going = []
    for job in jobs:
        if job.settled.result.recipient.recipient_id in found.ours:
            going.append(job)
        else:
            job.error = ClaimLost()
    return found, going


@dataclass(slots=True, kw_only=True, eq=False)
class LocalDelivery(RecipientEnd):
    """Into the mailbox and to the recipient's end in one transaction, or neither (S-052).

    Refused with the error of the mailbox; `settled` is as it is when the mailbox takes the message,
    `report` the confirmation that the sender wanted.
    """

    delivery: Delivery
    report: Acceptance | None = None

    @staticmethod
    def write_rows(jobs: Sequence[LocalDelivery], cursor: Any) -> None:
        found, going = still_ours(cursor, jobs)
        if not going:
            return
        now = going[0].settled.result.finished_at
        delivery.deliver(cursor, [job.delivery for job in going], now=now)
        arrived = []
        for job in going:
            job.error = job.delivery.error
            if job.error is None:
                arrived.append(job)
        references.change(cursor, Counter(job.delivery.blob_id for job in arrived))
        reports = [job.report for job in arrived if job.report is not None]
        if reports:
            Acceptance.write_rows(reports, cursor)
        write_settled(cursor, [job._with_place() for job in arrived], found)
        write_entries(cursor, [(now, entry) for job in arrived for entry in job.entries])

    def _with_place(self) -> Settled:
        result = self.settled.result
        placed = replace(result, folder_id=self.delivery.folder_id, uid=self.delivery.uid)
        return replace(self.settled, result=placed)
