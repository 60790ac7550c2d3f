"""Coming in by the log-in page: one answer for every failure, and nothing that leads astray."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client

from accounts import services
from accounts.settings import LOGIN
from domains import services as domain_services
from panel.views import entrance
from tests.factories import PASSWORD
from tests.people import World

pytestmark = pytest.mark.django_db
URL = "/panel/login/"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr(entrance.time, "sleep", slept.append)
    return slept


def attempt(username: str, password: str = PASSWORD, **data: str) -> tuple[int, str, Client]:
    client = Client()
    response = client.post(URL, {"username": username, "password": password, **data})
    return response.status_code, response.get("Location", ""), client


def test_every_role_comes_in_and_out_again(world: World) -> None:
    for name in ("root", "rob", "admin@own.example", "alice@own.example", "ALICE@alias.example"):
        status, location, client = attempt(name)
        assert (status, location) == (302, "/panel/"), name
        assert client.get("/panel/").status_code == 200
        assert client.post("/panel/logout/")["Location"] == URL
        assert client.get("/panel/").status_code == 302


def test_every_failure_has_the_same_answer_after_a_pause(world: World, pauses: list[float]) -> None:
    services.change_user(user=world.user, values={"status": "disabled"}, by=None)
    domain_services.set_disabled(domain=world.other, is_disabled=True, by=None)
    wrong = [
        ("root", "wrong"), ("nobody", PASSWORD), ("alice@own.example", PASSWORD),
        ("nobody@own.example", PASSWORD), ("admin@other.example", PASSWORD),
        ("x@nowhere.example", PASSWORD), ("a\0b", "also wrong"),
    ]  # fmt: skip
    pages = set()
    for username, password in wrong:
        response = Client().post(URL, {"username": username, "password": password})
        assert response.status_code == 403
        pages.add(tuple(map(str, response.context["form"].non_field_errors())))
        assert password not in response.content.decode()
    assert ("Wrong name or password.",) in pages
    assert len(pauses) >= len(wrong) - 1


def test_the_session_gets_a_new_key_and_a_guarded_cookie(world: World) -> None:
    client = Client()
    client.cookies["sessionid"] = "a" * 32
    client.post(URL, {"username": "root", "password": PASSWORD}, secure=True)
    cookie = client.cookies["sessionid"]
    assert cookie.value != "a" * 32
    assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Lax", True)


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"]
)
def test_next_leads_nowhere_else(world: World, target: str) -> None:
    assert attempt("root", next=target)[1] == "/panel/"


def test_next_leads_to_the_page_that_was_asked_for(world: World) -> None:
    asked = Client().get("/panel/domains/?q=own")
    assert asked["Location"] == f"{URL}?next=/panel/domains/%3Fq%3Down"
    assert attempt("root", next="/panel/domains/?q=own")[1] == "/panel/domains/?q=own"


def test_a_part_of_a_page_sends_the_whole_page_to_the_log_in(world: World) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/panel/domains/"}
    answer = Client().get("/panel/domains/", headers=headers)
    assert (answer.status_code, answer["HX-Redirect"]) == (204, f"{URL}?next=/panel/domains/")


@pytest.mark.spec("N-006")
def test_no_password_is_asked_for_on_a_connection_that_shows_it(world: World) -> None:
    answer = Client(REMOTE_ADDR="192.0.2.9").get(URL, headers={"host": "panel.example:8080"})
    port = 443 + settings.MAILHOST_PORT_OFFSET
    assert answer["Location"] == f"https://panel.example:{port}{URL}"
    assert Client(REMOTE_ADDR="192.0.2.9").get(URL, secure=True).status_code == 200
    LOGIN.change({"clear_text_login": "allow"}, by=None)
    LOGIN.forget()
    assert Client(REMOTE_ADDR="192.0.2.9").get(URL).status_code == 200


def test_a_disabled_account_is_out_at_once(world: World) -> None:
    client = attempt("admin@own.example")[2]
    domain_services.set_disabled(domain=world.own, is_disabled=True, by=None)
    assert client.get("/panel/").status_code == 302


def test_the_theme_is_kept_in_a_cookie_and_nonsense_is_not(world: World) -> None:
    client = Client()
    assert 'data-bs-theme="light"' in client.get(URL).content.decode()
    client.post("/panel/theme/", {"theme": "dark"})
    assert 'data-bs-theme="dark"' in client.get(URL).content.decode()
    client.post("/panel/theme/", {"theme": '"><script>'})
    assert 'data-bs-theme="dark"' in client.get(URL).content.decode()
