"""A domain with its people in one line."""

from __future__ import annotations

from itertools import count

from accounts import aliases, provisioning, services
from accounts.aliases import NewAlias
from accounts.models import User
from accounts.passwords import Verifiers, derive
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from domains import services as domain_services
from domains.models import Domain

PASSWORD = "correct horse battery"
_numbers = count(1)
_verifiers: dict[str, Verifiers] = {}


def verifiers(password: str = PASSWORD) -> Verifiers:
    """Derived once for each password: the slow hash is not what most tests are about."""
    if password not in _verifiers:
        _verifiers[password] = derive(password)
    return _verifiers[password]


def make_domain(name: str | None = None, *users: str, **tabs: dict[str, object]) -> Domain:
    """A domain with the administrator `admin` and these users, all with PASSWORD.

    A tab's values go by its name: `limits={"users": 3}`.
    """
    domain = provisioning.open_domain(
        new=NewDomain(
            name=name or f"domain{next(_numbers)}.example",
            administrator=NewUser(username="admin", verifiers=verifiers()),
            tabs=tabs,
        ),
        by=None,
    )
    for username in users:
        make_user(domain, username)
    return domain


def make_user(domain: Domain, username: str, **values: object) -> User:
    return services.add_users(
        domain=domain,
        users=[NewUser(username=username, verifiers=verifiers(), values=values)],
        by=None,
    )[0]


def make_alias(domain: Domain, name: str, *targets: str, **values: object) -> None:
    aliases.add_aliases(
        domain=domain, aliases=[NewAlias(name=name, targets=targets, values=values)], by=None
    )


def make_domain_alias(domain: Domain, name: str) -> None:
    domain_services.add_alias(domain=domain, name=name, by=None)
