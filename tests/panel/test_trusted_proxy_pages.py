"""Proxies in front of the panel and the API: only a listed one says who asks (M-022)."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from accounts.models import WebSession
from operations import trustedproxies
from operations.trustedproxies import client_of, is_trusted
from tests.factories import PASSWORD
from tests.people import World

LOGIN = "/panel/login/"
PROXY, INNER = "192.0.2.80", "2001:db8:8::1"
ANN = "203.0.113.5"


@pytest.fixture(autouse=True)
def listed(settings: Any) -> None:
    settings.MAILHOST_TRUSTED_PROXIES = ["192.0.2.80", "2001:db8:8::/48"]


@pytest.mark.parametrize(
    ("given", "client"),
    [
        (ANN, ANN),
        (f"198.51.100.1, {ANN}", ANN),  # what the client claims of itself
        (f"{ANN}, {INNER}", ANN),
        (f"{PROXY},{ANN},{INNER}", ANN),
        (f"{ANN}:4711", ANN),
        ("[2001:db8::5]:4711", "2001:db8::5"),
        (f"::ffff:{ANN}", ANN),
        (f"{INNER}, {PROXY}", INNER),
        ("", PROXY),
        (f"{ANN}, unknown", PROXY),
        (f"{ANN}, unknown, {INNER}", INNER),
    ],
)
def test_the_client_is_the_rightmost_that_is_no_proxy(given: str, client: str) -> None:
    assert client_of(PROXY, given) == client


@examples(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.lists(st.ip_addresses().map(str)).map(", ".join))
def test_any_header_gives_an_address(given: str) -> None:
    found = client_of(PROXY, given)
    assert found == PROXY or is_trusted(found) or found in given or "::ffff" in given.lower()


def test_who_is_listed_is_known_in_every_form(settings: Any) -> None:
    assert is_trusted(PROXY) and is_trusted(f"::ffff:{PROXY}") and is_trusted(f"{INNER}%eth0")
    assert not is_trusted("192.0.2.81") and not is_trusted("") and not is_trusted("unix:")
    settings.MAILHOST_TRUSTED_PROXIES = []
    assert not is_trusted(PROXY) and not trustedproxies.are_listed()


@pytest.mark.spec("M-022")
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("peer", "client"), [(PROXY, ANN), (INNER, ANN), ("192.0.2.81", "192.0.2.81")]
)
def test_a_log_in_is_told_of_from_where_it_came(world: World, peer: str, client: str) -> None:
    browser = Client(REMOTE_ADDR=peer, headers={"X-Forwarded-For": f"127.0.0.1, {ANN}"})
    data = {"username": "root", "password": PASSWORD}
    answer = browser.post(LOGIN, data, secure=True)
    assert answer.status_code == 302
    assert list(WebSession.objects.values_list("client_address", flat=True)) == [client]


@pytest.mark.spec("M-022")
@pytest.mark.django_db
def test_the_scheme_is_the_listed_proxys_word(world: World) -> None:
    def log_in(peer: str, scheme: str, *, secure: bool = False) -> Any:
        headers = {"X-Forwarded-For": ANN, "X-Forwarded-Proto": scheme, "Host": "panel.example"}
        data = {"username": "root", "password": PASSWORD}
        return Client(REMOTE_ADDR=peer, headers=headers).post(LOGIN, data, secure=secure)

    by_tls = log_in(PROXY, "https")
    assert by_tls.status_code == 302 and by_tls["Location"] == "/panel/"
    assert by_tls.cookies["sessionid"]["secure"]
    # The client's own way to the proxy counts, not the proxy's to here.
    for answer in (log_in(PROXY, "http"), log_in(PROXY, "http", secure=True)):
        assert answer["Location"] == f"https://panel.example{LOGIN}"
    stranger = log_in("198.51.100.9", "https")
    assert stranger["Location"].startswith("https://panel.example:")
    assert log_in(PROXY, "gopher", secure=True).cookies["sessionid"]["secure"]
