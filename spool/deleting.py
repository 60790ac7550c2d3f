"""Deletion from the spool: at once gone from sight, final some seconds later (S-038, S-041)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from blobs import references
from blobs.contention import tried_again
from clock.moments import to_micros
from events.audit import Actor
from spool import ledger
from spool.changing import AT_ONCE, Batch, Course, Done, Run, Skipped
from spool.models import (
    SpoolChange,
    SpoolChangeBatch,
    SpooledMessage,
    SpooledRecipient,
    State,
)
from spool.selection import Selection

UNDO_FOR = timedelta(seconds=10)


def delete(
    *,
    selection: Selection,
    by: Actor | None,
    now: datetime,
    at_once: bool = False,
    undo_for: timedelta | None = None,
    course: Course = AT_ONCE,
) -> Done:
    """Take out of the spool, without a report to the sender; who has got it keeps it.

    A transaction under way at another server finishes: if it takes the message, that counts.
    For ten seconds (or `undo_for`) `spool.undoing.undo` brings the rest back; `at_once`: it is
    final now.
    """

    def act(batch: Batch) -> None:
        for recipient in batch.recipients:
            if recipient.state == State.DELETING:
                batch.skip(recipient, Skipped.DELETING)
                continue
            batch.take(recipient)
            recipient.state = State.DELETING
            if recipient.claimed_by is None:
                recipient.due_at = None

    run = Run(
        SpoolChange.Verb.DELETE, by, now, selection, undo_for=undo_for or UNDO_FOR, is_final=False,
        audits_each=True, course=course,
    )  # fmt: skip
    done = run.carry_out(act)
    if at_once and run.change is not None:
        finish(run.change, now=now)
    return done


def finish(change: SpoolChange, *, now: datetime) -> None:
    """Make a deletion final, batch by batch; may be repeated after a crash."""
    for batch in change.batches.order_by("id"):
        _finish_batch(batch, now)
    change.is_final = True
    change.undo_until = now
    change.save(update_fields=["is_final", "undo_until"])


@tried_again
@transaction.atomic
def _finish_batch(batch: SpoolChangeBatch, now: datetime) -> None:
    end_recipients([row[0] for row in batch.before], now=now)
    SpoolChangeBatch.objects.filter(pk=batch.pk).delete()


@tried_again
@transaction.atomic
def give_up(message_ids: Collection[int], *, now: datetime) -> int:
    """Delete whole messages for good, because their domain goes; how many."""
    waiting = SpooledRecipient.objects.filter(message__in=message_ids, state__lt=State.DELIVERED)
    ids = list(waiting.values_list("id", flat=True))
    return end_recipients(ids, message_ids=set(message_ids), now=now)


def finish_forgotten(*, now: datetime) -> int:
    """Let go of messages whose recipients have all come to their ends; how many.

    Ends and the message's own end are written together; this is for what an older version left.
    """
    waiting = SpooledRecipient.objects.filter(message=OuterRef("pk"), state__lt=State.DELIVERED)
    ids = list(
        SpooledMessage.objects.filter(~Exists(waiting), finished_at=None).values_list(
            "pk", flat=True
        )
    )
    with transaction.atomic():
        return end_recipients((), now=now, message_ids=ids) if ids else 0


def end_recipients(
    recipient_ids: Collection[int],
    *,
    now: datetime,
    message_ids: Collection[int] = (),
    reply: str | None = None,
) -> int:
    """In the caller's transaction; how many messages nobody waits for any more.

    `message_ids`: others to look at, beside those of the recipients. `reply`: the last words about
    these; None: those that were said last stay.
    """
    rows = SpooledRecipient.objects.select_for_update().filter(
        pk__in=recipient_ids, state__lt=State.DELIVERED
    )
    ending = list(rows.order_by("id").values_list("id", "message_id", "ledger_domain"))
    ids = [row[0] for row in ending]
    concerned = {row[1] for row in ending} | set(message_ids)
    messages = SpooledMessage.objects.select_for_update().filter(pk__in=concerned, finished_at=None)
    locked = list(messages.order_by("id"))
    said = {} if reply is None else {"reply": reply}
    SpooledRecipient.objects.filter(pk__in=ids).update(
        state=State.DELETED, ended_at=now, due_at=None, claimed_by=None, claimed_until=None, **said
    )
    waiting = SpooledRecipient.objects.filter(message__in=concerned, state__lt=State.DELIVERED)
    still = set(waiting.values_list("message_id", flat=True))
    finished = [message for message in locked if message.pk not in still]
    SpooledMessage.objects.filter(pk__in=[message.pk for message in finished]).update(
        finished_at=now, blob=None, delay_notice_at=None
    )
    blobs = Counter(message.blob_id for message in finished if message.blob_id is not None)
    counts = Counter(domain or 0 for _, _, domain in ending)
    with connection.cursor() as cursor:
        references.change(cursor, {blob_id: -count for blob_id, count in blobs.items()})
        for domain_id, count in sorted(counts.items()):
            ledger.count(cursor, domain_id, to_micros(now), deleted=count)
    return len(finished)
