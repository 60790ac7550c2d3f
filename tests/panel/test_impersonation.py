"""Logging in as another: who may, what the window can do, when it ends, and what is recorded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect

from accounts import impersonation, services
from accounts.models import Impersonation, LastActivity, Role, User
from accounts.settings import LOGIN
from clock.moments import utc_now
from events.models import AuditEntry
from tests.browser import Visitor
from tests.people import World, make_world

pytestmark = pytest.mark.django_db
START = "/panel/impersonate/"
DOMAIN = "/panel/domain/own.example/impersonate/"

LogIn = Callable[[User], Client]


def begin(client: Client, address: str = "alice@own.example", **data: Any) -> str:
    """The address of the open window, such as `/as/0123456789abcdef/panel/`."""
    answer = client.post(START, {"address": address, **data})
    assert answer.status_code == 302, answer.content.decode()
    entered = client.get(answer["Location"])
    assert entered.status_code == 302
    return str(entered["Location"])


@pytest.mark.spec("U-060", "D-006", "D-020")
@pytest.mark.django_db(transaction=True)
def test_a_click_on_the_domain_opens_a_window_as_its_administrator(visitor: Visitor) -> None:
    world = make_world()
    visitor.log_in(world.root)
    page = visitor.go("/panel/domains/")
    with visitor.context.expect_page() as opened:
        page.get_by_role("button", name="own.example", exact=True).click()
    window = opened.value
    expect(window.get_by_role("status")).to_contain_text("You are admin@own.example")
    expect(window.get_by_role("status")).to_contain_text("impersonated by root")
    assert "/as/" in window.url and "token" not in window.url
    page.reload()
    assert "Logged in as root" in page.content()
    window.get_by_role("button", name="End", exact=True).click()
    expect(window.get_by_role("heading")).to_contain_text("You are no longer admin@own.example")
    window.go_back()
    window.reload()
    expect(window.get_by_role("heading")).to_contain_text("This window is closed")
    page.reload()
    assert "Logged in as root" in page.content()


@pytest.mark.spec("U-061", "U-062")
@pytest.mark.django_db(transaction=True)
def test_a_user_is_proposed_while_his_address_is_typed(visitor: Visitor) -> None:
    world = make_world()
    visitor.log_in(world.root)
    page = visitor.go(START)
    page.get_by_label("Email address").type("alice@own")
    expect(page.locator("#people option")).to_have_count(1)
    assert page.locator("#people option").get_attribute("value") == "alice@own.example"
    page.get_by_label("Email address").fill("alice@own.example")
    page.get_by_label("Reason").fill("ticket 7")
    with visitor.context.expect_page() as opened:
        page.get_by_role("button", name="Open a new window").click()
    expect(opened.value.get_by_role("status")).to_contain_text("You are alice@own.example")
    visitor.check_quiet()


@pytest.mark.django_db(transaction=True)
def test_the_pages_of_impersonation_as_a_browser_shows_them(visitor: Visitor) -> None:
    world = make_world()
    visitor.log_in(world.root)
    visitor.inspect(START, "impersonate")
    visitor.inspect(DOMAIN, "impersonate-domain")
    page = visitor.page
    page.get_by_role("button", name="Open a new window").evaluate("b => b.form.target = '_self'")
    page.get_by_role("button", name="Open a new window").click()
    page.wait_for_url("**/as/**")
    visitor.inspect(page.url.removeprefix(visitor.address), "impersonated")
    visitor.inspect(START, "impersonate-open")


@pytest.mark.spec("U-060", "U-061", "X-005")
def test_begin_change_and_end_are_recorded_with_both_identities(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    home = begin(client, reason="ticket 7")
    assert client.post(home + "impersonation/end/").status_code == 200
    begun, ended = AuditEntry.objects.filter(verb__endswith="impersonation").order_by("pk")
    assert (begun.actor, begun.verb, begun.client_address) == (
        "root", "began impersonation", "127.0.0.1"
    )  # fmt: skip
    assert begun.reason == "ticket 7"
    assert (ended.actor, ended.verb) == ("root", "ended impersonation")
    assert not LastActivity.objects.filter(user=world.user).exists()
    page = log_in(world.user).get("/panel/account/audit/").content.decode()
    assert "began impersonation" in page and "127.0.0.1" not in page


@pytest.mark.spec("U-060", "X-005")
def test_what_is_changed_in_the_window_bears_both_names_and_the_reason(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    home = begin(client, str(world.admin), reason="ticket 7")
    client.post(home + "domain/own.example/users/disable/", {"selected": ["alice"]})
    entry = AuditEntry.objects.get(verb="changed user")
    assert (entry.actor, entry.impersonated, entry.reason) == (
        "root", "admin@own.example", "ticket 7",
    )  # fmt: skip
    assert entry.actor_id == world.root.pk and entry.object_name == "alice@own.example"


@pytest.mark.spec("U-060")
def test_the_two_sessions_do_not_touch_each_other(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    before = client.cookies["sessionid"].value
    home = begin(client)
    assert b"alice@own.example" in client.get(home).content
    assert client.cookies["sessionid"].value == before
    cookie = client.cookies["impersonation"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == (
        home.removesuffix("panel/"), True, "Strict",
    )  # fmt: skip
    page = client.get("/panel/").content.decode()
    assert "Logged in as root" in page and "impersonated by" not in page
    assert client.get(home + "domains/").status_code == 403


@pytest.mark.spec("U-060")
def test_a_token_opens_one_window_once_within_a_minute_and_for_its_owner(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    url = client.post(START, {"address": "alice@own.example"})["Location"]
    assert Client().get(url).status_code == 403
    assert log_in(world.reseller).get(url).status_code == 403
    assert client.get(url.split("token=")[0] + "token=x").status_code == 403
    assert client.get(url).status_code == 302
    assert client.get(url).status_code == 403
    late = client.post(START, {"address": "alice@own.example"})["Location"]
    Impersonation.objects.update(started_at=utc_now() - timedelta(seconds=61))
    assert client.get(late).status_code == 403


@pytest.mark.spec("U-060")
def test_a_window_without_pages_for_half_an_hour_is_over(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    home = begin(client)
    assert client.get(home).status_code == 200
    Impersonation.objects.update(seen_at=utc_now() - timedelta(minutes=31))
    assert client.get(home).status_code == 403
    entry = AuditEntry.objects.get(verb="ended impersonation")
    assert entry.changes["because"] == [None, "idle"]
    assert client.get("/panel/").status_code == 200


@pytest.mark.spec("U-060")
def test_a_window_closes_with_the_right_to_it_and_with_its_owners_log_out(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.reseller)
    home = begin(client)
    services.change_user(user=world.reseller, values={"status": "disabled"}, by=None)
    assert client.get(home).status_code == 403
    client = log_in(world.root)
    home = begin(client)
    client.post("/panel/logout/")
    assert client.get(home).status_code == 403
    assert Impersonation.objects.filter(ended_at=None).count() == 0


@pytest.mark.spec("U-060")
def test_a_stolen_cookie_of_another_window_opens_nothing(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    first, second = begin(client), begin(client, "alice@other.example")
    thief = Client()
    assert thief.get(first).status_code == 403
    stolen = client.cookies["impersonation"].value
    thief.cookies["impersonation"] = stolen
    assert thief.get(first).status_code == 403
    thief.cookies["impersonation"] = stolen
    assert thief.get(second).status_code == 200


@pytest.mark.spec("U-061")
def test_nobody_becomes_an_administrator_of_the_server_or_somebody_out_of_reach(
    world: World, log_in: LogIn
) -> None:
    services.create_system_administrator("second", "correct horse")
    for who, address, status in (
        (world.root, "second", 200), (world.root, "rob", 200), (world.root, "root", 200),
        (world.root, "nobody@own.example", 200), (world.root, "' OR 1=1@own.example", 200),
        (world.reseller, "alice@other.example", 200), (world.user, "admin@own.example", 403),
        (world.admin, "alice@own.example", 403),
    ):  # fmt: skip
        assert log_in(who).post(START, {"address": address}).status_code == status, address
    assert not Impersonation.objects.exists()


@pytest.mark.spec("U-061")
def test_domain_administrators_may_if_the_provider_lets_them(world: World, log_in: LogIn) -> None:
    client = log_in(world.admin)
    assert "Impersonate user" not in client.get("/panel/").content.decode()
    LOGIN.change({"administrators_may_impersonate": True}, by=None)
    LOGIN.forget()
    assert "Impersonate user" in client.get("/panel/").content.decode()
    home = begin(client)
    second = services.add_user(domain=world.own, username="second", by=None, is_administrator=True)
    for address in (str(second), "admin@own.example", "alice@other.example"):
        assert client.post(START, {"address": address}).status_code in (200, 403), address
    assert Impersonation.objects.count() == 1
    LOGIN.change({"administrators_may_impersonate": False}, by=None)
    LOGIN.forget()
    assert client.get(home).status_code == 403


@pytest.mark.spec("U-062")
def test_disabled_users_can_be_examined_and_unknown_ones_are_named(
    world: World, log_in: LogIn
) -> None:
    services.change_user(user=world.user, values={"status": "disabled"}, by=None)
    client = log_in(world.root)
    assert client.get(begin(client)).status_code == 200
    page = client.post(START, {"address": "nobody@own.example"}).content.decode()
    assert "There is no user nobody@own.example" in page
    proposed = client.get(START + "proposals/", {"address": "al"}).content.decode()
    assert "alice@own.example" in proposed and "alice@other.example" in proposed
    mine = log_in(world.reseller).get(START + "proposals/", {"address": "alice@"}).content
    assert b"alice@own.example" in mine and b"other.example" not in mine


def test_the_administrator_of_a_disabled_domain_keeps_his_pages(
    world: World, log_in: LogIn
) -> None:
    world.own.is_disabled = True
    world.own.save()
    client = log_in(world.root)
    answer = client.post(DOMAIN)
    home = client.get(answer["Location"])["Location"]
    assert b"own.example" in client.get(home).content


@pytest.mark.spec("U-060")
def test_who_only_looks_changes_nothing(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    home = begin(client, is_read_only="on")
    assert "change nothing" in client.get(home).content.decode()
    assert client.post(home + "domains/enable/").status_code == 403
    assert client.post(home + "theme/", {"theme": "dark"}).status_code == 302
    assert client.post(home + "impersonation/end/").status_code == 200


def test_a_window_leads_to_no_further_one_and_to_no_log_in(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    answer = client.post(DOMAIN)
    home = client.get(answer["Location"])["Location"]
    LOGIN.change({"administrators_may_impersonate": True}, by=None)
    LOGIN.forget()
    for path in ("impersonate/", "login/", "logout/"):
        assert client.post(home + path, {"address": "alice@own.example"}).status_code == 403, path
    assert client.get(home.removesuffix("panel/") + "admin/").status_code == 403
    assert client.get("/panel/").status_code == 200


def test_a_reason_is_asked_for_where_the_provider_wants_one(world: World, log_in: LogIn) -> None:
    LOGIN.change({"impersonation_needs_reason": True}, by=None)
    LOGIN.forget()
    client = log_in(world.root)
    page = client.post(DOMAIN)
    assert page.status_code == 200 and "Say why" in page.content.decode()
    assert client.post(DOMAIN, {"reason": "ticket"}).status_code == 302


def test_nothing_is_begun_from_elsewhere(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.root)
    assert client.post(START, {"address": "alice@own.example"}).status_code == 403
    assert client.post(DOMAIN).status_code == 403
    assert not Impersonation.objects.exists()


def test_long_notices_of_a_window_stay_in_it(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    home = begin(client)
    row = Impersonation.objects.get()
    assert impersonation.current(now=utc_now()) == [row]
    assert client.get(home + "nowhere/").status_code == 404
    assert world.user.role == Role.USER
