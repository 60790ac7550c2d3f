"""Codes after the password, recovery codes, what demands them, and where one is logged in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import secondfactor
from accounts.models import Authenticator, RecoveryCode, SecondFactorFailures, User, WebSession
from accounts.settings import LOGIN
from clock.moments import utc_now
from events.models import AuditEntry
from panel.views import entrance
from protocols import totp
from tests.browser import Visitor
from tests.factories import PASSWORD
from tests.people import World, make_world

pytestmark = pytest.mark.django_db
ASK = "/panel/second-factor/"
OWN = "/panel/account/second-factor/"
SECRET = b"k" * 20

LogIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance.time, "sleep", lambda seconds: None)


def give(user: User, secret: bytes = SECRET) -> None:
    """An app whose next code is the present one."""
    now = utc_now() - timedelta(seconds=60)
    code = totp.code(secret, totp.step_at(int(now.timestamp())))
    secondfactor.add_app(user=user, name="Phone", secret=secret, code=code, now=now, by=user)


def code_now(secret: bytes = SECRET) -> str:
    return totp.code(secret, totp.step_at(int(utc_now().timestamp())))


def password_given(name: str = "root", **data: str) -> Client:
    client = Client()
    answer = client.post("/panel/login/", {"username": name, "password": PASSWORD, **data})
    assert answer["Location"].startswith(ASK)
    return client


@pytest.mark.spec("U-015", "U-001")
@pytest.mark.parametrize("name", ["root", "alice@own.example", "rob"])
def test_the_password_alone_opens_nothing(world: World, name: str) -> None:
    user = world.user if "@" in name else world.root if name == "root" else world.reseller
    give(user)
    client = password_given(name)
    assert client.get("/panel/")["Location"].startswith("/panel/login/")
    assert client.get("/admin/").status_code == 302
    assert client.post(ASK, {"code": "000000"}).status_code == 403
    assert client.post(ASK, {"code": code_now()})["Location"] == "/panel/"
    assert client.get("/panel/").status_code == 200


def test_the_way_leads_to_the_page_that_was_asked_for(world: World) -> None:
    give(world.root)
    client = Client()
    data = {"username": "root", "password": PASSWORD, "next": "/panel/domains/?q=x"}
    asked = client.post("/panel/login/", data)["Location"]
    assert "next=%2Fpanel%2Fdomains" in asked
    page = client.get(asked)
    data = {"code": code_now(), "next": page.context["next"]}
    assert client.post(ASK, data)["Location"] == "/panel/domains/?q=x"


@pytest.mark.spec("U-015")
def test_a_code_passes_once(world: World) -> None:
    give(world.root)
    code = code_now()
    assert password_given().post(ASK, {"code": code}).status_code == 302
    assert password_given().post(ASK, {"code": code}).status_code == 403


def test_the_time_between_password_and_code_is_short(world: World) -> None:
    give(world.root)
    client = password_given()
    session = client.session
    session["pending"] = {**session["pending"], "at": session["pending"]["at"] - 301 * 10**6}
    session.save()
    assert client.post(ASK, {"code": code_now()})["Location"].startswith("/panel/login/")


@pytest.mark.spec("U-015")
def test_wrong_codes_make_wait_longer_and_longer(world: World) -> None:
    give(world.root)
    client, another = password_given(), password_given()
    for _ in range(secondfactor.FREE_TRIES):
        client.post(ASK, {"code": "000000"})
    page = another.post(ASK, {"code": code_now()})
    assert page.status_code == 403 and "Too many wrong codes" in page.content.decode()
    SecondFactorFailures.objects.update(at=utc_now() - timedelta(seconds=31))
    assert client.post(ASK, {"code": "000000"}).status_code == 403
    SecondFactorFailures.objects.update(at=utc_now() - timedelta(seconds=31))
    assert client.post(ASK, {"code": code_now()}).status_code == 403, "now it is a minute"
    SecondFactorFailures.objects.update(at=utc_now() - timedelta(seconds=61))
    assert client.post(ASK, {"code": code_now()}).status_code == 302
    assert not SecondFactorFailures.objects.exists()


@pytest.mark.spec("U-015")
def test_recovery_codes_pass_once_each_and_are_kept_as_hashes(world: World) -> None:
    give(world.root)
    codes = secondfactor.make_codes(user=world.root, by=world.root)
    assert len(set(codes)) == 10
    kept = set(RecoveryCode.objects.values_list("code_hash", flat=True))
    assert not kept & set(codes)
    typed = codes[0].upper().replace("-", " ")
    assert password_given().post(ASK, {"code": typed}).status_code == 302
    assert password_given().post(ASK, {"code": codes[0]}).status_code == 403
    secondfactor.make_codes(user=world.root, by=world.root)
    assert password_given().post(ASK, {"code": codes[1]}).status_code == 403


@pytest.mark.spec("U-015")
def test_an_app_is_added_by_a_code_that_it_shows(world: World) -> None:
    client = Client()
    client.post("/panel/login/", {"username": "root", "password": PASSWORD})
    page = client.get(OWN + "app/").content.decode()
    assert "data:image/svg+xml" in page
    secret = bytes.fromhex(client.session["new_secret"])
    assert totp.spelled(secret)[:4] in page
    wrong = client.post(OWN + "app/", {"name": "Phone", "code": "123"})
    assert "This code is wrong" in wrong.content.decode()
    page = client.post(OWN + "app/", {"name": "<b>Phone", "code": code_now(secret)})
    codes = re.findall(r"<code[^>]*>([a-z0-9-]{14})</code>", page.content.decode())
    assert len(codes) == 10
    row = Authenticator.objects.get()
    assert secret not in bytes(row.secret) and "new_secret" not in client.session
    page = client.get(OWN)
    assert "&lt;b&gt;Phone" in page.content.decode() and "10 codes left" in page.content.decode()
    assert AuditEntry.objects.filter(verb="added second factor").count() == 1
    client.post(OWN + f"{row.pk}/remove/")
    assert not Authenticator.objects.exists() and not RecoveryCode.objects.exists()


def test_the_page_of_devices_wants_a_fresh_code(world: World, log_in: LogIn) -> None:
    give(world.root)
    row = Authenticator.objects.get()
    client = log_in(world.root)
    assert client.get(OWN)["Location"].startswith(ASK)
    for path in ("app/", "codes/", f"{row.pk}/remove/"):
        client.post(OWN + path, {"name": "x", "code": code_now()})
    assert Authenticator.objects.count() == 1 and not RecoveryCode.objects.exists()
    client.post(ASK, {"code": code_now()})
    assert client.get(OWN).status_code == 200
    session = client.session
    session["second_factor_at"] -= 16 * 60 * 10**6
    session.save()
    assert client.get(OWN)["Location"].startswith(ASK)


def test_nobody_removes_the_device_of_another(world: World, log_in: LogIn) -> None:
    give(world.user)
    row = Authenticator.objects.get()
    assert log_in(world.admin).post(OWN + f"{row.pk}/remove/").status_code == 404
    assert Authenticator.objects.exists()


@pytest.mark.spec("U-001")
def test_the_provider_can_demand_one_of_system_administrators(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    LOGIN.change({"second_factor_for_system_administrators": True}, by=None)
    LOGIN.forget()
    for path in ("/panel/", "/panel/domains/", "/admin/", "/panel/impersonate/"):
        assert client.get(path)["Location"] == OWN, path
    assert client.get(OWN).status_code == 200
    assert log_in(world.reseller).get("/panel/").status_code == 200
    give(world.root)
    assert client.get("/panel/domains/")["Location"].startswith(ASK)
    client.post(ASK, {"code": code_now()})
    assert client.get("/panel/domains/").status_code == 200


@pytest.mark.spec("U-060")
def test_impersonation_wants_a_fresh_code_of_whoever_has_one(world: World, log_in: LogIn) -> None:
    give(world.root)
    client = log_in(world.root)
    start = {"address": "alice@own.example"}
    assert client.post("/panel/impersonate/", start)["Location"].startswith(ASK)
    assert client.post("/panel/domain/own.example/impersonate/")["Location"].startswith(ASK)
    client.post(ASK, {"code": code_now()})
    assert "/as/" in client.post("/panel/impersonate/", start)["Location"]


def test_the_django_admin_has_no_log_in_of_its_own(world: World) -> None:
    answer = Client().post("/admin/login/", {"username": "root", "password": PASSWORD})
    assert answer["Location"].startswith("/panel/login/")
    asked = Client().get("/admin/", follow=True)
    assert asked.redirect_chain[-1][0].startswith("/panel/login/?next=/admin/")


def test_browsers_are_listed_and_ended(world: World) -> None:
    here, there = (
        Client(headers={"user-agent": "Here <1>"}),
        Client(headers={"user-agent": "There"}),
    )
    for client in (here, there):
        client.post("/panel/login/", {"username": "alice@own.example", "password": PASSWORD})
    page = here.get("/panel/account/sessions/").content.decode()
    assert "Here &lt;1&gt;" in page and "There" in page and "127.0.0.1" in page
    other = WebSession.objects.get(program="There")
    stranger = Client()
    stranger.force_login(world.admin)
    assert stranger.post(f"/panel/account/sessions/{other.pk}/end/").status_code == 404
    assert there.get("/panel/").status_code == 200
    here.post(f"/panel/account/sessions/{other.pk}/end/")
    assert there.get("/panel/").status_code == 302
    assert here.get("/panel/").status_code == 200
    there.post("/panel/login/", {"username": "alice@own.example", "password": PASSWORD})
    here.post("/panel/account/sessions/others/end/")
    assert there.get("/panel/").status_code == 302 and WebSession.objects.count() == 1
    here.post("/panel/logout/")
    assert not WebSession.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_pages_of_the_second_factor_as_a_browser_shows_them(visitor: Visitor) -> None:
    world = make_world()
    visitor.log_in(world.user)
    visitor.inspect(OWN, "second-factor-none")
    visitor.inspect(OWN + "app/", "second-factor-app")
    visitor.inspect("/panel/account/sessions/", "sessions-none")
    give(world.user)
    visitor.inspect(ASK, "second-factor-ask")
    page = visitor.page
    page.get_by_label("Code", exact=True).fill(code_now())
    page.get_by_role("button", name="Go on").click()
    visitor.inspect(OWN, "second-factor")


@pytest.mark.spec("U-015")
@pytest.mark.django_db(transaction=True)
def test_a_passkey_is_added_and_asked_for_after_the_password(visitor: Visitor) -> None:
    world = make_world()
    page = visitor.page
    devices = visitor.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    virtual = {
        "protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
        "hasUserVerification": True, "isUserVerified": True,
    }  # fmt: skip
    device = devices.send("WebAuthn.addVirtualAuthenticator", {"options": virtual})
    visitor.log_in(world.root)
    visitor.inspect(OWN + "passkey/", "passkey-add")
    page.get_by_role("button", name="Add the passkey").click()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("button", name="Remove Passkey").wait_for()
    row = Authenticator.objects.get()
    assert row.kind == "passkey" and row.credential_id
    visitor.context.clear_cookies()
    visitor.go("/panel/login/")
    page.get_by_label("Email address or administrator name").fill("root")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("heading", name="Overview").wait_for()
    row.refresh_from_db()
    assert row.last_used_at is not None and row.counter > 0
    # A copy of the device counts as it did before.
    Authenticator.objects.update(counter=row.counter + 100)
    visitor.go(f"{ASK}?next=/panel/domains/")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("The passkey was not accepted.").wait_for()
    visitor.check_accessibility()
    # Another device knows nothing of it.
    authenticator = {"authenticatorId": device["authenticatorId"]}
    devices.send("WebAuthn.clearCredentials", authenticator)
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("The browser gave no passkey").wait_for()


def test_who_lost_every_device_is_let_in_by_command(world: World) -> None:
    give(world.root)
    call_command("secondfactor", "reset", "root")
    client = Client()
    data = {"username": "root", "password": PASSWORD}
    assert client.post("/panel/login/", data)["Location"] == "/panel/"
    assert AuditEntry.objects.get(verb="reset second factor").object_name == "root"
    for name in ("root", "nobody@own.example"):
        with pytest.raises(CommandError):
            call_command("secondfactor", "reset", name)


def test_answers_that_no_passkey_gave_are_refused(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for answer in ("", "[]", "{}", "[" * 5000, '{"id": 1}', '{"rawId": "AA", "response": {}}'):
        client.get(OWN + "passkey/")
        page = client.post(OWN + "passkey/", {"name": "x", "answer": answer})
        assert "not accepted" in page.content.decode(), answer[:20]
        assert client.post(ASK + "passkey/", {"answer": answer})["Location"].startswith(ASK)
    assert "second_factor_at" not in client.session
