"""Logging in by a provider's word: only known people, by what is proven, with their own locks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import expect

from accounts import loginprovider, openid, services
from accounts.models import LastActivity, LinkedIdentity, LoginProvider, User
from clock.moments import utc_now
from domains import services as domain_services
from events.models import AuditEntry
from operations.models import AbuseCount
from tests import memories
from tests.browser import Visitor
from tests.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    OpenIdProvider,
    SigningKey,
    openid_provider,
)
from tests.panel.test_second_factor import code_now, give
from tests.people import World, make_world

pytestmark = pytest.mark.django_db
START, BACK = "/panel/login/provider/", "/panel/login/provider/return/"
SETTINGS, OWN = "/panel/login-provider/", "/panel/account/identities/"
ALICE = {"sub": "a-1", "email": "alice@own.example", "email_verified": True}
LogIn = Callable[[User], Client]


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    with openid_provider() as running:
        running.claims = dict(ALICE)
        yield running


def switch_on(provider: OpenIdProvider, **values: Any) -> None:
    cache.clear()
    given = {"is_enabled": True, "name": "House", "issuer": provider.issuer, "client_id": CLIENT_ID}
    loginprovider.change(values={**given, **values}, client_secret=CLIENT_SECRET, by=None)


def go(client: Client, address: str) -> Any:
    """To the provider and back."""
    asked = requests.get(address, allow_redirects=False, timeout=10)
    back = urlsplit(asked.headers["Location"])
    return client.get(f"{back.path}?{back.query}")


def come_in(client: Client | None = None, start: str = START) -> Any:
    client = client or Client()
    return go(client, client.get(start)["Location"])


def is_in(answer: Any, target: str = "/panel/") -> bool:
    return answer.status_code == 302 and answer["Location"] == target


def test_a_known_user_comes_in_by_his_verified_address_and_then_by_his_subject(
    world: World, provider: OpenIdProvider
) -> None:
    assert "provider/" not in Client().get("/panel/login/").content.decode()
    switch_on(provider)
    assert "Log in with House" in Client().get("/panel/login/").content.decode()
    client = Client()
    assert is_in(come_in(client, f"{START}?next=/panel/account/"), "/panel/account/")
    assert client.get("/panel/").context["actor"] == world.user
    assert LastActivity.objects.get(user=world.user).service == "webmail"
    entry = AuditEntry.objects.get(verb="linked identity")
    assert (entry.actor, entry.client_address) == ("alice@own.example", "127.0.0.1")
    # From now on the subject counts, whatever address it has.
    provider.claims = {"sub": "a-1", "email": "admin@own.example", "email_verified": True}
    client = Client()
    assert is_in(come_in(client))
    assert client.get("/panel/").context["actor"] == world.user


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "x", "email": "alice@own.example"},
        {"sub": "x", "email": "alice@own.example", "email_verified": False},
        {"sub": "x", "email": "alice@own.example", "email_verified": "true"},
        {"sub": "x", "email": "nobody@own.example", "email_verified": True},
        {"sub": "x", "email": "root", "email_verified": True},
        {"sub": "x", "email": ["alice@own.example"], "email_verified": True},
        {"sub": "x"},
    ],
)
def test_nobody_else_comes_in_and_no_account_is_counted_for_it(
    world: World, provider: OpenIdProvider, claims: dict[str, Any]
) -> None:
    switch_on(provider)
    provider.claims = claims
    client = Client()
    answer = come_in(client)
    assert answer.status_code == 403
    assert "Nobody here is known by this identity" in answer.content.decode()
    assert client.get("/panel/").status_code == 302
    assert not LinkedIdentity.objects.exists()
    assert not AbuseCount.objects.filter(subject__startswith="login:").exists()


def test_an_address_that_was_given_to_somebody_else_there_opens_nothing(
    world: World, provider: OpenIdProvider
) -> None:
    switch_on(provider)
    assert is_in(come_in())
    provider.claims = {**ALICE, "sub": "a-2"}
    answer = come_in()
    assert answer.status_code == 403
    assert "Nobody here is known by this identity" in answer.content.decode()


def test_the_address_may_come_from_the_user_info_of_the_same_person(
    world: World, provider: OpenIdProvider
) -> None:
    switch_on(provider)
    provider.claims, provider.userinfo = {"sub": "a-1"}, {**ALICE, "sub": "other"}
    assert come_in().status_code == 403
    provider.userinfo = dict(ALICE)
    assert is_in(come_in())


def test_who_is_disabled_stays_out(world: World, provider: OpenIdProvider) -> None:
    switch_on(provider)
    assert is_in(come_in())
    services.change_user(user=world.user, values={"status": "disabled"}, by=None)
    memories.forget_everything()
    assert come_in().status_code == 403
    services.change_user(user=world.user, values={"status": "enabled"}, by=None)
    domain_services.set_disabled(domain=world.own, is_disabled=True, by=None)
    memories.forget_everything()
    assert come_in().status_code == 403


@pytest.mark.spec("U-015")
def test_the_second_factor_is_asked_for_unless_the_providers_is_trusted(
    world: World, provider: OpenIdProvider
) -> None:
    switch_on(provider)
    give(world.user)
    provider.claims = {**ALICE, "amr": ["pwd", "mfa"]}
    client = Client()
    answer = come_in(client, f"{START}?next=/panel/account/")
    assert answer["Location"].startswith("/panel/second-factor/")
    assert client.get("/panel/").status_code == 302
    page = client.post("/panel/second-factor/", {"code": code_now(), "next": "/panel/account/"})
    assert page["Location"] == "/panel/account/"
    switch_on(provider, trusts_second_factor=True)
    client = Client()
    assert is_in(come_in(client))
    assert client.get("/panel/account/second-factor/").status_code == 200
    provider.claims = {**ALICE, "amr": ["pwd"]}
    assert come_in()["Location"].startswith("/panel/second-factor/")


LIES: list[dict[str, Any]] = [
    {"iss": "https://other.example"},
    {"aud": "somebody"},
    {"aud": ["mailhost", "somebody"]},
    {"azp": "somebody"},
    {"nonce": "another"},
    {"nonce": None},
    {"exp": 1_000_000_000},
    {"exp": None},
    {"iat": 99_999_999_999},
    {"sub": None},
    {"sub": "x" * 256},
]


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_token_that_is_not_for_this_log_in_is_refused(
    world: World, provider: OpenIdProvider, lie: dict[str, Any]
) -> None:
    switch_on(provider)
    provider.claims = {**ALICE, **lie}
    client = Client()
    answer = come_in(client)
    assert answer.status_code == 403
    assert "did not answer as it should" in answer.content.decode()
    assert client.get("/panel/").status_code == 302


def test_a_token_by_another_key_is_refused_and_a_new_key_is_learned(
    world: World, provider: OpenIdProvider
) -> None:
    switch_on(provider)
    assert is_in(come_in())
    provider.key = SigningKey("one")
    assert come_in().status_code == 403
    for algorithm in ("ES256", "PS256"):
        openid.forget(loginprovider.read())
        provider.key = SigningKey(algorithm, algorithm)
        provider.published.append(provider.key)
        assert is_in(come_in()), algorithm
    provider.key = SigningKey("none", "none")
    assert come_in().status_code == 403


def test_an_answer_that_nobody_waits_for_opens_nothing(
    world: World, provider: OpenIdProvider
) -> None:
    switch_on(provider)
    client, other = Client(), Client()
    address = client.get(START)["Location"]
    back = urlsplit(requests.get(address, allow_redirects=False, timeout=10).headers["Location"])
    other.get(START)
    for wrong in (f"{BACK}?{back.query}", f"{BACK}?code=x&state=y", BACK):
        assert other.get(wrong)["Location"] == "/panel/login/"
    assert is_in(client.get(f"{BACK}?{back.query}"))
    assert client.get(f"{BACK}?{back.query}")["Location"] == "/panel/login/"
    assert provider.tokens == 1
    late = Client()
    address = late.get(START)["Location"]
    session = late.session
    session["departure"] = {**session["departure"], "at": session["departure"]["at"] - 601 * 10**6}
    session.save()
    assert go(late, address)["Location"] == "/panel/login/"
    refused = Client()
    state = re.search(r"state=([^&]+)", refused.get(START)["Location"])
    assert state is not None
    answer = refused.get(f"{BACK}?error=access_denied&state={state[1]}")
    assert answer.status_code == 403


def test_the_answer_names_its_issuer_where_it_has_to(
    world: World, provider: OpenIdProvider
) -> None:
    provider.configuration = {"authorization_response_iss_parameter_supported": True}
    switch_on(provider)
    assert come_in().status_code == 403


@pytest.mark.parametrize(
    "configuration",
    [
        {"issuer": "https://other.example"}, {"token_endpoint": "http://192.0.2.1/token"},
        {"token_endpoint": None}, {"jwks_uri": 7}, {"authorization_endpoint": "javascript:x"},
    ],
    ids=str,
)  # fmt: skip
def test_a_provider_that_says_nonsense_is_not_gone_to(
    world: World, provider: OpenIdProvider, configuration: dict[str, Any]
) -> None:
    provider.configuration = configuration
    switch_on(provider)
    assert Client().get(START).status_code == 403


def test_a_silent_provider_leaves_the_password(world: World, provider: OpenIdProvider) -> None:
    switch_on(provider)
    provider.is_silent = True
    page = Client().get(START).content.decode()
    assert "did not answer as it should" in page and 'name="password"' in page


def test_who_has_no_mailbox_links_his_identity_himself(
    world: World, log_in: LogIn, provider: OpenIdProvider
) -> None:
    switch_on(provider)
    provider.claims = {"sub": "boss"}
    assert come_in().status_code == 403
    client = log_in(world.root)
    assert "Link with House" in client.get(OWN).content.decode()
    page = client.post(f"{OWN}link/")
    assert go(client, page.context["address"])["Location"] == OWN
    fresh = Client()
    assert is_in(come_in(fresh))
    assert fresh.get("/panel/").context["actor"] == world.root
    page = log_in(world.reseller).post(f"{OWN}link/")
    answer = go(log_in(world.reseller), page.context["address"])
    assert answer["Location"] == "/panel/login/"  # another browser's session
    thief = log_in(world.reseller)
    page = thief.post(f"{OWN}link/")
    go(thief, page.context["address"])
    assert "linked with another account" in thief.get(OWN).content.decode()
    row = LinkedIdentity.objects.get()
    assert row.user == world.root
    entry = AuditEntry.objects.get(verb="linked identity")
    client.post("/panel/audit/undo/", {"entry": entry.pk})
    assert not LinkedIdentity.objects.exists()
    page = client.post(f"{OWN}link/")
    go(client, page.context["address"])
    row = LinkedIdentity.objects.get()
    assert thief.post(f"{OWN}{row.pk}/unlink/").status_code == 404
    services.change_user(user=world.reseller, values={"status": "disabled"}, by=None)
    client.post(f"{OWN}{row.pk}/unlink/")
    assert come_in().status_code == 403


@pytest.mark.spec("X-033")
def test_the_provider_is_set_on_a_page_and_its_secret_is_never_shown(
    world: World, log_in: LogIn, provider: OpenIdProvider
) -> None:
    client = log_in(world.root)
    data = {"is_enabled": "on", "name": "House", "issuer": "http://192.0.2.1", "client_id": "x"}
    page = client.post(SETTINGS, data).content.decode()
    assert "Must be an https address." in page
    assert (
        "Is needed before it is offered."
        in client.post(SETTINGS, {**data, "issuer": ""}).content.decode()
    )
    data = {**data, "issuer": provider.issuer, "client_id": CLIENT_ID}
    page = client.post(SETTINGS, {**data, "client_secret": CLIENT_SECRET}, follow=True)
    assert "does not answer" not in page.content.decode()
    for text in (page.content.decode(), str(AuditEntry.objects.values_list("changes"))):
        assert CLIENT_SECRET not in text
    row = LoginProvider.objects.get()
    assert CLIENT_SECRET.encode() not in bytes(row.sealed_secret)
    assert loginprovider.secret_of(row) == CLIENT_SECRET
    assert is_in(come_in())
    client.post(SETTINGS, {**data, "name": "Home"})
    assert loginprovider.secret_of(loginprovider.read()) == CLIENT_SECRET
    entry = AuditEntry.objects.filter(verb="changed login provider").latest("pk")
    client.post("/panel/audit/undo/", {"entry": entry.pk})
    assert loginprovider.read().name == "House"
    assert "http://testserver/panel/login/provider/return/" in page.content.decode()
    client.post(SETTINGS, {**data, "forget_secret": "on"})
    assert loginprovider.secret_of(loginprovider.read()) == ""
    assert come_in().status_code == 403


def forgive_the_way(visitor: Visitor, provider: OpenIdProvider) -> None:
    """The browser goes to another house, this once on purpose."""
    way = f"asked elsewhere: {provider.issuer}/authorize"
    visitor.complaints = [one for one in visitor.complaints if not one.startswith(way)]


@pytest.mark.django_db(transaction=True)
def test_the_way_in_by_a_browser(visitor: Visitor, provider: OpenIdProvider) -> None:
    world = make_world()
    switch_on(provider)
    page = visitor.go("/panel/login/")
    visitor.check_accessibility()
    page.get_by_role("link", name="Log in with House").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    forgive_the_way(visitor, provider)
    visitor.inspect(OWN, "identities")
    visitor.log_in(world.root)
    visitor.inspect(SETTINGS, "login-provider")
    page = visitor.go(OWN)
    provider.claims = {"sub": "boss"}
    page.get_by_role("button", name="Link with House").click()
    page.get_by_role("link", name="Go on to House").click()
    expect(page.get_by_text("From now on you can log in by this identity.")).to_be_visible()
    forgive_the_way(visitor, provider)
    visitor.check_quiet()
    assert LinkedIdentity.objects.filter(user=world.root, linked_at__lte=utc_now()).exists()
