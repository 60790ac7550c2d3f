"""What came and went, by day or hour, read from the ledger (R-001, R-010, R-021)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import cast

from django.db.models import F, QuerySet, Sum

from spool.ledger import COLUMNS
from spool.models import LedgerHour

HOUR_SECONDS = 3600
# A range of at most so many days is shown by hours.
DAYS_BY_HOUR = 2
LONGEST_DAYS = 400


@dataclass(frozen=True, slots=True)
class Span:
    """What happened in one hour or day: recipients by how their mail ended."""

    starts_at: datetime
    accepted: int = 0
    delivered: int = 0
    relayed: int = 0
    bounced: int = 0
    expired: int = 0
    discarded: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class DomainTraffic:
    domain_id: int
    accepted: int
    delivered: int
    relayed: int
    bounced: int


def by_time(first: date, last: date, *, domains: Collection[int] | None = None) -> list[Span]:
    """From the first day to the last one, UTC, without gaps; `domains` None: all."""
    hours = 1 if (last - first).days < DAYS_BY_HOUR else 24
    totals: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(COLUMNS))
    rows = _within(first, last, domains).values("hour").annotate(
        **{f"sum_{name}": Sum(name) for name in COLUMNS}
    )  # fmt: skip
    for row in cast("Iterable[Mapping[str, int]]", rows.order_by("hour")):
        bucket = totals[row["hour"] // hours * hours]
        for place, name in enumerate(COLUMNS):
            bucket[place] += row[f"sum_{name}"]
    start, end = _hours(first, last)
    return [
        Span(
            datetime.fromtimestamp(hour * HOUR_SECONDS, UTC),
            **dict(zip(COLUMNS, totals[hour], strict=True)),
        )
        for hour in range(start, end, hours)
    ]


def by_domain(
    first: date, last: date, *, domains: Collection[int] | None = None, most: int = 50
) -> list[DomainTraffic]:
    """The domains with the most mail in these days; 0: no domain of ours."""
    names = ("accepted", "delivered", "relayed", "bounced")
    rows = (
        _within(first, last, domains)
        .values("domain_id")
        .annotate(**{f"sum_{name}": Sum(name) for name in names})
        .annotate(all=F("sum_accepted") + F("sum_delivered"))
        .order_by("-all", "domain_id")[:most]
    )
    found = cast("Iterable[Mapping[str, int]]", rows)
    return [
        DomainTraffic(row["domain_id"], *(row[f"sum_{name}"] for name in names)) for row in found
    ]


def _within(first: date, last: date, domains: Collection[int] | None) -> QuerySet[LedgerHour]:
    start, end = _hours(first, last)
    rows = LedgerHour.objects.filter(hour__gte=start, hour__lt=end)
    return rows if domains is None else rows.filter(domain_id__in=domains)


def _hours(first: date, last: date) -> tuple[int, int]:
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
    start = int(midnight.timestamp()) // HOUR_SECONDS
    return start, start + ((last - first) + timedelta(days=1)).days * 24
