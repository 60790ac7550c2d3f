"""The ledger's proof: what was accepted equals what has ended and what still waits."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum

from domains.models import Domain
from spool.ledger import COLUMNS, ENDS
from spool.models import LedgerHour, SpooledRecipient, State

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
        sums = list(
            LedgerHour.objects.filter(within)
            .values_list("domain_id")
            .annotate(*(Sum(name) for name in COLUMNS))
        )
        waiting = dict(
            SpooledRecipient.objects.filter(waits, state__lt=State.DELIVERED)
            .values_list("ledger_domain_id")
            .annotate(Count("id"))
        )
        names = dict(Domain.objects.values_list("id", "unicode_name"))
    totals: dict[int, dict[str, int]] = {}
    for domain_id, *counts in sums:
        total = totals.setdefault(domain_id if domain_id in names else ELSEWHERE, {})
        for name, count in zip(COLUMNS, counts, strict=True):
            total[name] = total.get(name, 0) + count
    for domain_id, count in waiting.items():
        total = totals.setdefault(domain_id if domain_id in names else ELSEWHERE, {})
        total["waiting"] = total.get("waiting", 0) + count
    balances = [
        Balance(
            domain=names.get(domain_id, "(no domain of ours)"),
            accepted=total.get("accepted", 0),
            ends={name: total.get(name, 0) for name in ENDS},
            waiting=total.get("waiting", 0),
        )
        for domain_id, total in totals.items()
    ]
    return sorted(balances, key=lambda balance: balance.domain)


def _see_one_moment() -> None:
    """SQLite's transactions always do; PostgreSQL's by wish, at their beginning."""
    connection = transaction.get_connection()
    if connection.vendor == "postgresql" and len(connection.savepoint_ids) == 0:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
