"""Quarantine: held mail that is removed when its time there is over (S-060)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection, transaction

from blobs.contention import tried_again
from clock.moments import EPOCH, to_micros
from events import audit
from spool import deleting, summaries
from spool.changing import Batch, facts_of, leave_trace
from spool.models import REMOVED, SpooledMessage, SpooledRecipient, State

# Recipients of one transaction: on SQLite nobody else writes meanwhile.
BATCH = 500
TRACED = "removed from quarantine"


def put_in(batch: Batch, recipient: SpooledRecipient, *, reason: str, until: datetime) -> None:
    """From here on it waits for nothing; what is being tried now is held if the try fails.

    The moment of its removal stays as it is, whatever becomes of the setting.
    """
    message = batch.messages[recipient.message_id]
    recipient.hold_reason, recipient.hold_rule = reason, None
    recipient.quarantined_until = until
    left = max(message.expires_at - batch.now, timedelta(0))
    recipient.patience_left = to_micros(EPOCH + left)
    if recipient.claimed_by is None:
        recipient.state = State.HELD
        recipient.due_at = None


def give_patience_back(
    recipient: SpooledRecipient, message: SpooledMessage, *, now: datetime
) -> bool:
    """Before it is let go: time in quarantine is no time of trying; whether `message` changed."""
    if recipient.patience_left is None:
        return False
    until = now + timedelta(microseconds=recipient.patience_left)
    is_later: bool = until > message.expires_at
    if is_later:
        message.expires_at = until
    return is_later


def remove_due(*, now: datetime) -> int:
    """End what nobody has released in time, without a report to its sender; how many recipients.

    In short transactions; several processes may do it at once. What is being tried or deleted at
    this moment is left to the next round.
    """
    total = 0
    while ids := _due(now):
        total += _remove(ids, now=now)
    return total


def _due(now: datetime) -> list[int]:
    rows = SpooledRecipient.objects.filter(
        quarantined_until__lte=now, state__lt=State.DELIVERED
    ).filter(state=State.HELD, claimed_by=None)
    return list(rows.order_by("quarantined_until").values_list("id", flat=True)[:BATCH])


@tried_again
@transaction.atomic
def _remove(recipient_ids: list[int], *, now: datetime) -> int:
    # Somebody may have released or removed them since they were found.
    rows = SpooledRecipient.objects.select_for_update().filter(
        pk__in=recipient_ids, state=State.HELD, quarantined_until__lte=now, claimed_by=None
    )
    ending = list(rows.order_by("id"))
    ids = {one.message_id for one in ending}
    messages = SpooledMessage.objects.select_for_update().filter(pk__in=ids).order_by("id")
    found = list(messages)
    deleting.end_recipients([one.pk for one in ending], now=now, reply=REMOVED)
    with connection.cursor() as cursor:
        summaries.refresh(cursor, sorted(ids))
    leave_trace(found, TRACED, by=None, now=now)
    addresses = _addresses(ending)
    facts = [(message, facts_of(message, addresses[message.pk])) for message in found]
    audit.record_all(None, TRACED, facts)
    return len(ending)


def _addresses(recipients: Iterable[SpooledRecipient]) -> dict[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for one in recipients:
        found[one.message_id].append(one.address)
    return found
