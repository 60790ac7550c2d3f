"""A person's own profile, password, app passwords and record."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from accounts import authentication, impersonation, secondfactor, services
from accounts.authentication import WrongCredentials
from accounts.models import AppPassword, User
from clock.moments import utc_now
from events.models import AuditEntry
from panel.views import entrance
from protocols import hmac_md5, totp
from tests import memories
from tests.browser import Visitor
from tests.factories import PASSWORD
from tests.people import World, make_world

pytestmark = pytest.mark.django_db
ACCOUNT = "/panel/account/"
NEW = "a quite new passphrase"

LogIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance.time, "sleep", lambda seconds: None)


def logged_in(name: str = "alice@own.example", password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/panel/login/", {"username": name, "password": password})
    return client


def profile(**changes: str) -> dict[str, str]:
    return {"full_name": "", "reply_to": "", "time_zone": "UTC", "language": "en", **changes}


@pytest.mark.spec("U-012")
def test_the_profile_is_saved_and_header_injection_is_refused(world: World) -> None:
    client = logged_in()
    data = profile(full_name="Alice <b>", reply_to="a@else.example", time_zone="Europe/Berlin")
    assert client.post(ACCOUNT, data).status_code == 302
    page = client.get(ACCOUNT).content.decode()
    assert "Saved your profile." in page and "Alice &lt;b&gt;" in page
    world.user.refresh_from_db()
    assert (world.user.reply_to, world.user.time_zone) == ("a@else.example", "Europe/Berlin")
    for bad in (
        {"full_name": "A\nBcc: x@y.example"}, {"reply_to": "no address"},
        {"time_zone": "Mars/Olympus"}, {"language": "../en"},
    ):  # fmt: skip
        assert client.post(ACCOUNT, profile(**bad)).status_code == 200, bad
    world.user.refresh_from_db()
    assert world.user.reply_to == "a@else.example"


@pytest.mark.spec("N-053", lacks="photos, and contacts, which have no room yet")
def test_contact_details_are_those_of_the_address_list(world: World) -> None:
    client = logged_in()
    details = {"job_title": "<script>x</script>", "telephone": "+49 30 1", "city": "Köln"}
    assert client.post(ACCOUNT, profile(**details)).status_code == 302
    page = client.get(ACCOUNT).content.decode()
    assert "<script>x" not in page and "&lt;script&gt;x" in page and "Job title" in page
    world.user.refresh_from_db()
    assert (world.user.telephone, world.user.city) == ("+49 30 1", "Köln")
    for bad in ({"city": "A\nB"}, {"postal_code": "1" * 21}):
        assert client.post(ACCOUNT, profile(**bad)).status_code == 200, bad
    # Who has no mailbox stands in no address list.
    assert "Job title" not in logged_in("root").get(ACCOUNT).content.decode()


@pytest.mark.spec("U-014")
def test_a_new_password_needs_the_old_one_and_logs_other_browsers_out(world: World) -> None:
    here, there = logged_in(), logged_in()
    url = f"{ACCOUNT}password/"
    for data, said in (
        ({"current": "wrong", "password": NEW, "again": NEW}, "This is not your password."),
        ({"current": PASSWORD, "password": NEW, "again": "x"}, "not the same"),
        ({"current": PASSWORD, "password": "short", "again": "short"}, "fewer than 10"),
        ({"current": PASSWORD, "password": "password123", "again": "password123"}, "many people"),
    ):
        page = here.post(url, data).content.decode()
        assert said in page and NEW not in page
    done = here.post(url, {"current": PASSWORD, "password": NEW, "again": NEW}, follow=True)
    assert "Your password is changed" in done.content.decode()
    assert here.get("/panel/").status_code == 200
    assert there.get("/panel/").status_code == 302
    memories.forget_everything()  # as the note of the change does in a running server
    assert logged_in(password=NEW).get("/panel/").status_code == 200
    assert logged_in().get("/panel/").status_code == 302


@pytest.mark.spec("U-014")
def test_the_flags_lock_a_password_and_demand_another(world: World) -> None:
    services.change_user(user=world.user, values={"must_change_password": True}, by=None)
    client = logged_in()
    for path in ("/panel/", ACCOUNT):
        assert client.get(path)["Location"] == f"{ACCOUNT}password/"
    data = {"current": PASSWORD, "password": NEW, "again": NEW}
    client.post(f"{ACCOUNT}password/", data)
    assert client.get("/panel/").status_code == 200
    services.change_user(user=world.user, values={"password_locked": True}, by=None)
    page = client.post(f"{ACCOUNT}password/", {**data, "current": NEW}).content.decode()
    assert "only your administrator" in page
    assert logged_in(password=NEW).get("/panel/").status_code == 200


def check(password: str, service: str) -> bool:
    try:
        authentication.check_password(
            "alice@own.example", password, service=service, local_ip=None, now=utc_now()
        )
    except WrongCredentials:
        return False
    return True


@pytest.mark.spec("U-015")
def test_app_passwords_work_for_their_services_until_they_are_removed(world: World) -> None:
    client = logged_in()
    url = f"{ACCOUNT}app-passwords/"
    page = client.post(url, {"name": "<i>Phone", "scopes": ["imap"]}).content.decode()
    password = re.search(r'<div class="fs-2"><code[^>]*>([^<]+)<', page)
    assert password is not None and "&lt;i&gt;Phone" in page
    assert check(password[1], "imap") and not check(password[1], "smtp")
    assert password[1] not in client.get(url).content.decode()
    again = client.post(url, {"name": "<i>Phone"}).content.decode()
    assert "Is in use for another app password" in again
    assert client.post(url, {"name": "x", "scopes": ["root"]}).status_code == 200
    row = AppPassword.objects.get()
    stranger = logged_in("admin@own.example")
    assert stranger.post(f"{url}{row.pk}/remove/").status_code == 404
    client.post(f"{url}{row.pk}/remove/")
    memories.forget_everything()
    assert not check(password[1], "imap")


@pytest.mark.spec("U-015")
def test_with_a_second_factor_mail_programs_use_app_passwords_alone(world: World) -> None:
    client = logged_in()
    page = client.post(f"{ACCOUNT}app-passwords/", {"name": "Phone"}).content.decode()
    made = re.search(r'<div class="fs-2"><code[^>]*>([^<]+)<', page)
    assert made is not None
    assert check(PASSWORD, "imap") and fits_cram(PASSWORD)
    then = utc_now() - timedelta(seconds=60)
    code = totp.code(b"k" * 20, totp.step_at(int(then.timestamp())))
    user = world.user
    secondfactor.add_app(user=user, name="App", secret=b"k" * 20, code=code, now=then, by=user)
    memories.forget_everything()
    assert not check(PASSWORD, "imap") and not check(PASSWORD, "smtp")
    assert check(PASSWORD, "webmail"), "which asks for the second factor"
    assert not check(PASSWORD, "imap"), "nor by what is remembered of it"
    assert check(made[1], "imap")
    assert fits_cram(made[1]) and not fits_cram(PASSWORD)
    keys = authentication.scram_keys("alice@own.example", service="imap", local_ip=None)
    assert bytes(keys.stored_key) != bytes(User.objects.get(pk=user.pk).scram_stored_key)


def fits_cram(password: str) -> bool:
    state = authentication.cram_md5_state("alice@own.example", service="imap", local_ip=None)
    return state == hmac_md5.derive_state(password.encode())


@pytest.mark.spec("U-061")
def test_nobody_logged_in_as_another_reaches_his_passwords(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    start = client.post("/panel/impersonate/", {"address": "admin@own.example"})["Location"]
    home = client.get(start)["Location"]
    for page in ("password", "app-passwords", "second-factor", "sessions"):
        assert client.get(f"{home}account/{page}/").status_code == 403, page
    links = client.get(f"{home}account/").content.decode()
    assert "App passwords" not in links and "What happened" in links
    row = impersonation.current(now=utc_now())[0]
    row.subject.is_impersonated = True
    with pytest.raises(Exception, match="not permitted"):
        services.set_password(user=row.subject, password=NEW, by=row.subject)


@pytest.mark.spec("U-060", "U-061", "X-005")
def test_the_user_sees_who_was_logged_in_as_him_and_what_he_changed(
    world: World, log_in: LogIn
) -> None:
    client = log_in(world.root)
    data = {"address": "alice@own.example", "reason": "ticket <7>"}
    home = client.get(client.post("/panel/impersonate/", data)["Location"])["Location"]
    client.post(f"{home}account/", profile(full_name="Alice B."))
    client.post(f"{home}impersonation/end/")
    page = logged_in().get(f"{ACCOUNT}audit/").content.decode()
    for said in ("began impersonation", "ended impersonation", "changed user", "ticket &lt;7&gt;"):
        assert said in page
    assert "as alice@own.example" in page
    assert AuditEntry.objects.filter(impersonated="alice@own.example").count() == 1
    assert "ticket" not in logged_in("admin@other.example").get(f"{ACCOUNT}audit/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_own_pages_as_a_browser_shows_them(visitor: Visitor) -> None:
    world = make_world()
    visitor.log_in(world.user)
    for name in ("", "password/", "app-passwords/", "audit/"):
        visitor.inspect(ACCOUNT + name, f"account-{name.strip('/') or 'profile'}")
    page = visitor.page
    visitor.go(f"{ACCOUNT}app-passwords/")
    page.get_by_label("Program or device").fill("Thunderbird")
    page.get_by_label("Reading (IMAP)").check()
    page.get_by_role("button", name="Make the password").click()
    page.get_by_text("shown this once").wait_for()
    visitor.check_accessibility()
    visitor.picture("account-app-password-made")
    visitor.check_quiet()
