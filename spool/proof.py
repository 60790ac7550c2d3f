"""The ledger's proof: what was accepted equals what has ended and what still waits."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from domains.models import Domain
from spool import ledgersums
from spool.ledger import COLUMNS, ENDS
from spool.models import SpooledRecipient, State

ELSEWHERE = 0  # no domain of ours, or one that has been deleted since


@dataclass(frozen=True, slots=True)
class Balance:
    """The sums of one domain over all time."""

    domain: str
    accepted: int
    ends: dict[str, int]
    waiting: int

    @property
    def missing(self) -> int:
        """Recipients that are unaccounted for; below zero: more have ended than came."""
        return self.accepted - sum(self.ends.values()) - self.waiting

    @property
    def is_even(self) -> bool:
        return self.missing == 0


def balances(
    *, domains: QuerySet[Domain] | None = None, only: Domain | None = None
) -> list[Balance]:
    """One for each domain with mail, and one for all that belongs to none, by name.

    `domains`: these alone; `only`: this one alone.
    """
    if only is not None:
        domains = Domain.objects.filter(pk=only.pk)
    within = Q() if domains is None else Q(domain_id__in=domains.values("pk"))
    waits = Q() if domains is None else Q(ledger_domain__in=domains.values("pk"))
    # One transaction: sums and rows of the same moment, however busy the spool is.
    with transaction.atomic():
        _see_one_moment()
        waiting = dict(
            SpooledRecipient.objects.filter(waits, state__lt=State.DELIVERED)
            .values_list("ledger_domain_id")
            .annotate(Count("id"))
        )
        names = dict(Domain.objects.values_list("id", "unicode_name"))
        found = _balances(ledgersums.by_domain(within), waiting, names)
        if not all(balance.is_even for balance in found):
            # A process that stood still may have counted in an hour that had been added up.
            found = _balances(ledgersums.all_by_domain(within), waiting, names)
    return sorted(found, key=lambda balance: balance.domain)


def _balances(
    sums: Iterable[tuple[int, ...]], waiting: Mapping[int | None, int], names: Mapping[int, str]
) -> list[Balance]:
    totals: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for domain_id, *counts in sums:
        total = totals[domain_id if domain_id in names else ELSEWHERE]
        for name, count in zip(COLUMNS, counts, strict=True):
            total[name] += count
    for waits_for, count in waiting.items():
        key = waits_for if waits_for in names else None
        totals[key or ELSEWHERE]["waiting"] += count
    return [
        Balance(
            domain=names.get(domain_id, "(no domain of ours)"),
            accepted=total["accepted"],
            ends={name: total[name] for name in ENDS},
            waiting=total["waiting"],
        )
        for domain_id, total in totals.items()
    ]


def _see_one_moment() -> None:
    """SQLite's transactions always do; PostgreSQL's by wish, at their beginning."""
    connection = transaction.get_connection()
    if connection.vendor == "postgresql" and len(connection.savepoint_ids) == 0:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
