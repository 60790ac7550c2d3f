"""Keeping the statistics: hours are counted, days added up, and both forgotten in time (R-001)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Max, Min, Sum

from blobs.ids import time_of
from clock.moments import to_micros
from mailboxes.models import AccountUsage, DomainUsage
from operations.models import ActivityHour
from reports import counting
from reports.counting import HOUR_MICROS, SERVER, Key, Sums
from reports.models import NUMBERS, DayCounts, HourCounts, Run
from spool.models import SpooledMessage

log = structlog.get_logger(__name__)

DAYS_KEPT = 400
HOURS_KEPT = timedelta(days=35)  # of the server and of domains
HOURS_OF_USERS_KEPT = timedelta(days=3)
ACTIVITY_KEPT = timedelta(days=3)
RUNS_KEPT = timedelta(days=DAYS_KEPT)
# After a long pause a run catches up with so many hours, and the next one goes on.
MOST_HOURS = 48
# Rows of one transaction: on SQLite nobody else writes meanwhile.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Collected:
    """How many hours were counted, and how many rows written."""

    hours: int
    rows: int


def collect(*, now: datetime) -> Collected:
    """Count what is not yet final; may run twice at once, and after any crash.

    An hour is final when it was counted after its end, so the last two are counted anew. Each is
    replaced by what its rows say now: nothing is ever added twice.
    """
    current = to_micros(now) // HOUR_MICROS
    known = _last_hour()
    first = max(_oldest(current) if known is None else known - 1, current - (DAYS_KEPT - 1) * 24)
    hours = range(first, min(current, first + MOST_HOURS - 1) + 1)
    rows = 0
    for hour in hours:
        sums = counting.count(hour)
        _write_hour(hour, sums)
        rows += len(sums)
    for day in sorted({hour // 24 for hour in hours}):
        rows += _roll_up(day)
    # Once an hour is often enough, and not before the days have been added up.
    if known != current and hours[-1] == current:
        _note_disk(current // 24)
        _forget(now)
    return Collected(len(hours), rows)


def _last_hour() -> int | None:
    """The last one that was counted."""
    rows = HourCounts.objects.filter(domain_id=0, account_id=0)
    last: int | None = rows.aggregate(last=Max("hour"))["last"]
    return last


def _oldest(current: int) -> int:
    """Where counting begins: with what the trace still knows."""
    oldest = SpooledMessage.objects.order_by("id").values_list("id", flat=True).first()
    if oldest is None:
        return current - 1
    return min(to_micros(time_of(oldest)) // HOUR_MICROS, current - 1)


def _write_hour(hour: int, sums: Sums) -> None:
    """The row of the server comes last: it says that the hour is there."""
    keys = sorted(sums, key=lambda key: (key == SERVER, key))
    kept = _blocks(hour)
    rows = [HourCounts(hour=hour, **_columns(key, sums[key])) for key in keys]
    rows[-1].blocks = max(rows[-1].blocks, kept)
    _upsert(HourCounts, rows, "hour", (*NUMBERS, "waiting"))


def _blocks(hour: int) -> int:
    """What was counted before: a block that was lifted meanwhile was one all the same."""
    row = HourCounts.objects.filter(domain_id=0, account_id=0, hour=hour).first()
    return row.blocks if row else 0


def _roll_up(day: int) -> int:
    hours = HourCounts.objects.filter(hour__gte=day * 24, hour__lt=day * 24 + 24)
    sums: Any = (
        hours.order_by()
        .values("domain_id", "account_id")
        .annotate(most=Max("waiting"), **{f"all_{name}": Sum(name) for name in NUMBERS})
    )
    rows = [
        DayCounts(
            day=day,
            domain_id=row["domain_id"],
            account_id=row["account_id"],
            waiting=row["most"],
            **{name: row[f"all_{name}"] for name in NUMBERS},
        )
        for row in sums.iterator()
    ]
    _upsert(DayCounts, rows, "day", (*NUMBERS, "waiting"))
    return len(rows)


def _note_disk(day: int) -> None:
    """Of every domain each day; of users on days on which they had mail or logged in."""
    domains = dict(DomainUsage.objects.values_list("domain_id", "bytes"))
    rows = [DayCounts(day=day, domain_id=key, account_id=0, disk_bytes=size)
            for key, size in sorted(domains.items())]  # fmt: skip
    rows.append(DayCounts(day=day, domain_id=0, account_id=0, disk_bytes=sum(domains.values())))
    active = DayCounts.objects.filter(day=day, account_id__gt=0, domain_id__gt=0)
    users = dict(active.values_list("account_id", "domain_id"))
    usage = AccountUsage.objects.filter(account_id__in=active.values("account_id"))
    rows += [
        DayCounts(day=day, domain_id=users[key], account_id=key, disk_bytes=size)
        for key, size in usage.values_list("account_id", "bytes")
        if key in users
    ]
    _upsert(DayCounts, rows, "day", ("disk_bytes",))


def _columns(key: Key, numbers: dict[str, int]) -> dict[str, Any]:
    return {"domain_id": key[0], "account_id": key[1], **numbers}


def _upsert(model: Any, rows: list[Any], span: str, names: Iterable[str]) -> None:
    """In short transactions, always in the same order."""
    for start in range(0, len(rows), BATCH):
        with transaction.atomic():
            model.objects.bulk_create(
                rows[start : start + BATCH],
                update_conflicts=True,
                unique_fields=["domain_id", "account_id", span],
                update_fields=list(names),
            )


def _forget(now: datetime) -> None:
    """What has been kept long enough."""
    hour = to_micros(now) // HOUR_MICROS
    _forget_below(HourCounts.objects.all(), "hour", hour - _hours(HOURS_KEPT))
    of_users = HourCounts.objects.filter(account_id__gt=0)
    _forget_below(of_users, "hour", hour - _hours(HOURS_OF_USERS_KEPT))
    _forget_below(DayCounts.objects.all(), "day", hour // 24 - DAYS_KEPT + 1)
    _forget_below(ActivityHour.objects.all(), "hour", hour - _hours(ACTIVITY_KEPT))
    Run.objects.filter(due_at__lt=now - RUNS_KEPT).exclude(state=Run.State.PENDING).delete()


def _forget_below(rows: Any, span: str, bound: int) -> None:
    """An hour or a day in each transaction, the oldest first."""
    old = rows.filter(**{f"{span}__lt": bound})
    while True:
        oldest = old.aggregate(oldest=Min(span))["oldest"]
        if oldest is None:
            return
        rows.filter(**{span: oldest}).delete()


def _hours(time: timedelta) -> int:
    return time // timedelta(hours=1)
