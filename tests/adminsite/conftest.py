"""A system administrator in the Django admin, and something of everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts import apppasswords, plans, provisioning, services
from accounts.models import LastActivity, Role, User
from accounts.settings import LOGIN
from clock.moments import utc_now
from domains.models import Domain
from operations import relay
from operations.services import LISTENERS
from spool import gateways
from spool.configuration import SPOOL
from tests.adminsite.adminrows import log_in
from tests.factories import make_alias, make_domain, make_domain_alias, verifiers


@pytest.fixture
def root() -> User:
    role = Role.SYSTEM_ADMINISTRATOR
    return services.add_person(username="root", role=role, by=None, verifiers=verifiers())


@pytest.fixture
def client(root: User) -> Client:
    return log_in(root)


@pytest.fixture
def world(root: User) -> Iterator[Domain]:
    """A row or more of everything that services make."""
    domain = make_domain("world.example", "alice")
    make_domain_alias(domain, "alias.example")
    make_alias(domain, "sales", "alice", "x@elsewhere.example")
    alice = User.objects.get(local_part="alice")
    apppasswords.add(user=alice, name="phone", by=None)
    LastActivity.objects.create(user=alice, at=utc_now(), service="imap")
    services.add_person(username="rob", role=Role.RESELLER, by=None)
    plans.add(name="small", by=None)
    plans.put_on(username="rob", plan_name="small", by=None)
    reseller = User.objects.get(local_part="rob")
    provisioning.hand_over(domain=domain, reseller=reseller, by=None)
    gateways.add(values={"name": "out", "host": "mx.example"}, destinations=["sink.test"], by=None)
    relay.add(network="192.0.2.0/24", by=None)
    LOGIN.change({"cram_md5": True}, by=None)
    LISTENERS.change({"bad_commands": 9}, by=None)
    SPOOL.change({"patience_days": 4}, by=None)
    yield domain
    for single in (LOGIN, LISTENERS, SPOOL):
        single.forget()
