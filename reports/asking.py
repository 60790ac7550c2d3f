"""Who may see which report, and making it for him (R-010, R-015, R-021, M-036)."""

from __future__ import annotations

from datetime import datetime

from accounts import permissions, selectors
from accounts.errors import NotPermitted, UserUnknown
from accounts.inactivity import Period
from accounts.models import Role, User
from accounts.permissions import Verb
from domains import selectors as domain_selectors
from domains.errors import DomainUnknown
from domains.models import Domain
from protocols.address import fold
from reports import making
from reports.kinds import BUILDERS, Scope, Wanted, of_scope, scope_of
from reports.models import Kind
from reports.series import Days
from reports.tables import Report

__all__ = [
    "PROVIDERS", "account_for", "domain_for", "make", "make_for", "making", "open_to", "wanted_for",
]  # fmt: skip

PROVIDERS = (Role.SYSTEM_ADMINISTRATOR, Role.RESELLER)


def open_to(actor: User) -> list[Kind]:
    """The kinds that the actor's role includes, whatever is switched on."""
    scopes = {
        Role.SYSTEM_ADMINISTRATOR: (Scope.SYSTEM, Scope.DOMAIN, Scope.USER),
        Role.RESELLER: (Scope.DOMAIN, Scope.USER),
        Role.DOMAIN_ADMINISTRATOR: (Scope.DOMAIN, Scope.USER),
        Role.USER: (Scope.USER,),
    }[Role(actor.role)]
    return [kind for scope in scopes for kind in of_scope(scope)]


def domain_for(actor: User, name: str) -> Domain:
    """Raises DomainUnknown; FeatureOff for the domain's own people if it is off (D-067)."""
    domain = selectors.domain_for(actor, name)
    if actor.role not in PROVIDERS:
        permissions.require_feature(domain, "domain_reports")
    return domain


def account_for(actor: User, address: str) -> User:
    """Raises UserUnknown; FeatureOff for a user himself if it is off (D-078)."""
    if _is_self(actor, address):
        assert actor.domain is not None, "nobody else is"
        permissions.require_feature(actor.domain, "user_reports")
        return actor
    if actor.role == Role.USER:
        raise UserUnknown(address)
    user = selectors.user_for(actor, address)
    if actor.role == Role.DOMAIN_ADMINISTRATOR and user.domain is not None:
        permissions.require_feature(user.domain, "user_reports")
    return user


def _is_self(actor: User, address: str) -> bool:
    """Whether the address, or none, is that of somebody with a mailbox himself."""
    if actor.domain is None or not address:
        return actor.domain is not None
    local_part, _, name = address.rpartition("@")
    try:
        domain = domain_selectors.by_name(name)
    except DomainUnknown:
        return False
    return domain.pk == actor.domain_id and fold(local_part) == actor.local_part


def make_for(
    actor: User,
    kind: Kind,
    *,
    days: Days,
    now: datetime,
    domain: str = "",
    address: str = "",
    inactive: Period = Period.DAYS_90,
) -> Report:
    """The report, if the actor may see it. Raises what `wanted_for` raises."""
    wanted = wanted_for(
        actor, kind, days=days, now=now, domain=domain, address=address, inactive=inactive
    )
    return make(kind, wanted)


def wanted_for(
    actor: User,
    kind: Kind,
    *,
    days: Days,
    now: datetime,
    domain: str = "",
    address: str = "",
    inactive: Period = Period.DAYS_90,
) -> Wanted:
    """What the report is to be about; without `domain` and `address`: the actor's own.

    Raises DomainUnknown, UserUnknown, NotPermitted, FeatureOff.
    """
    if kind not in open_to(actor) or not actor.is_active:
        raise NotPermitted(Verb.VIEW)
    match scope_of(kind):
        case Scope.DOMAIN:
            name = domain or (actor.domain.name if actor.domain else "")
            return Wanted(days, now, domain_for(actor, name), inactive=inactive)
        case Scope.USER:
            return Wanted(days, now, account=account_for(actor, address), inactive=inactive)
    return Wanted(days, now, inactive=inactive)


def make(kind: Kind, wanted: Wanted) -> Report:
    """Whoever asks: for the server's operator."""
    return BUILDERS[kind](wanted)
