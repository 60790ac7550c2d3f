"""The domains and people that the listeners' tests know, made by the services."""

from __future__ import annotations

from dataclasses import dataclass

from accounts import aliases, provisioning, services
from accounts import directory as account_directory
from accounts.models import User
from accounts.provisioning import NewDomain
from accounts.services import NewUser
from domains import directory as domain_directory
from domains import services as domain_services
from domains.models import Domain
from domains.singlerow import forget_all
from operations import settings as operations_settings
from spool import settings as spool_settings

PASSWORD = "a long enough password"


@dataclass
class World:
    """example.com, also called example.net, with alice, bob, carol (disabled) and sales."""

    domain: Domain
    alice: User
    bob: User


def forget_everything():
    """As if the process had just started."""
    domain_directory.clear()
    account_directory.clear()
    operations_settings.forget()
    spool_settings.forget()
    forget_all()


def open_domain(name, *, administrator="admin", options=None, **tabs):
    return provisioning.open_domain(
        new=NewDomain(
            name=name,
            administrator=NewUser(username=administrator),
            options=options or {},
            tabs=tabs,
        ),
        by=None,
    )


def build_world() -> World:
    forget_everything()
    domain = open_domain("example.com", features={"catch_alls": True})
    verifiers = services.new_verifiers(PASSWORD, "alice")
    alice, bob, _ = services.add_users(
        domain=domain,
        users=[
            NewUser(username="alice", verifiers=verifiers),
            NewUser(username="bob", verifiers=verifiers),
            NewUser(username="carol", verifiers=verifiers, values={"status": "disabled"}),
        ],
        by=None,
    )
    domain_services.add_alias(domain=domain, name="example.net", by=None)
    aliases.add_alias(domain=domain, name="sales", targets=["alice", "bob"], by=None)
    aliases.add_alias(
        domain=domain, name="staff", targets=["alice"], values={"internal_only": True}, by=None
    )
    open_domain("lenient.test", technical={"require_smtp_authentication": False})
    closed = open_domain("closed.test")
    domain_services.set_disabled(domain=closed, is_disabled=True, by=None)
    forget_everything()
    return World(domain, alice, bob)
