"""The domains and people that the listeners' tests know, made by the services."""

from __future__ import annotations

from dataclasses import dataclass

from accounts import authentication
from accounts import directory as account_directory
from accounts.models import User
from accounts.settings import LOGIN
from domains import directory as domain_directory
from domains import services as domain_services
from domains.models import Domain
from domains.singlerow import forget_all
from mailboxes import directory as mailbox_directory
from mailboxes import quota, selectors, standard
from operations import services as operations_services
from operations import settings as operations_settings
from spool import settings as spool_settings
from tests.factories import make_alias, make_domain, make_domain_alias, make_user


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
    operations_services.forget()
    spool_settings.forget()
    forget_all()
    authentication.forget_all()
    quota.forget()
    standard._inboxes.clear()
    selectors.forget_messages()
    mailbox_directory.clear()


def build_world() -> World:
    forget_everything()
    LOGIN.change({"cram_md5": True}, by=None)
    domain = make_domain("example.com", features={"catch_alls": True})
    alice = make_user(domain, "alice")
    bob = make_user(domain, "bob")
    make_user(domain, "carol", status="disabled")
    make_domain_alias(domain, "example.net")
    make_alias(domain, "sales", "alice", "bob")
    make_alias(domain, "staff", "alice", internal_only=True)
    make_domain("lenient.test", technical={"require_smtp_authentication": False})
    closed = make_domain("closed.test")
    domain_services.set_disabled(domain=closed, is_disabled=True, by=None)
    forget_everything()
    return World(domain, alice, bob)
