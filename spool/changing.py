"""One verb on a selection: in batches, each a transaction, each on record (S-042)."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import connection, transaction

from blobs.contention import tried_again
from blobs.ids import new_id
from clock.moments import to_micros
from events import audit
from events.audit import Actor
from spool import summaries
from spool.models import (
    SpoolChange,
    SpoolChangeBatch,
    SpooledMessage,
    SpooledRecipient,
    State,
    TraceEntry,
)
from spool.selection import Selection
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

_UPDATE = (
    "UPDATE spool_spooledrecipient SET state = %s, due_at = %s, priority = %s, is_forced = %s,"
    " attempts = %s, hold_reason = %s, hold_rule = %s, via = %s, quarantined_until = %s,"
    " patience_left = %s WHERE id = %s"
)
# Where a batch's `before` has it, of each recipient.
MANUAL_PRIORITY = 8


class Skipped(StrEnum):
    """Why a verb passed a message over."""

    GONE = "no longer in the spool"
    IN_WORK = "being delivered now"
    DELETING = "being deleted"
    HELD = "held"
    QUARANTINED = "in quarantine"
    THROTTLED = "throttled"
    NOT_HELD = "not held by an operator"
    STAYS_HERE = "for a mailbox of this server"


@dataclass(frozen=True, slots=True)
class Done:
    """How many messages were acted on, and how many were passed over, why."""

    done: int = 0
    skipped: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    change_id: int | None = None  # for spool.undoing.undo; None: nothing was done

    def __str__(self) -> str:
        words = f"{self.done:,} done"
        if self.skipped:
            why = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.items())
            words += f", {self.skipped:,} skipped: {why}"
        return words


@dataclass(slots=True)
class Batch:
    """Locked rows of some messages; a verb goes through `recipients` and takes or skips each."""

    messages: dict[int, SpooledMessage]
    recipients: list[SpooledRecipient]  # those that wait and are meant
    now: datetime
    taken: list[SpooledRecipient] = field(default_factory=list)
    before: list[list[Any]] = field(default_factory=list)  # spool.undoing.Before values
    done: set[int] = field(default_factory=set)
    skipped: dict[int, str] = field(default_factory=dict)

    def take(self, recipient: SpooledRecipient) -> None:
        """Remember how it was; the verb sets its fields next."""
        self.taken.append(recipient)
        self.done.add(recipient.message_id)
        self.before.append(_values(recipient, now=self.now))

    def skip(self, recipient: SpooledRecipient, reason: Skipped) -> None:
        self.skipped.setdefault(recipient.message_id, reason)

    def free(self) -> Iterable[SpooledRecipient]:
        """Those that are neither in work nor being deleted; the others are skipped."""
        for recipient in self.recipients:
            if recipient.state == State.DELETING:
                self.skip(recipient, Skipped.DELETING)
            elif recipient.claimed_by is not None:
                self.skip(recipient, Skipped.IN_WORK)
            else:
                yield recipient


Act = Callable[[Batch], None]


@dataclass(frozen=True, slots=True)
class Course:
    """Where a verb on very many messages stands: told behind every batch, given to go on there.

    `tell` gets the last id that is done with, and the counts so far; it may raise to end the verb
    there, and what is done stays done.
    """

    after: int = 0
    last: int | None = None  # None: what is there when it begins
    tell: Callable[[int, Done], None] = lambda after, done: None


AT_ONCE = Course()


@dataclass(slots=True)
class Run:
    """A verb under way; its counts grow with each batch."""

    verb: SpoolChange.Verb
    by: Actor | None
    now: datetime
    selection: Selection
    parameter: str = ""
    undo_for: timedelta | None = None
    is_final: bool = True
    audits_each: bool = False  # S-038: so that a mistake can at least be seen
    course: Course = AT_ONCE
    change: SpoolChange | None = None
    started: float = field(default_factory=time.monotonic)
    reasons: Counter[str] = field(default_factory=Counter)
    batches: int = 0

    def carry_out(self, act: Act) -> Done:
        course = self.course
        for ids in self.selection.batches(now=self.now, after=course.after, last=course.last):
            self._act_on(ids, act)
            self.batches += 1
            course.tell(ids[-1], self._done())
        return self._done()

    def _done(self) -> Done:
        done = self.change.done if self.change else 0
        skipped = sum(self.reasons.values())
        return Done(done, skipped, dict(self.reasons), self.change.pk if self.change else None)

    @tried_again
    def _act_on(self, ids: Sequence[int], act: Act) -> None:
        reasons, change = self.reasons.copy(), copy.copy(self.change)
        try:
            with transaction.atomic():
                self._act_in_transaction(ids, act)
        except BaseException:
            self.reasons, self.change = reasons, change
            raise

    def _act_in_transaction(self, ids: Sequence[int], act: Act) -> None:
        batch = lock(self.selection, ids, now=self.now)
        act(batch)
        missing = len(ids) - len(batch.messages)
        skipped = [reason for key, reason in batch.skipped.items() if key not in batch.done]
        self.reasons.update(skipped)
        if missing and self.selection.ids:
            self.reasons[Skipped.GONE] += missing
        if not batch.done:
            return
        with connection.cursor() as cursor:
            write_recipients(cursor, batch.taken)
            summaries.refresh(cursor, sorted(batch.done))
        self._record(batch, len(skipped))
        publish_on_commit(Topic.SPOOL)

    def _record(self, batch: Batch, skipped: int) -> None:
        elapsed = timedelta(seconds=time.monotonic() - self.started)
        change = self.change or self._open_change()
        change.done += len(batch.done)
        change.skipped += skipped
        if self.undo_for is not None:
            change.undo_until = self.now + elapsed + self.undo_for
            SpoolChangeBatch.objects.create(id=new_id(), change=change, before=batch.before)
        change.save(update_fields=["done", "skipped", "undo_until"])
        self.change = change
        messages = [batch.messages[key] for key in sorted(batch.done)]
        leave_trace(messages, change.get_verb_display().lower(), by=self.by, now=self.now,
                    **({"set": self.parameter} if self.parameter else {}))  # fmt: skip
        if self.audits_each:
            addresses: dict[int, list[str]] = {}
            for recipient in batch.taken:
                addresses.setdefault(recipient.message_id, []).append(recipient.address)
            audit.record_all(
                self.by,
                f"{change.get_verb_display().lower()} in the spool",
                [(message, facts_of(message, addresses[message.pk])) for message in messages],
            )

    def _open_change(self) -> SpoolChange:
        change = SpoolChange.objects.create(
            id=new_id(),
            at=self.now,
            actor=str(self.by)[:320] if self.by is not None else "server",
            actor_account_id=self.by.pk if self.by is not None else None,
            verb=self.verb,
            selection=str(self.selection)[:500],
            parameter=self.parameter[:300],
            is_final=self.is_final,
        )
        facts = {"selection": ("", change.selection)}
        if self.parameter:
            facts["set"] = ("", change.parameter)
        audit.record(self.by, f"{change.get_verb_display().lower()} mail in the spool", change,
                     facts)  # fmt: skip
        return change


def lock(selection: Selection, ids: Sequence[int], *, now: datetime) -> Batch:
    """Recipients before messages, each by id: the order that settling keeps."""
    meant = selection.recipients(ids, now=now).values("pk")
    rows = SpooledRecipient.objects.select_for_update().filter(
        pk__in=meant, state__lt=State.DELIVERED
    )
    recipients = list(rows.order_by("id"))
    wanted = {recipient.message_id for recipient in recipients}
    messages = SpooledMessage.objects.select_for_update().filter(pk__in=wanted, finished_at=None)
    return Batch({row.pk: row for row in messages.order_by("id")}, recipients, now)


def write_recipients(cursor: Any, recipients: Iterable[SpooledRecipient]) -> None:
    rows = [
        (
            row.state, _micros(row.due_at), row.priority, row.is_forced, row.attempts,
            row.hold_reason, row.hold_rule, row.via, _micros(row.quarantined_until),
            row.patience_left, row.pk,
        )
        for row in recipients
    ]  # fmt: skip
    if rows:
        cursor.executemany(_UPDATE, rows)


def leave_trace(
    messages: Iterable[SpooledMessage], decision: str, *, by: Actor | None, now: datetime,
    **detail: Any,
) -> None:  # fmt: skip
    """For whoever looks for the message later."""
    actor = str(by)[:100] if by is not None else "server"
    TraceEntry.objects.bulk_create(
        TraceEntry(
            id=new_id(), message=message, at=now, actor=actor, decision=decision, detail=detail
        )
        for message in messages
    )


def _values(recipient: SpooledRecipient, *, now: datetime) -> list[Any]:
    """As spool.undoing.Before reads it."""
    # In hand it is due when the claim lapses; should it be free again when the verb is undone,
    # nobody has claimed it, and it waits for nothing.
    due = recipient.due_at if recipient.claimed_by is None else now
    return [
        recipient.pk, recipient.message_id, recipient.state, _micros(due), recipient.priority,
        recipient.hold_reason, recipient.hold_rule, recipient.via, None,
        _micros(recipient.quarantined_until), recipient.patience_left,
    ]  # fmt: skip


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)


def facts_of(message: SpooledMessage, addresses: Sequence[str]) -> audit.Changes:
    """For the audit trail, so that it can at least be seen what went."""
    recipients = ", ".join(addresses[:20])
    return {
        "sender": (message.sender, message.sender),
        "recipients": (recipients, recipients),
        "message_id": (message.message_id, message.message_id),
    }
