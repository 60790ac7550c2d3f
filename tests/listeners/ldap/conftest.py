"""A running LDAP listener, people in its directory, and OpenLDAP's own programs to ask it."""

from __future__ import annotations

import pytest

from listeners.ldap.server import make_listener
from mailinglists import services as lists
from tests.factories import make_alias, make_domain, make_user
from tests.ldap_programs import Ldap
from tests.listeners.ldap.talk import Talk
from tests.listeners.running import PLAIN, TLS, RunningListener
from tests.listeners.talking import talks


@pytest.fixture
def people(world):
    """example.com, with names, somebody hidden, a catch-all and lists; other.test is another's."""
    world.ann = make_user(world.domain, "ann", full_name="Ann Zoë Example")
    make_user(world.domain, "hidden", hide_from_address_list=True)
    make_user(world.domain, "away", status="receiving")
    make_alias(world.domain, "secret", "alice", in_address_list=False)
    make_alias(world.domain, "*", "alice")
    for name, is_public in (("news", True), ("board", False)):
        values = {"description": f"All the {name}", "is_public": is_public}
        lists.create_list(domain=world.domain, local_part=name, values=values, by=None)
    other = make_domain("other.test")
    make_user(other, "stranger", full_name="Ann Stranger")
    return world


@pytest.fixture
def listening(people, tmp_path):
    running = RunningListener(make_listener, tmp_path, [PLAIN, TLS])
    yield running
    running.stop()


@pytest.fixture
def ldap(listening, tmp_path) -> Ldap:
    return Ldap(tmp_path, {"plain": listening.ports["plain"]})


@pytest.fixture
def connect(listening):
    hosts = {"plain": PLAIN.ip, "tls": TLS.ip}
    with talks(Talk, hosts, listening.ports) as open_connection:
        yield open_connection
