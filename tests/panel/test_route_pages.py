"""Gateways and the lists about relaying and forwarding, as an operator changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import ForwardingBan, User
from clock.moments import utc_now
from events.models import AuditEntry
from operations.models import RelayNetwork
from spool import gateways
from spool.models import Gateway, GatewayState, RelayDomain, SingleDestination
from tests.panel.spoolworld import HOSTILE
from tests.people import World

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
LIST = "/panel/gateways/"
VALUES = {
    "server-name": "smarthost", "server-host": "mx.example.net", "server-port": "587",
    "server-encryption": "required", "server-username": "me", "server-password": "s3cret",
    "server-is_enabled": "on", "scope-minimum_priority": "1", "scope-maximum_priority": "3",
    "scope-sending_domains": "own.example", "scope-destinations": "far.test\n.below.test",
}  # fmt: skip


@pytest.mark.spec("G-001", "G-002", "G-003", "G-004", "G-005", "G-006")
def test_a_gateway_is_added_changed_switched_and_deleted(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    page = client.post(f"{LIST}new/", VALUES, follow=True)
    assert "Added the gateway" in page.content.decode()
    row = Gateway.objects.get()
    assert (row.port, row.encryption, row.maximum_priority) == (587, "required", 3)
    assert gateways.password_of(row) == "s3cret"
    assert gateways.scope_of(row) == {
        "destinations": [".below.test", "far.test"], "sending_domains": ["own.example"],
    }  # fmt: skip
    url = f"{LIST}{row.pk}/"
    form = client.get(url).content.decode()
    assert "s3cret" not in form and ".below.test" in form
    # An empty password stays as it is.
    client.post(url, {**VALUES, "server-password": "", "server-port": "25"})
    row.refresh_from_db()
    assert row.port == 25 and gateways.password_of(row) == "s3cret"
    client.post(url, {**VALUES, "server-password": "", "server-forget_password": "on"})
    row.refresh_from_db()
    assert gateways.password_of(row) == ""
    page = client.post(f"{url}disable/", follow=True)
    assert "Disabled the gateway smarthost." in page.content.decode()
    assert "Undo" in page.content.decode() and not Gateway.objects.get().is_enabled
    client.post(f"{url}enable/")
    assert Gateway.objects.get().is_enabled
    assert "not it" in client.post(f"{url}delete/", {"confirmation": "x"}).content.decode()
    client.post(f"{url}delete/", {"confirmation": "smarthost"})
    assert not Gateway.objects.exists()
    assert AuditEntry.objects.filter(verb="deleted gateway").exists()


def test_what_cannot_be_is_put_to_its_field(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for change, words in (
        ({"server-host": "a b"}, "Must be a host name or an IP address."),
        ({"scope-minimum_priority": "9"}, "Must not be above the maximum."),
        ({"scope-destinations": "a..b"}, "is not a domain name"),
        ({"scope-sending_domains": "nowhere.example"}, "nowhere.example"),
        ({"server-port": "70000"}, "65535"),
    ):
        page = client.post(f"{LIST}new/", {**VALUES, **change})
        assert page.status_code == 200 and words in page.content.decode(), change
    assert not Gateway.objects.exists()


@pytest.mark.spec("G-008")
def test_the_list_shows_health_and_nothing_that_acts(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    def more() -> None:
        for number in range(5):
            made = gateways.add(
                values={"name": f"{HOSTILE}{number}", "host": "mx.example"}, by=None,
                destinations=["far.test"], sending_domains=["own.example"],
            )  # fmt: skip
            GatewayState.objects.create(
                gateway=made, process_id=1, seen_at=utc_now(), queued=7, is_down=True,
                last_error=f"421 {HOSTILE}", last_error_at=utc_now(),
            )  # fmt: skip

    gateways.add(values={"name": "one", "host": "mx.example"}, by=None)
    client = log_in(world.root)
    growth = queries_grow(client, LIST, more)
    assert growth.many == growth.few <= 14
    text = client.get(LIST).content.decode()
    assert "Down" in text and HOSTILE not in text


def test_a_test_shows_what_was_said_without_the_password(world: World, log_in: LogIn) -> None:
    made = gateways.add(
        values={"name": "dead", "host": "127.0.0.1", "port": 1, "username": "me"},
        password="s3cret", by=None,
    )  # fmt: skip
    page = log_in(world.root).post(f"{LIST}{made.pk}/test/")
    text = page.content.decode()
    assert "The test failed" in text and "127.0.0.1" in text and "s3cret" not in text


@pytest.mark.spec("G-016", "G-040", "G-045", "S-040")
def test_entries_of_the_short_lists_are_added_removed_and_brought_back(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    lists: list[tuple[str, Any, dict[str, Any], dict[str, str]]] = [
        ("relay-domains", RelayDomain, {"name": "backup.example", "port": "26", "host": "",
         "note": HOSTILE}, {"name": "own.example", "port": "25"}),
        ("relay-networks", RelayNetwork,
         {"network": "192.0.2.0/24", "services": ["submission"], "note": HOSTILE},
         {"network": "0.0.0.0/0"}),
        ("forwarding-blacklist", ForwardingBan, {"name": "*.strict.example", "note": HOSTILE},
         {"name": "a..b"}),
        ("single-destinations", SingleDestination, {"name": ".lists.example", "note": HOSTILE},
         {"name": "a..b"}),
    ]  # fmt: skip
    for path, model, values, wrong in lists:
        url = f"/panel/{path}/"
        assert "The list is empty" in client.get(url).content.decode()
        text = client.post(url, values, follow=True).content.decode()
        assert "Added the" in text and HOSTILE not in text
        page = client.post(url, wrong)
        assert (
            page.status_code == 200
            and "invalid-feedback" in page.content.decode()
            or ("alert-danger" in page.content.decode())
        )
        row = model.objects.get()
        page = client.post(f"{url}{row.pk}/remove/", follow=True)
        assert not model.objects.exists()
        assert "Undo" in page.content.decode()
        undo = page.context["said"][0].undo["fields"]
        client.post(url, undo)
        again = model.objects.get()
        assert {name: getattr(again, name) for name in values} == {
            name: getattr(row, name) for name in values
        }


@pytest.mark.spec("G-040")
def test_a_relay_network_needs_a_service(world: World, log_in: LogIn) -> None:
    client, url = log_in(world.root), "/panel/relay-networks/"
    page = client.get(url).content.decode()
    assert page.count(" checked") == 1 and "Where its machines need not log in" in page
    assert client.post(url, {"network": "192.0.2.0/24"}).status_code == 200
    assert not RelayNetwork.objects.exists()
    both = {"network": "192.0.2.0/24", "services": ["submission", "smtp"]}
    assert "smtp, submission" in client.post(url, both, follow=True).content.decode()
