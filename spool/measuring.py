"""Counting the spool once in a while, so that pages and forecasts need not (S-068)."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from blobs.ids import first_id_at
from clock.moments import EPOCH, to_micros
from spool.models import NEVER, FlowRate, QueueGroup, SpoolMinute, State

MINUTE = timedelta(minutes=1)
KEPT = timedelta(days=7)
RATE_MINUTES = 10
MOST_GROUPS = 5_000
MOST_TRIES = 50_000  # of the latest, looked at for rates
# Counting takes at most this share of the time: where it is slow it is done less often.
SHARE = 0.01

_WAITS = f"state < {State.DELIVERED.value}"
_ACCEPTED = (
    "SELECT COUNT(*), COALESCE(SUM(CASE WHEN r.attempts = 1 AND r.ended_at = m.accepted_at"
    " THEN 1 ELSE 0 END), 0)"
    " FROM spool_spooledrecipient r JOIN spool_spooledmessage m ON m.id = r.message_id"
    " WHERE r.id >= %s AND r.id < %s"
)
_TRIES = (
    "SELECT COALESCE(SUM(CASE WHEN outcome = 'deferred' THEN 0 ELSE 1 END), 0),"
    " COALESCE(SUM(CASE WHEN outcome = 'deferred' THEN 1 ELSE 0 END), 0)"
    " FROM spool_deliveryattempt WHERE id >= %s AND id < %s"
)
_MESSAGES = "SELECT COUNT(*) FROM spool_spooledmessage WHERE finished_at IS NULL"
# What is in quarantine grows old there and waits for nothing.
_OLDEST = (
    "SELECT id FROM spool_spooledmessage WHERE finished_at IS NULL"
    f" AND (quarantined_until IS NULL OR next_at < {to_micros(NEVER)}) ORDER BY id LIMIT 1"
)
_GROUPS = (
    "SELECT destination, COALESCE(ledger_domain_id, 0), priority, COUNT(*),"
    f" SUM(CASE WHEN state = {State.HELD.value} THEN 1 ELSE 0 END),"
    f" SUM(CASE WHEN state = {State.HELD.value} AND quarantined_until IS NOT NULL"
    " THEN 1 ELSE 0 END),"
    f" SUM(CASE WHEN state = {State.RETRYING.value} THEN 1 ELSE 0 END),"
    f" SUM(CASE WHEN state = {State.THROTTLED.value} THEN 1 ELSE 0 END)"
    f" FROM spool_spooledrecipient WHERE {_WAITS}"
    " GROUP BY destination, COALESCE(ledger_domain_id, 0), priority"
    " ORDER BY COUNT(*) DESC"
)
_LATEST = (
    "SELECT r.destination, a.host, a.outcome, a.finished_at - a.started_at"
    " FROM spool_deliveryattempt a JOIN spool_spooledrecipient r ON r.id = a.recipient_id"
    " WHERE a.id >= %s AND a.finished_at IS NOT NULL ORDER BY a.id DESC LIMIT %s"
)


class Measurer:
    """Measures each minute, and counts all that waits as often as that is cheap."""

    def __init__(self) -> None:
        self._count_again_at = 0.0

    def run_once(self, *, now: datetime) -> None:
        begun = time.monotonic()
        is_due = begun >= self._count_again_at
        measure(now=now, counts=is_due)
        if is_due:
            self._count_again_at = begun + (time.monotonic() - begun) / SHARE


def minute_of(moment: datetime) -> int:
    return int((moment - EPOCH) // MINUTE)


def measure(*, now: datetime, counts: bool = True) -> None:
    """Write down the last whole minute; with `counts` also what waits now and how fast it goes."""
    minute = minute_of(now) - 1
    with connection.cursor() as cursor:
        numbers = _numbers_of_minute(cursor, minute)
        counted = _count(cursor) if counts else {}
        sizes = _group_sizes(cursor) if counts else []
        rates = _rates(cursor, now) if counts else []
    if counts:
        names = ("recipients", "held", "quarantined", "retrying", "throttled")
        sums = map(sum, zip(*(size.numbers for size in sizes), strict=True))
        counted |= dict.fromkeys(names, 0) | dict(zip(names, sums, strict=False))
    with transaction.atomic():
        SpoolMinute.objects.update_or_create(minute=minute, defaults={**numbers, **counted})
        SpoolMinute.objects.filter(minute__lt=minute_of(now - KEPT)).delete()
        if counts:
            QueueGroup.objects.all().delete()
            groups = [_group(size, now) for size in sizes[:MOST_GROUPS]]
            QueueGroup.objects.bulk_create(groups, batch_size=500)
            FlowRate.objects.all().delete()
            FlowRate.objects.bulk_create(rates, batch_size=500)


def _numbers_of_minute(cursor: Any, minute: int) -> dict[str, int]:
    """Ids grow with time, so a minute is a range of the keys: nothing else is looked at."""
    begin = EPOCH + minute * MINUTE
    ids = (first_id_at(begin), first_id_at(begin + MINUTE))
    cursor.execute(_ACCEPTED, ids)
    accepted, at_once = cursor.fetchone()
    cursor.execute(_TRIES, ids)
    tried, deferred = cursor.fetchone()
    return {"accepted": accepted, "ended": at_once + tried, "deferred": deferred}


def _count(cursor: Any) -> dict[str, Any]:
    cursor.execute(_MESSAGES)
    (messages,) = cursor.fetchone()
    return {"messages": messages, "oldest_id": oldest_waiting(cursor)}


def oldest_waiting(cursor: Any) -> int | None:
    """The id of the oldest message that is to be delivered; None: there is none."""
    cursor.execute(_OLDEST)
    row = cursor.fetchone()
    return None if row is None else row[0]


class _GroupSize(NamedTuple):
    """Recipients that wait for one destination from one domain with one priority."""

    destination: str
    domain_id: int
    priority: int
    recipients: int
    held: int
    quarantined: int
    retrying: int
    throttled: int

    @property
    def numbers(self) -> tuple[int, ...]:
        return self[3:]


def _group_sizes(cursor: Any) -> list[_GroupSize]:
    """The largest first."""
    cursor.execute(_GROUPS)
    return [_GroupSize(*row) for row in cursor.fetchall()]


def _group(size: _GroupSize, now: datetime) -> QueueGroup:
    return QueueGroup(
        destination=size.destination,
        domain_id=size.domain_id,
        priority=size.priority,
        recipients=size.recipients,
        held=size.held,
        measured_at=now,
    )


def _rates(cursor: Any, now: datetime) -> list[FlowRate]:
    since = now - RATE_MINUTES * MINUTE
    cursor.execute(_LATEST, (first_id_at(since), MOST_TRIES))
    rows = cursor.fetchall()
    found: dict[tuple[str, str], list[float]] = {}
    for destination, host, outcome, micros in rows:
        for key in ((FlowRate.Kind.DESTINATION, destination), (FlowRate.Kind.HOST, host)):
            sums = found.setdefault(key, [0, 0, 0.0])
            sums[outcome == "deferred"] += 1
            sums[2] += max(micros, 0) / 1e6
    return [
        FlowRate(
            kind=kind,
            name=name,
            ended=int(ended),
            deferred=int(deferred),
            try_seconds=seconds / (ended + deferred),
            measured_seconds=RATE_MINUTES * 60,
        )
        for (kind, name), (ended, deferred, seconds) in found.items()
    ]
