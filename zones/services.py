"""Advice on a domain's records, and checking them now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from domains.models import Domain
from zones import checks, facts, records
from zones.findings import Finding, Level, worst
from zones.lookup import Lookup
from zones.models import ZoneCheck
from zones.records import Record


@dataclass(frozen=True, slots=True)
class Report:
    """`broken` are the checks that were not in error when the domain was last looked at."""

    domain: Domain
    checked_at: datetime
    findings: tuple[Finding, ...]
    broken: tuple[Finding, ...] = ()

    @property
    def level(self) -> Level:
        return worst(self.findings)


def advise(domain: Domain, *, lookup: Lookup | None = None) -> list[Record]:
    """The records that the domain should have (G-030)."""
    return records.records(facts.gather(domain, lookup or facts.new_lookup()))


def check(domain: Domain, *, now: datetime, lookup: Lookup | None = None) -> Report:
    """Ask DNS (seconds), and keep what it said (G-031). Nobody is told anything by this."""
    lookup = lookup or facts.new_lookup()
    found = tuple(checks.check(facts.gather(domain, lookup), lookup))
    return keep(domain, found, now=now)


@transaction.atomic
def keep(domain: Domain, findings: tuple[Finding, ...], *, now: datetime) -> Report:
    """The row of the domain becomes what was found."""
    row = ZoneCheck.objects.select_for_update().filter(domain=domain).first()
    known = set(row.broken) if row is not None else None
    in_error = {each.check for each in findings if each.level is Level.ERROR}
    # What could not be looked up is as it was: the same trouble is not told of twice.
    unknown = {each.check for each in findings if each.level is Level.UNKNOWN}
    silent = known is not None and "domain" in unknown
    still = (known or set()) & unknown if not silent else known or set()
    ZoneCheck.objects.update_or_create(
        domain=domain,
        defaults={
            "checked_at": now,
            "level": worst(findings),
            "findings": [
                {"check": each.check, "level": each.level, "text": each.text} for each in findings
            ],
            "broken": sorted(in_error | still),
        },
    )
    # A domain that is looked at for the first time is perhaps not in use yet.
    fresh = in_error - known if known is not None else set()
    broken = tuple(each for each in findings if each.check in fresh and each.level is Level.ERROR)
    return Report(domain, now, findings, broken)
