"""Whether DNS proves that a further name is the domain's to have (D-101)."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime

from django.db.models import F

from domains import claims
from domains.errors import DomainUnknown, Refused
from domains.models import ClaimedAlias, DomainAlias
from events.audit import Actor
from spool.models import RelayDomain
from zones import checks, facts
from zones.lookup import Lookup, Unanswered
from zones.records import Need, Record

LABEL = "_mailhost"
RUN_SECONDS = 60.0  # the next tick goes on where this one ended


def record_of(claim: ClaimedAlias) -> Record:
    """What its owner adds to the zone of the name."""
    return Record(
        check="",
        name=f"{LABEL}.{claim.name}",
        type="TXT",
        value=f'"{_text(claim)}"',
        need=Need.REQUIRED,
        why="It proves that the name is yours, and can be removed afterwards.",
    )


def check(
    claim: ClaimedAlias, *, by: Actor | None, now: datetime, lookup: Lookup | None = None
) -> DomainAlias | None:
    """Ask DNS (seconds); None: there is no proof yet, or the name cannot be had.

    Raises ClaimUnknown.
    """
    lookup = lookup or facts.new_lookup()
    try:
        finding = _missing(claim, lookup)
    except Unanswered as error:
        finding = f"The name servers of {error.name} do not answer."
    if not finding:
        try:
            return claims.grant(claim=claim, by=by)
        except claims.ClaimUnknown:
            raise
        except Refused as error:
            finding = f"The proof is there, but {error}."
    claims.note(claim=claim, finding=finding, now=now)
    return None


def check_due(*, now: datetime, run_seconds: float = RUN_SECONDS) -> int:
    """Look for the proofs, those first that were not looked for the longest; how many there are.

    Then what has waited for too long is given up.
    """
    until = time.monotonic() + run_seconds
    lookup = facts.new_lookup(patience_seconds=run_seconds)
    proven = 0
    rows = ClaimedAlias.objects.filter(domain__is_deleting=False).select_related("domain")
    for row in rows.order_by(F("checked_at").asc(nulls_first=True), "pk"):
        if time.monotonic() >= until:
            break
        with suppress(claims.ClaimUnknown, DomainUnknown):  # it has gone meanwhile
            proven += check(row, by=None, now=now, lookup=lookup) is not None
    claims.lapse(now=now)
    return proven


def _text(claim: ClaimedAlias) -> str:
    return f"mailhost={claim.token}"


def _missing(claim: ClaimedAlias, lookup: Lookup) -> str:
    """Why there is no proof; empty: there is one. Raises Unanswered."""
    if _text(claim) in lookup.ask(f"{LABEL}.{claim.name}", "TXT").values:
        return ""
    if _counts_by_mx(claim):
        known = facts.gather(claim.domain, lookup)
        if checks.leads_here(claim.name, known, lookup):
            return ""
    return f"There is no TXT record {LABEL}.{claim.name} that says {_text(claim)}."


def _counts_by_mx(claim: ClaimedAlias) -> bool:
    """Mail that comes here proves nothing where it comes for somebody else: for a domain that is
    relayed, or that another customer claims, too.
    """
    others = ClaimedAlias.objects.filter(name=claim.name).exclude(domain=claim.domain_id)
    return not others.exists() and not RelayDomain.objects.filter(name=claim.name).exists()
