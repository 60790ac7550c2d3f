"""The ledger's sums over all time for a price that does not grow, and the end of its old hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Min, Q, QuerySet, Sum

from clock.moments import to_micros
from spool import ledger
from spool.ledger import COLUMNS, HOUR_MICROS
from spool.models import LedgerDomainTotal, LedgerHour, LedgerTotal

# Who counts says in which hour, and a process that stood still may say it late; an hour is added
# to the total when that is over.
SETTLED_HOURS = 6
# Added up in one transaction: on SQLite nobody else writes meanwhile.
STEP_HOURS = 31 * 24
# The hour of whatever is older than the ledger keeps.
FOLDED = 0

_TAKE = (
    "DELETE FROM spool_ledgerhour WHERE id IN (SELECT id FROM spool_ledgerhour"
    f" WHERE hour > {FOLDED} AND hour < %s ORDER BY hour LIMIT %s)"
    f" RETURNING domain_id, {', '.join(COLUMNS)}"
)


# With WHERE, or SQLite would take ON CONFLICT for a part of the join.
_ADD_BY_DOMAIN = (
    "INSERT INTO spool_ledgerdomaintotal (domain_id, {columns})"
    " SELECT domain_id, {sums} FROM spool_ledgerhour WHERE hour >= %s AND hour < %s"
    " GROUP BY domain_id ORDER BY domain_id ON CONFLICT (domain_id) DO UPDATE SET {additions}"
).format(
    columns=", ".join(COLUMNS),
    sums=", ".join(f"SUM({name})" for name in COLUMNS),
    additions=", ".join(
        f"{name} = spool_ledgerdomaintotal.{name} + excluded.{name}" for name in COLUMNS
    ),
)


def totals() -> dict[str, int]:
    """By column, of all domains; they never fall. Reads only the latest hours."""
    total = LedgerTotal.objects.filter(pk=1).first() or LedgerTotal(pk=1)
    # Whoever adds up meanwhile changes the row, but not the hours that it had left out.
    rest = _sums(LedgerHour.objects.filter(hour__gte=total.before_hour))
    return {name: getattr(total, name) + rest[name] for name in COLUMNS}


def by_domain(within: Q) -> Iterator[tuple[int, ...]]:
    """A domain's id and its counts, some domains in two parts; reads only the latest hours.

    `within` is a condition on `domain_id`. In a transaction that sees one moment.
    """
    total = LedgerTotal.objects.filter(pk=1).first() or LedgerTotal(pk=1)
    yield from LedgerDomainTotal.objects.filter(within).values_list("domain_id", *COLUMNS)
    yield from all_by_domain(within & Q(hour__gte=total.before_hour))


def all_by_domain(within: Q) -> Iterator[tuple[int, ...]]:
    """The same out of the hours alone: as many as have been kept."""
    rows = LedgerHour.objects.filter(within).values_list("domain_id")
    yield from rows.annotate(*(Sum(name) for name in COLUMNS))


def add_up(*, now: datetime) -> None:
    """Take the hours that are over into the total; may run in several processes at once."""
    end = to_micros(now) // HOUR_MICROS - SETTLED_HOURS
    LedgerTotal.objects.get_or_create(pk=1)
    while _add_step(end):
        pass


@transaction.atomic
def _add_step(end: int) -> bool:
    """False: the total has all that is before `end`."""
    total = LedgerTotal.objects.select_for_update().get(pk=1)
    if total.before_hour >= end:
        return False
    rows = LedgerHour.objects.filter(hour__gte=total.before_hour, hour__lt=end)
    first = rows.aggregate(first=Min("hour"))["first"]
    until = end if first is None else min(end, first + STEP_HOURS)
    for name, count in _sums(rows.filter(hour__lt=until)).items():
        setattr(total, name, getattr(total, name) + count)
    with connection.cursor() as cursor:
        cursor.execute(_ADD_BY_DOMAIN, (total.before_hour, until))
    total.before_hour = until
    total.save()
    return True


@transaction.atomic
def fold(*, before: datetime, at_once: int) -> int:
    """Add old hours to one row of their domain, so that accepted = ends + still in the spool goes
    on to hold; how many rows went. Only what is in the total: it must not be added twice.
    """
    total = LedgerTotal.objects.select_for_update().filter(pk=1).first()
    if total is None:
        return 0
    end = min(to_micros(before) // HOUR_MICROS, total.before_hour)
    sums: dict[int, dict[str, int]] = {}
    with connection.cursor() as cursor:
        # Taken and read by one statement: what is counted in between is not lost.
        cursor.execute(_TAKE, (end, at_once))
        rows = cursor.fetchall()
        for domain_id, *counts in rows:
            of_domain = sums.setdefault(domain_id, dict.fromkeys(COLUMNS, 0))
            for name, count in zip(COLUMNS, counts, strict=True):
                of_domain[name] += count
        for domain_id, of_domain in sorted(sums.items()):
            ledger.count(cursor, domain_id, FOLDED * HOUR_MICROS, **of_domain)
    return len(rows)


def _sums(rows: QuerySet[LedgerHour]) -> dict[str, int]:
    found = rows.aggregate(**{f"sum_{name}": Sum(name) for name in COLUMNS})
    return {name: found[f"sum_{name}"] or 0 for name in COLUMNS}
