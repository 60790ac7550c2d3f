"""Further names that wait for a proof of control: claim, withdraw, make it the domain's, lapse.

Whether DNS proves one is asked by `zones.claims` (D-101).
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.db import transaction

from domains import limits, selectors, services
from domains.errors import NameTaken, Problem, Refused, ValuesRefused
from domains.models import (
    ClaimedAlias,
    Domain,
    DomainAlias,
    DomainLimits,
    HostedName,
    NameSettings,
)
from domains.names import read_name
from domains.singlerow import SingleRow
from events import audit
from events.audit import Actor

# DNS is asked for each of them again and again.
MOST_CLAIMS = 50
LONGEST_DAYS = 90


class ClaimUnknown(Refused):
    """Nothing waits under that number, or not for this actor."""

    def __init__(self, claim_id: int) -> None:
        super().__init__(claim_id)
        self.claim_id = claim_id

    def __str__(self) -> str:
        return "this name does not wait for a proof any more"


def _check(row: NameSettings) -> None:
    if not 1 <= row.proof_days <= LONGEST_DAYS:
        raise ValuesRefused((Problem("proof_days", f"must be 1 to {LONGEST_DAYS}"),))


NAMES = SingleRow(NameSettings, "names", _check)


@transaction.atomic
def claim(*, domain: Domain, name: str, by: Actor | None, now: datetime) -> ClaimedAlias:
    """Ask for a further name; whoever does so again has the whole time again.

    Raises NameMalformed, NameTaken, LimitReached.
    """
    hosted = read_name(name)
    domain = selectors.locked(domain.pk)
    if HostedName.objects.filter(name=hosted.name).exists():
        raise NameTaken(hosted.name)
    row = ClaimedAlias.objects.filter(domain=domain, name=hosted.name).first()
    if row is None:
        _require_room(domain)
        row = ClaimedAlias(
            domain=domain,
            name=hosted.name,
            unicode_name=hosted.unicode_name,
            token=secrets.token_hex(16),
            claimed_at=now,
        )
    row.lapses_at = now + timedelta(days=NAMES.load().proof_days)
    row.save()
    audit.record(by, "claimed domain alias", domain, {"claim": (None, hosted.name)})
    return row


@transaction.atomic
def withdraw(*, claim: ClaimedAlias, by: Actor | None) -> None:
    """Raises ClaimUnknown."""
    row = _locked(claim)
    audit.record(by, "withdrew claim of domain alias", row.domain, {"claim": (row.name, None)})
    row.delete()


@transaction.atomic
def grant(*, claim: ClaimedAlias, by: Actor | None) -> DomainAlias:
    """The name is proven, or the provider says so: from now on it is the domain's.

    Raises ClaimUnknown, NameTaken, LimitReached.
    """
    row = _locked(claim)
    return services.add_alias(domain=row.domain, name=row.name, by=by)


def note(*, claim: ClaimedAlias, finding: str, now: datetime) -> None:
    """What DNS said, for who looks."""
    most = ClaimedAlias._meta.get_field("finding").max_length
    ClaimedAlias.objects.filter(pk=claim.pk).update(checked_at=now, finding=finding[:most])


def lapse(*, now: datetime) -> int:
    """Give up what has waited for too long; how many."""
    keys = list(ClaimedAlias.objects.filter(lapses_at__lte=now).values_list("pk", flat=True))
    return sum(_lapse(key, now) for key in keys)


@transaction.atomic
def _lapse(key: int, now: datetime) -> bool:
    row = ClaimedAlias.objects.select_for_update().filter(pk=key, lapses_at__lte=now).first()
    if row is None:
        return False
    audit.record(None, "gave up claim of domain alias", row.domain, {"claim": (row.name, None)})
    row.delete()
    return True


def _require_room(domain: Domain) -> None:
    """Waiting names count, too: they may all be proven tomorrow."""
    waiting = ClaimedAlias.objects.filter(domain=domain).count()
    ceiling = DomainLimits.objects.get(domain=domain).domain_aliases
    limits.require_room("domain_aliases", ceiling, used=domain.aliases.count() + waiting)
    limits.require_room("domain_aliases", MOST_CLAIMS, used=waiting)


def _locked(claim: ClaimedAlias) -> ClaimedAlias:
    """The domain's row comes first, as everywhere. Raises ClaimUnknown."""
    selectors.locked(claim.domain_id)
    row = ClaimedAlias.objects.select_related("domain").filter(pk=claim.pk).first()
    if row is None:
        raise ClaimUnknown(claim.pk)
    return row
