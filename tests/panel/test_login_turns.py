"""Guessing by the log-in page: an account answers slower and slower, and nobody is locked out."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client

from accounts import services
from clock.moments import utc_now
from operations import abuse, turns
from operations.errors import NotYetYourTurn
from operations.models import AbuseCount, LoginTurn
from panel.views import entrance
from tests.factories import PASSWORD
from tests.people import World

pytestmark = pytest.mark.django_db
URL = "/panel/login/"
ALICE = "alice@own.example"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance.time, "sleep", lambda seconds: None)


def attempt(username: str, password: str = "a guess", **data: str) -> HttpResponse:
    data = {"username": username, "password": password, **data}
    return Client().post(URL, data)  # type: ignore[return-value]


def guess(username: str, times: int) -> None:
    for _ in range(times):
        abuse.login_failed("192.0.2.66", "web", username)


def turn_of(page: HttpResponse) -> str:
    found = re.search(r'name="turn" value="([^"]+)"', page.content.decode())
    assert found is not None
    return found[1]


def let_time_pass() -> None:
    LoginTurn.objects.update(due_at=utc_now() - timedelta(seconds=1))


@pytest.mark.spec("M-064")
def test_after_many_guesses_the_page_says_wait_and_then_lets_the_owner_in(world: World) -> None:
    assert "wait" not in attempt(ALICE).content.decode()
    guess(ALICE, 2)
    page = attempt(ALICE, PASSWORD)
    assert page.status_code == 429
    assert page["Retry-After"] == "1"
    assert "please wait 1 second," in page.content.decode()
    turn = turn_of(page)
    assert attempt(ALICE, PASSWORD, turn=turn).status_code == 429
    let_time_pass()
    assert attempt(ALICE, PASSWORD, turn=turn)["Location"] == "/panel/"


@pytest.mark.spec("M-064")
def test_the_wait_grows_with_each_failure_up_to_eight_seconds(world: World) -> None:
    guess(ALICE, 3)
    waits = []
    page = attempt(ALICE)
    for _ in range(5):
        waits.append(int(page["Retry-After"]))
        let_time_pass()
        page = attempt(ALICE, turn=turn_of(page))
        assert page.status_code == 403  # looked at, wrong, and the next turn comes with the answer
    assert waits == [1, 2, 4, 8, 8]


@pytest.mark.spec("M-064")
def test_while_one_waits_the_password_is_not_looked_at(world: World) -> None:
    guess(ALICE, 3)
    right, wrong = attempt(ALICE, PASSWORD), attempt(ALICE)
    assert (right.status_code, wrong.status_code) == (429, 429)
    assert AbuseCount.objects.get(subject=f"login:{ALICE}").events == 3


def test_a_turn_is_good_once_and_for_one_name(world: World) -> None:
    guess(ALICE, 3)
    guess("admin@own.example", 3)
    turn = turn_of(attempt(ALICE))
    let_time_pass()
    assert attempt("admin@own.example", PASSWORD, turn=turn).status_code == 429
    assert attempt(ALICE, turn=turn).status_code == 403
    let_time_pass()
    assert attempt(ALICE, PASSWORD, turn=turn).status_code == 429
    for nonsense in ("x", "\ud800".encode("utf-8", "replace").decode(), "a" * 64):
        assert attempt(ALICE, PASSWORD, turn=nonsense).status_code == 429


@pytest.mark.spec("M-064")
def test_guessers_cannot_lock_the_owner_out(world: World) -> None:
    guess(ALICE, 40)
    mine = turn_of(attempt(ALICE, PASSWORD))
    for _ in range(3):  # somebody else goes on meanwhile
        theirs = turn_of(attempt(ALICE))
        LoginTurn.objects.update(due_at=utc_now())
        attempt(ALICE, turn=theirs)
    assert attempt(ALICE, PASSWORD, turn=mine).status_code == 302


@pytest.mark.spec("M-064")
def test_logging_in_does_not_reset_what_was_counted(world: World) -> None:
    """The hole: an attacker with an account of his own logs in between his guesses."""
    for _ in range(4):
        abuse.login_failed("192.0.2.66", "web", ALICE)
        assert attempt("admin@own.example", PASSWORD).status_code == 302
    counted = dict(AbuseCount.objects.values_list("subject", "events"))
    assert counted[f"login:{ALICE}"] == 4
    assert counted["192.0.2.66"] == 4
    turn = turn_of(attempt(ALICE))
    let_time_pass()
    assert attempt(ALICE, PASSWORD, turn=turn).status_code == 302
    assert attempt(ALICE).status_code == 429  # nor does the owner's own log-in, nor a new password
    services.set_password(user=world.user, password="another right horse", by=world.user)
    assert attempt(ALICE).status_code == 429


@pytest.mark.spec("M-064")
def test_the_names_of_a_domain_do_not_multiply_the_guesses(world: World) -> None:
    for name in ("alice@own.example", "alice@alias.example", "ALICE@Alias.Example "):
        guess(name, 1)
    assert attempt(ALICE).status_code == attempt("alice@alias.example").status_code == 429
    assert abuse.delay_seconds("alice@other.example", now=utc_now()) == 0.0


def test_a_name_that_does_not_exist_waits_alike(world: World) -> None:
    answers = []
    for name in (ALICE, "nobody@own.example", "nobody", "root", "x@nowhere.example"):
        guess(name, 5)
        page = attempt(name)
        text = page.content.decode().replace(name, "")
        text = re.sub(r'(turn|csrfmiddlewaretoken)" value="[^"]+"', "", text)
        answers.append((page.status_code, page["Retry-After"], text))
    assert len(set(answers)) == 1


def test_wrong_tries_at_ones_own_password_count_too(world: World) -> None:
    client = Client()
    client.force_login(world.user)
    data = {"current": "a guess", "password": "x" * 12, "again": "x" * 12}
    for _ in range(3):
        client.post("/panel/account/password/", data)
    assert abuse.delay_seconds(ALICE, now=utc_now()) == 1.0


def test_one_party_holds_a_limited_number_of_turns_and_old_ones_are_forgotten(db: None) -> None:
    guess(ALICE, 3)
    now = utc_now()
    for number in range(turns.TURNS_OF_PARTY + 5):
        with pytest.raises(NotYetYourTurn):
            turns.require(
                login=ALICE, token="", client_address=f"2001:db8::{number:x}", now=now
            )  # fmt: skip
    assert LoginTurn.objects.count() == turns.TURNS_OF_PARTY
    later = now + timedelta(minutes=11)
    LoginTurn.objects.update(due_at=now)
    abuse.login_failed("", "web", ALICE)
    guess(ALICE, 3)
    AbuseCount.objects.update(slice=int(later.timestamp() * 1_000_000))
    with pytest.raises(NotYetYourTurn):
        turns.require(login=ALICE, token="", client_address="192.0.2.1", now=later)
    assert LoginTurn.objects.count() == 1
