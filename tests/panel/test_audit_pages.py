"""The audit trail's pages, and Undo pressed on a notice and on the page of an operation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts import services
from accounts.models import User
from domains import services as domain_services
from domains.models import DomainLimits
from events.models import AuditEntry
from tests.browser import Visitor
from tests.panel.test_domain_pages import filled
from tests.people import World, make_world

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
OWN = "/panel/domain/own.example/"


@pytest.mark.spec("X-005", "D-030")
def test_saving_a_domain_offers_undo_which_can_itself_be_undone(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    saved = client.post(OWN, filled(client, OWN, limits__users=7), follow=True)
    assert DomainLimits.objects.get(domain=world.own).users == 7
    page = saved.content.decode()
    assert 'action="/panel/audit/undo/"' in page
    operation = AuditEntry.objects.get(verb="changed limits").operation
    assert f'name="operation" value="{operation}"' in page
    entry = AuditEntry.objects.get(verb="changed limits")
    assert (entry.actor, entry.client_address) == ("root", "127.0.0.1")
    back = client.post(
        "/panel/audit/undo/", {"operation": operation},
        HTTP_REFERER=f"http://testserver{OWN}",
    )  # fmt: skip
    assert back["Location"] == f"http://testserver{OWN}"
    assert DomainLimits.objects.get(domain=world.own).users == 100
    assert "Undone: changed limits own.example." in client.get(OWN).content.decode()
    again = AuditEntry.objects.order_by("-id")[0]
    client.post("/panel/audit/undo/", {"operation": again.operation, "reason": "wanted it"})
    assert DomainLimits.objects.get(domain=world.own).users == 7
    assert AuditEntry.objects.order_by("-id")[0].reason == "wanted it"


def test_undo_leads_to_no_other_site(world: World, log_in: LogIn) -> None:
    services.change_user(user=world.user, values={"full_name": "A"}, by=world.root)
    entry = AuditEntry.objects.order_by("-id")[0]
    back = log_in(world.root).post(
        "/panel/audit/undo/", {"entry": entry.pk}, HTTP_REFERER="https://evil.example/"
    )
    assert back["Location"] == f"/panel/audit/{entry.pk}/"


def test_the_page_of_an_operation_says_what_is_in_the_way(world: World, log_in: LogIn) -> None:
    domain_services.change_tab(domain=world.own, tab="limits", values={"users": 7}, by=world.root)
    entry = AuditEntry.objects.order_by("-id")[0]
    domain_services.change_tab(domain=world.own, tab="limits", values={"users": 8}, by=world.root)
    client = log_in(world.root)
    page = client.get(f"/panel/audit/{entry.pk}/").content.decode()
    assert "it was set to 7 and is 8 now" in page
    assert "This cannot be undone here." in page
    refused = client.post("/panel/audit/undo/", {"entry": entry.pk}, follow=True)
    assert "Nothing was undone." in refused.content.decode()
    assert DomainLimits.objects.get(domain=world.own).users == 8


def test_the_trail_filters_and_shows_hostile_names_as_text(world: World, log_in: LogIn) -> None:
    services.change_user(
        user=world.user, values={"full_name": "<script>alert(1)</script>"}, by=world.root
    )
    page = log_in(world.root).get("/panel/audit/", {"q": "object:alice@own"})
    assert [row.object_name for row in page.context["listing"].rows][0] == "alice@own.example"
    assert "<script>alert" not in page.content.decode()
    csv = log_in(world.reseller).get("/panel/audit/", {"format": "csv"})
    text = b"".join(csv.streaming_content).decode() if csv.streaming else csv.content.decode()
    assert "alice@own.example" in text and "alice@other.example" not in text


def test_customers_see_their_trail_without_the_providers_addresses(
    world: World, log_in: LogIn
) -> None:
    log_in(world.root).post("/panel/domains/disable/", {"selected": ["own.example"]})
    entry = AuditEntry.objects.get(verb="changed options")
    assert entry.client_address == "127.0.0.1"
    log_in(world.root).post("/panel/domains/enable/", {"selected": ["own.example"]})
    for customer in (world.admin, world.reseller):
        for path in ("domain/own.example/audit/", f"audit/{entry.pk}/"):
            page = log_in(customer).get(f"/panel/{path}").content.decode()
            assert "changed options" in page
            assert "127.0.0.1" not in page


def test_the_trail_takes_no_query_for_each_row(
    world: World, log_in: LogIn, queries_grow: Callable[..., object]
) -> None:
    def more() -> None:
        for number in range(20):
            values = {"full_name": f"A {number}"}
            services.change_user(user=world.user, values=values, by=world.root)

    growth = queries_grow(log_in(world.root), "/panel/audit/", more)
    assert growth.many <= growth.few  # type: ignore[attr-defined]


@pytest.mark.django_db(transaction=True)
def test_the_pages_are_accessible_on_a_desk_and_a_phone(visitor: Visitor) -> None:
    world = make_world()
    services.change_user(user=world.user, values={"full_name": "Alice"}, by=world.root)
    domain_services.change_tab(domain=world.own, tab="limits", values={"users": 7}, by=world.root)
    entry = AuditEntry.objects.order_by("-id")[0]
    visitor.log_in(world.root)
    visitor.inspect("/panel/audit/", "audit")
    visitor.inspect(f"/panel/audit/{entry.pk}/", "audit-operation")
