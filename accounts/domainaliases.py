"""Further names of domains, by whoever adds them: customers prove theirs first (D-101)."""

from __future__ import annotations

from datetime import datetime

from accounts import permissions, selectors
from accounts.models import Role, User
from accounts.permissions import Verb
from domains import claims, services
from domains.claims import NAMES, ClaimUnknown
from domains.models import ClaimedAlias, Domain, DomainAlias


def add(*, domain: Domain, name: str, by: User, now: datetime) -> DomainAlias | ClaimedAlias:
    """A claim where a proof is asked for and `by` is not the provider: the name waits.

    Raises NameMalformed, NameTaken, LimitReached.
    """
    if by.role != Role.SYSTEM_ADMINISTRATOR and NAMES.load().aliases_need_proof:
        return claims.claim(domain=domain, name=name, by=by, now=now)
    return services.add_alias(domain=domain, name=name, by=by)


def approve(*, claim: ClaimedAlias, by: User) -> DomainAlias:
    """The provider knows whose name it is. Raises NotPermitted, and what `claims.grant` does."""
    permissions.require(by, Verb.MANAGE_SERVER)
    return claims.grant(claim=claim, by=by)


def claim_for(actor: User, claim_id: int, *, verb: Verb = Verb.VIEW) -> ClaimedAlias:
    """Raises ClaimUnknown, NotPermitted, FeatureOff."""
    row = selectors.domain_alias_claims_for(actor).filter(pk=claim_id).first()
    if row is None:
        raise ClaimUnknown(claim_id)
    permissions.require(actor, verb, row.domain)
    return row
