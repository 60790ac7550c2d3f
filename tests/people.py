"""One of every role, twice where one must not see the other's: for tests of doors."""

from __future__ import annotations

from dataclasses import dataclass

from accounts import provisioning, services
from accounts.models import Role, User
from domains.models import Domain
from tests.factories import make_alias, make_domain, make_domain_alias, verifiers


@dataclass(frozen=True)
class World:
    """`own` belongs to `reseller`, `other` to `other_reseller`; each has `admin` and `alice`."""

    own: Domain
    other: Domain
    root: User
    reseller: User
    other_reseller: User
    admin: User
    other_admin: User
    user: User


def make_world() -> World:
    root, *resellers = [
        services.add_person(username=name, role=role, by=None, verifiers=verifiers())
        for name, role in (
            ("root", Role.SYSTEM_ADMINISTRATOR), ("rob", Role.RESELLER), ("ruth", Role.RESELLER),
        )
    ]  # fmt: skip
    own, other = make_domain("own.example", "alice"), make_domain("other.example", "alice")
    for domain, reseller in zip((own, other), resellers, strict=True):
        provisioning.hand_over(domain=domain, reseller=reseller, by=None)
    make_alias(own, "sales", "alice")
    make_domain_alias(own, "alias.example")

    def person(domain: Domain, name: str) -> User:
        return User.objects.select_related("domain").get(domain=domain, local_part=name)

    return World(
        own, other, root, *resellers,
        person(own, "admin"), person(other, "admin"), person(own, "alice"),
    )  # fmt: skip
