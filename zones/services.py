"""Advice on a domain's records, and checking them now."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from domains.models import Domain
from signing import keys
from signing.models import SigningKey
from zones import checks, facts, records
from zones.findings import Finding, Level, worst
from zones.lookup import Lookup, Unanswered
from zones.models import ZoneCheck
from zones.records import PublicKey, Record

# New keys are looked for so long, and so many domains at a time; a check finds them later, too.
WAITED_FOR = timedelta(days=30)
MOST_DOMAINS = 200
RUN_SECONDS = 60.0


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


def check(
    domain: Domain, *, now: datetime, lookup: Lookup | None = None, is_news: bool = False
) -> Report:
    """Ask DNS (seconds), and keep what it said (G-031).

    `is_news`: nobody looks, so what has broken is noted as untold, for `zones.nightly.tell_due`.
    """
    lookup = lookup or facts.new_lookup()
    known = facts.gather(domain, lookup)
    found = tuple(checks.check(known, lookup))
    take_keys_into_use(known.keys, lookup=lookup, now=now)
    return keep(domain, found, now=now, is_news=is_news)


def look_for_new_keys(*, now: datetime) -> int:
    """Ask for the records of keys that wait for them; how many sign from now on (F-040)."""
    waiting = SigningKey.objects.filter(
        published_at=None,
        retired_at=None,
        created_at__gte=now - WAITED_FOR,
        domain__is_deleting=False,
        domain__recycled=None,
    )
    ids = waiting.order_by("pk").values_list("domain_id", flat=True).distinct()
    lookup = facts.new_lookup(patience_seconds=RUN_SECONDS)
    return sum(
        take_keys_into_use(facts.public_keys(domain), lookup=lookup, now=now)
        for domain in Domain.objects.filter(pk__in=ids[:MOST_DOMAINS])
    )


def take_keys_into_use(keys_known: Iterable[PublicKey], *, lookup: Lookup, now: datetime) -> int:
    """Those whose records are there sign from now on; how many are new."""
    seen = []
    for key in keys_known:
        if not key.is_in_use:
            with suppress(Unanswered):
                if checks.is_published(key, lookup):
                    seen.append(key.key_id)
    return keys.take_into_use(keys=seen, now=now) if seen else 0


@transaction.atomic
def keep(
    domain: Domain, findings: tuple[Finding, ...], *, now: datetime, is_news: bool = False
) -> Report:
    """The row of the domain becomes what was found."""
    row = ZoneCheck.objects.select_for_update().filter(domain=domain).first()
    known = set(row.broken) if row is not None else None
    in_error = {each.check for each in findings if each.level is Level.ERROR}
    # What could not be looked up is as it was: the same trouble is not told of twice.
    unknown = {each.check for each in findings if each.level is Level.UNKNOWN}
    silent = known is not None and "domain" in unknown
    still = (known or set()) & unknown if not silent else known or set()
    # A domain that is looked at for the first time is perhaps not in use yet.
    fresh = in_error - known if known is not None else set()
    # What works again by the time it would be told of is no news either.
    waiting = set(row.untold) & (in_error | still) if row is not None else set()
    untold = waiting | (fresh if is_news else set())
    ZoneCheck.objects.update_or_create(
        domain=domain,
        defaults={
            "checked_at": now,
            "level": worst(findings),
            "findings": [
                {"check": each.check, "level": each.level, "text": each.text} for each in findings
            ],
            "broken": sorted(in_error | still),
            "untold": sorted(untold),
            "untold_at": now if untold else None,
        },
    )
    broken = tuple(each for each in findings if each.check in fresh and each.level is Level.ERROR)
    return Report(domain, now, findings, broken)
