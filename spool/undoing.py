"""Taking a verb back: what was there before is put there again (S-038)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction

from blobs.contention import tried_again
from clock.moments import from_micros
from events import audit
from events.audit import Actor
from spool import deleting, quarantine, summaries
from spool.changing import leave_trace, write_recipients
from spool.models import SpoolChange, SpoolChangeBatch, SpooledMessage, SpooledRecipient, State
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

Verb = SpoolChange.Verb

KEPT = timedelta(days=30)
PRUNED_AT_ONCE = 50


class NotUndoable(Exception):
    """The change cannot be taken back (any more)."""

    def __init__(self, change_id: int, reason: str) -> None:
        super().__init__(f"it cannot be undone: {reason}")
        self.change_id = change_id
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Before:
    """How one recipient was."""

    recipient_id: int
    message_id: int
    state: int
    due_at: int | None
    priority: int
    hold_reason: str
    hold_rule: int | None
    via: str
    manual_priority: int | None
    quarantined_until: int | None = None  # older batches end before these two
    patience_left: int | None = None


def undo(*, change_id: int, by: Actor | None, now: datetime) -> int:
    """Put back what still is as the change left it; how many messages. Raises NotUndoable."""
    return put_back(begin(change_id=change_id, by=by, now=now), by=by, now=now)


def begin(*, change_id: int, by: Actor | None, now: datetime) -> SpoolChange:
    """The first half of `undo`: from here on it is going to be put back. Raises NotUndoable."""
    with transaction.atomic():
        change = SpoolChange.objects.select_for_update().filter(pk=change_id).first()
        if change is None:
            raise NotUndoable(change_id, "there is no such change")
        if change.undone_at is not None:
            raise NotUndoable(change_id, "that has been done already")
        if change.undo_until is None:
            raise NotUndoable(change_id, "nothing of it can be taken back")
        is_over = change.verb == Verb.DELETE and change.is_final
        if is_over or change.undo_until <= now:
            raise NotUndoable(change_id, "too much time has passed")
        change.undone_at = now
        # Should this process die in the midst of it, the daemon goes on.
        change.is_final = False
        change.save(update_fields=["undone_at", "is_final"])
        audit.record(by, "undid a change in the spool", change)
    return change


def put_back(
    change: SpoolChange,
    *,
    by: Actor | None,
    now: datetime,
    tell: Callable[[int], None] = lambda done: None,
) -> int:
    """The second half: how many messages. Broken off, it goes on where it was; `tell` hears how
    many messages are done behind every batch."""
    done: set[int] = set()
    while (batch := change.batches.order_by("id").first()) is not None:
        done |= _put_back_batch(batch, by, now)
        tell(len(done))
    change.is_final = True
    change.save(update_fields=["is_final"])
    publish_on_commit(Topic.SPOOL)
    return len(done)


def finish_changes(*, now: datetime) -> int:
    """Deletions whose time to undo has passed, and undos that were broken off; how many."""
    count = 0
    for change in SpoolChange.objects.filter(is_final=False):
        if change.undone_at is not None:
            if change.undone_at > now - timedelta(seconds=30):
                continue  # somebody is at it
            put_back(change, by=None, now=now)
        elif change.undo_until is None or change.undo_until <= now:
            _finish_deletion(change.pk, now=now)
        else:
            continue
        count += 1
    return count


def has_open_changes() -> bool:
    return SpoolChange.objects.filter(is_final=False).exists()


def forget_changes(*, now: datetime) -> int:
    """What can no longer be undone needs no batches; after a month nobody asks at all."""
    over = SpoolChangeBatch.objects.filter(change__undo_until__lt=now, change__is_final=True)
    ids = list(over.values_list("id", flat=True)[:PRUNED_AT_ONCE])
    SpoolChangeBatch.objects.filter(pk__in=ids).delete()
    old = SpoolChange.objects.filter(at__lt=now - KEPT, is_final=True)
    old_ids = list(old.values_list("id", flat=True)[:PRUNED_AT_ONCE])
    SpoolChange.objects.filter(pk__in=old_ids).delete()
    return len(ids) + len(old_ids)


def _finish_deletion(change_id: int, *, now: datetime) -> None:
    with transaction.atomic():
        change = SpoolChange.objects.select_for_update().get(pk=change_id)
        if change.undone_at is not None or change.is_final:
            return
        change.undo_until = None  # from here on nobody can undo it
        change.save(update_fields=["undo_until"])
    deleting.finish(change, now=now)


@tried_again
@transaction.atomic
def _put_back_batch(batch: SpoolChangeBatch, by: Actor | None, now: datetime) -> set[int]:
    change, before = batch.change, [Before(*row) for row in batch.before]
    was = {one.recipient_id: one for one in before}
    rows = SpooledRecipient.objects.select_for_update().filter(
        pk__in=was, state__lt=State.DELIVERED
    )
    recipients = list(rows.order_by("id"))
    messages = {
        row.pk: row
        for row in SpooledMessage.objects.select_for_update()
        .filter(pk__in={one.message_id for one in recipients})
        .order_by("id")
    }
    changed, patient = [], set()
    for recipient in recipients:
        message = messages[recipient.message_id]
        if _is_as_left(change, recipient, message):
            is_let_go = change.verb == Verb.QUARANTINE
            if is_let_go and quarantine.give_patience_back(recipient, message, now=now):
                patient.add(message.pk)
            _restore(Verb(change.verb), recipient, was[recipient.pk])
            changed.append(recipient)
    ids = sorted({recipient.message_id for recipient in changed})
    if change.verb == Verb.PRIORITY:
        manual = {one.message_id: one.manual_priority for one in before}
        for message_id in ids:
            messages[message_id].manual_priority = manual[message_id]
        SpooledMessage.objects.bulk_update([messages[i] for i in ids], ["manual_priority"])
    if patient:
        SpooledMessage.objects.bulk_update([messages[i] for i in sorted(patient)], ["expires_at"])
    with connection.cursor() as cursor:
        write_recipients(cursor, changed)
        summaries.refresh(cursor, ids)
    leave_trace([messages[i] for i in ids], f"{change.get_verb_display().lower()}: undone",
                by=by, now=now)  # fmt: skip
    SpoolChangeBatch.objects.filter(pk=batch.pk).delete()
    return set(ids)


def _is_as_left(change: SpoolChange, recipient: SpooledRecipient, message: SpooledMessage) -> bool:
    """What somebody has changed since stays as it is."""
    if change.verb == Verb.DELETE:
        return recipient.state == State.DELETING
    if recipient.state == State.DELETING:
        return False
    if change.verb == Verb.PRIORITY:
        now = message.manual_priority
        return change.parameter == ("auto" if now is None else str(now))
    if change.verb == Verb.ROUTE:
        return change.parameter == (recipient.via or "auto")
    if change.verb == Verb.HOLD:
        return recipient.hold_reason == change.parameter and recipient.quarantined_until is None
    if change.verb == Verb.QUARANTINE:
        return recipient.hold_reason == change.parameter and bool(recipient.quarantined_until)
    return not recipient.hold_reason and recipient.claimed_by is None


def _restore(verb: Verb, recipient: SpooledRecipient, before: Before) -> None:
    if verb == Verb.PRIORITY:
        recipient.priority = before.priority
    elif verb == Verb.ROUTE:
        recipient.via = before.via
    else:
        recipient.hold_reason, recipient.hold_rule = before.hold_reason, before.hold_rule
        until = before.quarantined_until
        recipient.quarantined_until = None if until is None else from_micros(until)
        recipient.patience_left = before.patience_left
        recipient.state = before.state
        if recipient.claimed_by is None:
            due = before.due_at
            recipient.due_at = None if due is None else from_micros(due)
