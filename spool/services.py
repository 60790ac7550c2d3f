"""The operator's verbs on mail in the spool: force, reset, set priority, delete (S-033…)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from blobs import references
from blobs.ids import new_id
from clock.moments import to_micros
from events import audit
from events.audit import Actor, Changes
from spool import ledger, schedule, settings
from spool.models import SpooledMessage, SpooledRecipient, State, TraceEntry
from spool.priority import HIGHEST, LOWEST
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

BATCH = 500  # of a change to the whole spool: others write between


class PriorityOutOfRange(Exception):
    """P-001: outside 1 to 10."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value


@dataclass(frozen=True, slots=True)
class Done:
    """S-042: how many messages were acted on, and how many were passed over as finished."""

    done: int
    skipped: int


@transaction.atomic
def force(*, message_ids: Collection[int], by: Actor | None, now: datetime) -> Done:
    """Deliver now, before everything else; waits of retries and dead hosts are ignored (S-033).

    Recipients that are being worked on stay as they are; held ones stay held.
    """
    messages = _waiting(message_ids)
    recipients = _idle_recipients(messages).exclude(state__in=(State.HELD, State.THROTTLED))
    recipients.update(is_forced=True, due_at=now)
    _leave_trace(messages, "forced", by, now)
    publish_on_commit(Topic.SPOOL)
    return Done(len(messages), len(message_ids) - len(messages))


def force_all(*, by: Actor | None, now: datetime) -> Done:
    """The same for every message in the spool, in batches."""
    return _in_batches(lambda ids: force(message_ids=ids, by=by, now=now))


@transaction.atomic
def reset_retries(*, message_ids: Collection[int], by: Actor | None, now: datetime) -> Done:
    """Start over: no failed tries, due now, patience anew (S-036). What has failed stays failed."""
    messages = _waiting(message_ids)
    recipients = _idle_recipients(messages).exclude(state=State.THROTTLED)
    recipients.update(attempts=0, due_at=now, state=State.QUEUED)
    policy = settings.current().retries
    for message in messages:
        message.expires_at = schedule.expires_at(
            accepted_at=now, sender=message.sender, policy=policy
        )
        message.delay_notice_at = None
    SpooledMessage.objects.bulk_update(messages, ["expires_at", "delay_notice_at"])
    _leave_trace(messages, "retries reset", by, now)
    publish_on_commit(Topic.SPOOL)
    return Done(len(messages), len(message_ids) - len(messages))


def reset_all_retries(*, by: Actor | None, now: datetime) -> Done:
    """The same for every message in the spool, in batches (S-037)."""
    return _in_batches(lambda ids: reset_retries(message_ids=ids, by=by, now=now))


@transaction.atomic
def set_priority(
    *, message_ids: Collection[int], priority: int | None, by: Actor | None, now: datetime
) -> Done:
    """By hand, 1 to 10; None: by the rules again, from the next try on (S-034).

    Raises PriorityOutOfRange.
    """
    if priority is not None and not LOWEST <= priority <= HIGHEST:
        raise PriorityOutOfRange(priority)
    messages = _waiting(message_ids)
    ids = [message.pk for message in messages]
    SpooledMessage.objects.filter(pk__in=ids).update(manual_priority=priority)
    if priority is not None:
        _idle_recipients(messages).update(priority=priority)
    _leave_trace(messages, "priority set", by, now, priority=priority or "by rule")
    publish_on_commit(Topic.SPOOL)
    return Done(len(messages), len(message_ids) - len(messages))


def set_all_priorities(*, priority: int | None, by: Actor | None, now: datetime) -> Done:
    """The same for every message in the spool, in batches. Raises PriorityOutOfRange."""
    return _in_batches(lambda ids: set_priority(message_ids=ids, priority=priority, by=by, now=now))


@transaction.atomic
def delete(*, message_ids: Collection[int], by: Actor | None, now: datetime) -> Done:
    """Take out of the spool, without a report to the sender (S-038).

    A transaction under way at another server finishes, but its outcome changes nothing here.
    """
    messages = _waiting(message_ids)
    ids = [message.pk for message in messages]
    waiting = SpooledRecipient.objects.filter(message__in=ids, state__lt=State.DELIVERED)
    counts = Counter(domain or 0 for domain in waiting.values_list("ledger_domain", flat=True))
    waiting.update(state=State.DELETED, ended_at=now, due_at=None, claimed_by=None)
    blobs = Counter(message.blob_id for message in messages if message.blob_id is not None)
    SpooledMessage.objects.filter(pk__in=ids).update(
        finished_at=now, blob=None, delay_notice_at=None
    )
    with connection.cursor() as cursor:
        references.change(cursor, {blob_id: -count for blob_id, count in blobs.items()})
        for domain_id, count in sorted(counts.items()):
            ledger.count(cursor, domain_id, to_micros(now), deleted=count)
    _leave_trace(messages, "deleted", by, now)
    return Done(len(messages), len(message_ids) - len(messages))


def delete_all(*, by: Actor | None, now: datetime) -> Done:
    """Empty the spool, in batches; what comes in meanwhile is spared (S-041)."""
    return _in_batches(lambda ids: delete(message_ids=ids, by=by, now=now))


def _in_batches(act: Callable[[list[int]], Done]) -> Done:
    """Over all that waits now, by rising id."""
    waiting = SpooledMessage.objects.filter(finished_at=None).order_by("id")
    last = waiting.values_list("id", flat=True).last()
    done, after = 0, 0
    while last is not None:
        ids = list(waiting.filter(id__gt=after, id__lte=last).values_list("id", flat=True)[:BATCH])
        if not ids:
            break
        done += act(ids).done
        after = ids[-1]
    return Done(done, 0)


def _waiting(message_ids: Collection[int]) -> list[SpooledMessage]:
    """Those that still wait, locked with their recipients in the order that settling keeps."""
    recipients = SpooledRecipient.objects.select_for_update().filter(
        message__in=message_ids, state__lt=State.DELIVERED
    )
    list(recipients.order_by("id").values_list("id"))
    rows = SpooledMessage.objects.select_for_update().filter(pk__in=message_ids, finished_at=None)
    return list(rows.order_by("id"))


def _idle_recipients(messages: Iterable[SpooledMessage]) -> QuerySet[SpooledRecipient]:
    """A row that is being worked on gets its next time from the outcome."""
    return SpooledRecipient.objects.filter(
        message__in=[message.pk for message in messages],
        state__lt=State.DELIVERED,
        claimed_by=None,
    )


def _leave_trace(
    messages: list[SpooledMessage], verb: str, by: Actor | None, now: datetime, **detail: Any
) -> None:
    """In the trace for whoever looks for the message, in the audit for whoever asks who did it."""
    TraceEntry.objects.bulk_create(
        TraceEntry(
            id=new_id(),
            message=message,
            at=now,
            actor=str(by) if by is not None else "server",
            decision=verb,
            detail=detail,
        )
        for message in messages
    )
    audit.record_all(
        by, f"{verb} in the spool", [(message, _facts(message)) for message in messages]
    )


def _facts(message: SpooledMessage) -> Changes:
    """So that a mistake can at least be seen (S-038)."""
    recipients = ", ".join(message.recipients.values_list("address", flat=True)[:20])
    return {
        "sender": (message.sender, message.sender),
        "recipients": (recipients, recipients),
        "message_id": (message.message_id, message.message_id),
    }
