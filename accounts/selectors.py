"""What an actor may see: everything is fetched through here, the rest does not exist for him."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import Model, QuerySet

from accounts import permissions
from accounts.errors import AliasUnknown, UserUnknown
from accounts.models import CATCH_ALL, Role, User, UserAlias
from accounts.permissions import Verb
from domains import selectors as domain_selectors
from domains.errors import DomainUnknown, Refused
from domains.limits import effective
from domains.models import ClaimedAlias, Domain, DomainAlias
from protocols.address import fold

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class InUse:
    """One ceiling of a domain; `allowed` None: no limit (D-092)."""

    limit: str
    used: int
    allowed: int | None

    @property
    def is_over(self) -> bool:
        return self.allowed is not None and self.used > self.allowed


def domains_for(actor: User) -> QuerySet[Domain]:
    """System administrators: all; resellers: their own; people of a domain: that one."""
    rows = domain_selectors.domains()
    if not actor.is_active or actor.role == Role.USER:
        return rows.none()
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    if actor.role == Role.RESELLER:
        return rows.filter(ownership__reseller=actor)
    return rows.filter(pk=actor.domain_id or 0)


def domain_for(actor: User, name: str, *, verb: Verb = Verb.VIEW) -> Domain:
    """Raises DomainUnknown for what is out of sight, NotPermitted and FeatureOff for the verb."""
    domain = domain_selectors.by_name(name)
    if not domains_for(actor).filter(pk=domain.pk).exists():
        raise DomainUnknown(name)
    permissions.require(actor, verb, domain)
    return domain


def users_for(actor: User) -> QuerySet[User]:
    """Mailbox users of the domains in sight; an ordinary user sees himself."""
    rows = User.objects.select_related("domain", "last_activity")
    if actor.role == Role.USER:
        return rows.filter(pk=actor.pk)
    return _in_sight(actor, rows)


def _in_sight(actor: User, rows: QuerySet[M]) -> QuerySet[M]:
    """Of what belongs to domains: a join, which counts and sorts faster than a list of keys."""
    if not actor.is_active or actor.role == Role.USER:
        return rows.none()
    rows = rows.filter(domain__isnull=False, domain__recycled=None)
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return rows
    if actor.role == Role.RESELLER:
        return rows.filter(domain__ownership__reseller=actor)
    return rows.filter(domain=actor.domain_id or 0)


def user_for(actor: User, address: str, *, verb: Verb = Verb.VIEW) -> User:
    """Raises UserUnknown, NotPermitted, FeatureOff."""
    return _at(actor, users_for(actor), address, verb, UserUnknown)


def aliases_for(actor: User) -> QuerySet[UserAlias]:
    """Aliases of the domains in sight, without their catch-alls."""
    rows = UserAlias.objects.select_related("domain").exclude(local_part=CATCH_ALL)
    return _in_sight(actor, rows)


def alias_for(actor: User, address: str, *, verb: Verb = Verb.VIEW) -> UserAlias:
    """Raises AliasUnknown, NotPermitted, FeatureOff."""
    return _at(actor, aliases_for(actor), address, verb, AliasUnknown)


def _at(
    actor: User, rows: QuerySet[M], address: str, verb: Verb, unknown: Callable[[str], Refused]
) -> M:
    """That of an address. Raises what `unknown` makes of it, NotPermitted, FeatureOff."""
    local_part, _, name = address.rpartition("@")
    try:
        domain = domain_for(actor, name)
    except DomainUnknown:
        raise unknown(address) from None
    row = rows.filter(domain=domain, local_part=fold(local_part)).first()
    if row is None:
        raise unknown(address)
    permissions.require(actor, verb, domain)
    return row


def catch_all_for(actor: User, domain: Domain) -> UserAlias | None:
    """Who gets mail for unknown local parts; None: nobody does, or the domain is out of sight."""
    rows = UserAlias.objects.select_related("domain").filter(local_part=CATCH_ALL, domain=domain)
    return _in_sight(actor, rows).first()


def domain_aliases_for(actor: User) -> QuerySet[DomainAlias]:
    """Further names of the domains in sight."""
    return _in_sight(actor, DomainAlias.objects.select_related("domain"))


def domain_alias_claims_for(actor: User) -> QuerySet[ClaimedAlias]:
    """Further names that wait for a proof, of the domains in sight."""
    return _in_sight(actor, ClaimedAlias.objects.select_related("domain"))


def domain_aliases_in_use(domain: Domain) -> InUse:
    """The line of `in_use` about further names, by itself."""
    allowed = effective(domain.domainlimits.domain_aliases)
    return InUse("domain_aliases", domain.aliases.count(), allowed)


def in_use(domain: Domain) -> list[InUse]:
    """The ceilings of the Limits tab that are about accounts, with the plan's where lower."""
    limits = domain.domainlimits
    owner = getattr(domain, "ownership", None)
    reseller_plan = getattr(owner.reseller, "reseller_plan", None) if owner else None
    cap = reseller_plan.plan.users_per_domain if reseller_plan else None
    users = User.objects.filter(domain=domain).count()
    aliases = UserAlias.objects.filter(domain=domain).count()
    return [
        InUse("users", users, effective(limits.users, cap)),
        InUse("user_aliases", aliases, effective(limits.user_aliases)),
        domain_aliases_in_use(domain),
    ]
