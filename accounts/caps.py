"""What the plan of a reseller allows over all of his domains, and the server (X-011, D-081)."""

from __future__ import annotations

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from accounts.errors import FeatureOff
from accounts.models import (
    CapSettings,
    DomainOwnership,
    Plan,
    ResellerPlan,
    Role,
    User,
    UserAlias,
)
from accounts.settings import CAPS
from domains import selectors
from domains.errors import ServerFull
from domains.limits import require_room
from domains.models import Domain, DomainLimits
from domains.singlerow import KEY


def lock_plan(reseller: User | None) -> Plan | None:
    """The reseller's plan, locked for the transaction: growth of all his domains queues here.

    Taken before the row of any domain, so that two openings never wait for each other. Before
    it come the caps of the server, where there are any: then all growth queues at them.
    """
    _lock_server()
    if reseller is None:
        return None
    row = (
        ResellerPlan.objects.select_for_update(of=("self",), no_key=True)
        .select_related("plan")
        .filter(reseller=reseller)
        .first()
    )
    return row.plan if row else None


def lock_with_plan(domain: Domain) -> tuple[Domain, User | None, Plan | None]:
    """The domain and the plan it grows under, both locked, with whose plan that is.

    Raises DomainUnknown.
    """
    while True:
        try:
            # Left by an error it gives its locks back, so that they are always taken in order.
            with transaction.atomic():
                reseller = reseller_of(domain)
                plan = lock_plan(reseller)
                locked = selectors.locked(domain.pk)
                if reseller_of(locked) != reseller:
                    raise _HandedOver
                return locked, reseller, plan
        except _HandedOver:
            continue


def _lock_server() -> None:
    capped = CapSettings.objects.filter(Q(domains__gt=0) | Q(users__gt=0) | Q(mailing_lists__gt=0))
    capped.select_for_update(no_key=True).first()


class _HandedOver(Exception):
    """The domain has got another reseller while its row was waited for."""


def plan_of(reseller: User | None) -> Plan | None:
    """The same, not locked: to ask beforehand, not to decide."""
    if reseller is None:
        return None
    row = ResellerPlan.objects.select_related("plan").filter(reseller=reseller).first()
    return row.plan if row else None


def reseller_of(domain: Domain) -> User | None:
    """None: the domain belongs to the provider itself."""
    ownership = DomainOwnership.objects.select_related("reseller").filter(domain=domain).first()
    return ownership.reseller if ownership else None


def require_server_room(*, domains: int = 0, users: int = 0) -> None:
    """Room for so many more under the caps of the server. Raises ServerFull."""
    caps = CAPS.load()
    if domains and caps.domains and Domain.objects.count() + domains > caps.domains:
        raise ServerFull("domains")
    if users and caps.users and mailbox_users() + users > caps.users:
        raise ServerFull("users")


def mailbox_users() -> int:
    """Of all domains, those in the recycle bin left out."""
    return User.objects.filter(domain__isnull=False).count()


def require_domain_room(reseller: User | None, plan: Plan | None) -> None:
    """Raises LimitReached."""
    if plan is not None and plan.domains:
        used = DomainOwnership.objects.filter(reseller=reseller).count()
        require_room("domains", plan.domains, used=used)


def require_user_room(reseller: User | None, plan: Plan | None, *, adding: int) -> None:
    """The cap over all domains together; that of one domain stands with its own limit."""
    if plan is not None and plan.users:
        used = User.objects.filter(domain__ownership__reseller=reseller).count()
        require_room("users", plan.users, used=used, adding=adding)


def require_users(domain: Domain, reseller: User | None, plan: Plan | None, *, adding: int) -> None:
    """Room for more users of `domain`, under every ceiling that there is.

    Raises LimitReached, ServerFull.
    """
    used = User.objects.filter(domain=domain).count()
    ceilings = DomainLimits.objects.get(domain=domain).users, plan.users_per_domain if plan else 0
    require_room("users", *ceilings, used=used, adding=adding)
    require_user_room(reseller, plan, adding=adding)
    require_server_room(users=adding)


def require_aliases(domain: Domain, *, adding: int) -> None:
    """Raises LimitReached."""
    used = UserAlias.objects.filter(domain=domain).count()
    ceiling = DomainLimits.objects.get(domain=domain).user_aliases
    require_room("user_aliases", ceiling, used=used, adding=adding)


def withheld_from(actor: User) -> frozenset[str]:
    """The features that domains which the actor opens cannot have."""
    plan = plan_of(actor if actor.role == Role.RESELLER else None)
    return _withheld_by(plan)


def withheld_by_plan() -> Subquery:
    """Of a row that has a `domain`: what the plan of its reseller withholds."""
    plans = ResellerPlan.objects.filter(reseller__owned__domain=OuterRef("domain"))
    return Subquery(plans.values("plan__withheld_features")[:1])


def withheld_by_server() -> Subquery:
    return Subquery(CapSettings.objects.filter(pk=KEY).values("withheld_features")[:1])


def _withheld_by(plan: Plan | None) -> frozenset[str]:
    """By the plan, and by the server, which withholds from everybody."""
    return frozenset(CAPS.load().withheld_features).union(plan.withheld_features if plan else ())


def require_features(plan: Plan | None, features: dict[str, object]) -> None:
    """Raises FeatureOff if one is switched on that the plan or the server withholds."""
    withheld = _withheld_by(plan)
    for name, is_on in features.items():
        if is_on and name in withheld:
            raise FeatureOff(name)
