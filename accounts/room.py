"""What stands in the way of one more, asked before somebody fills in a form (D-003).

The answers are those of the services' own checks. They may be old when the form comes: then the
service refuses.
"""

from __future__ import annotations

from collections.abc import Callable

from accounts import caps
from accounts.models import Role, User
from domains import services
from domains.errors import LimitReached, ServerFull
from domains.models import Domain

Full = LimitReached | ServerFull


def for_domain(actor: User) -> Full | None:
    """None: there is room. A new domain has an administrator, who is a user, too."""
    reseller = actor if actor.role == Role.RESELLER else None
    plan = caps.plan_of(reseller)

    def check() -> None:
        caps.require_domain_room(reseller, plan)
        caps.require_user_room(reseller, plan, adding=1)
        caps.require_server_room(domains=1, users=1)

    return _refusal(check)


def for_user(domain: Domain) -> Full | None:
    reseller = caps.reseller_of(domain)
    plan = caps.plan_of(reseller)
    return _refusal(lambda: caps.require_users(domain, reseller, plan, adding=1))


def for_alias(domain: Domain) -> Full | None:
    return _refusal(lambda: caps.require_aliases(domain, adding=1))


def for_domain_alias(domain: Domain) -> Full | None:
    return _refusal(lambda: services.require_alias_room(domain))


def _refusal(check: Callable[[], None]) -> Full | None:
    try:
        check()
    except (LimitReached, ServerFull) as error:
        return error
    return None
