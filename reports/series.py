"""Statistics by hour or day without gaps, and who has most of something."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import F, Sum

from reports.collecting import DAYS_KEPT
from reports.counting import Key
from reports.models import NUMBERS, DayCounts, HourCounts

# A range of at most so many days is shown by hours, if it is not too long ago.
DAYS_BY_HOUR = 2
HOURS_BACK = {True: timedelta(days=2), False: timedelta(days=30)}  # of a user; of all others
LONGEST_DAYS = DAYS_KEPT
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days, UTC, both included."""

    first: date
    last: date

    @property
    def count(self) -> int:
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Span:
    """One hour or day."""

    starts_at: datetime
    numbers: dict[str, int] = field(default_factory=dict)
    disk_bytes: int | None = None
    waiting: int | None = None

    def __getitem__(self, name: str) -> int:
        return self.numbers.get(name, 0)


def is_by_hour(days: Days, key: Key, *, today: date) -> bool:
    back = HOURS_BACK[bool(key[1])]
    return days.count <= DAYS_BY_HOUR and today - days.first < back


def by_time(key: Key, days: Days, *, today: date) -> list[Span]:
    """From the first day to the last one; what is yet to come is left out."""
    if is_by_hour(days, key, today=today):
        return _by_hour(key, days)
    return by_day(key, days, today=today)


def by_day(key: Key, days: Days, *, today: date) -> list[Span]:
    """The space on disk is that of the day before where nobody has noted another."""
    first, last = _day(days.first), _day(min(days.last, today))
    rows = _of(DayCounts, key).filter(day__gte=first, day__lte=last)
    found = {row.day: row for row in rows}
    disk = _disk_before(key, first)
    spans = []
    for day in range(first, last + 1):
        row = found.get(day)
        if row is not None and row.disk_bytes is not None:
            disk = row.disk_bytes
        spans.append(_span(_start(day * 24), row, disk))
    return spans


def top_accounts(domain_id: int, days: Days, *, most: int) -> list[tuple[int, dict[str, int]]]:
    """Accounts of a domain with the most mail of their own."""
    rows: Iterable[Any] = (
        _within(days)
        .filter(domain_id=domain_id, account_id__gt=0)
        .values("account_id")
        .annotate(**{f"all_{name}": Sum(name) for name in NUMBERS})
        .annotate(all=F("all_received") + F("all_sent"))
        .order_by("-all", "account_id")[:most]
    )
    return [(row["account_id"], {name: row[f"all_{name}"] for name in NUMBERS}) for row in rows]


def throttled_accounts(domain_id: int, days: Days) -> list[tuple[int, int]]:
    """Accounts whose limits were reached, with how often."""
    rows = (
        _within(days)
        .filter(domain_id=domain_id, account_id__gt=0, throttled__gt=0)
        .values_list("account_id")
        .annotate(all=Sum("throttled"))
        .order_by("-all", "account_id")
    )
    return list(rows)


def _by_hour(key: Key, days: Days) -> list[Span]:
    first = _day(days.first) * 24
    hours = range(first, first + days.count * 24)
    rows = _of(HourCounts, key).filter(hour__gte=hours.start, hour__lt=hours.stop)
    found = {row.hour: row for row in rows}
    return [_span(_start(hour), found.get(hour), None) for hour in hours]


def _of(model: Any, key: Key) -> Any:
    return model.objects.filter(domain_id=key[0], account_id=key[1])


def _within(days: Days) -> Any:
    return DayCounts.objects.filter(day__gte=_day(days.first), day__lte=_day(days.last)).order_by()


def _disk_before(key: Key, day: int) -> int | None:
    rows = _of(DayCounts, key).filter(day__lt=day, disk_bytes__isnull=False)
    found: int | None = rows.order_by("-day").values_list("disk_bytes", flat=True).first()
    return found


def _span(starts_at: datetime, row: Any, disk: int | None) -> Span:
    if row is None:
        return Span(starts_at, {}, disk)
    return Span(starts_at, {name: getattr(row, name) for name in NUMBERS}, disk, row.waiting)


def _day(day: date) -> int:
    return (day - EPOCH).days


def _start(hour: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
