"""Logging in: the same rules behind every door."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.contrib.auth import authenticate

from accounts import (
    activity,
    administrators,
    apppasswords,
    authentication,
    directory,
    passwords,
    services,
)
from accounts.authentication import WrongCredentials, check_cached, check_password
from accounts.models import LastActivity, Status, User
from accounts.settings import LOGIN
from domains import directory as domain_directory
from domains import services as domain_services
from protocols import hmac_md5, scram
from tests.factories import PASSWORD, make_domain, make_domain_alias, make_user

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLACE = {"service": "imap", "local_ip": "192.0.2.1"}


def forget() -> None:
    """What notes do in a running server."""
    directory.clear()
    domain_directory.clear()
    LOGIN.forget()


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    forget()
    authentication.forget_all()
    yield
    forget()


def log_in(login: str, password: str = PASSWORD, **place: object) -> int:
    forget()
    found = check_password(login, password, **{**PLACE, **place}, now=NOW)
    return found.account_id


@pytest.mark.spec("N-010")
def test_a_user_logs_in_by_his_address_in_any_form() -> None:
    domain = make_domain("login.example", "alice")
    make_domain_alias(domain, "alias.example")
    alice = User.objects.get(local_part="alice").pk
    for login in ("alice@login.example", "ALICE@Login.Example", " alice@alias.example "):
        assert log_in(login) == alice


@pytest.mark.spec("N-010")
def test_a_bare_name_works_only_where_the_endpoint_belongs_to_one_domain() -> None:
    domain = make_domain(None, "alice")
    with pytest.raises(WrongCredentials):
        log_in("alice")
    assert log_in("alice", only_domain=domain.pk)


@pytest.mark.spec("D-033")
def test_a_domain_with_an_ip_address_has_log_ins_only_there() -> None:
    domain = make_domain("bound.example", "alice")
    domain_services.change_options(domain=domain, options={"listen_ip": "127.0.0.9"}, by=None)
    assert log_in("alice@bound.example", local_ip="127.0.0.9")
    assert log_in("alice@bound.example", local_ip=None), "the web is not bound"
    with pytest.raises(WrongCredentials):
        log_in("alice@bound.example", local_ip="192.0.2.1")


@pytest.mark.spec("D-033")
def test_a_domain_whose_ip_address_is_gone_has_log_ins_everywhere() -> None:
    domain = make_domain("bound.example", "alice")
    domain_services.change_options(domain=domain, options={"listen_ip": "192.0.2.9"}, by=None)
    assert log_in("alice@bound.example", local_ip="127.0.0.1")


@pytest.mark.spec("N-011")
@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("alice@open.example", "wrong"),
        ("nobody@open.example", PASSWORD),
        ("alice@elsewhere.example", PASSWORD),
        ("alice@open.example", ""),
        ("alice@open.example", "x" * 10_000),
        ("alice@open.example", "\ud800"),
        ("alice@open.example", "a\0b"),
        ("", PASSWORD),
        ("@", PASSWORD),
        ("listserv@open.example", PASSWORD),
    ],
)
def test_every_wrong_log_in_gets_the_same_answer(login: str, password: str) -> None:
    make_domain("open.example", "alice")
    with pytest.raises(WrongCredentials) as error:
        log_in(login, password)
    assert str(error.value) == "wrong name or password"


@pytest.mark.spec("N-011")
def test_an_unknown_name_costs_as_much_as_a_wrong_password() -> None:
    make_domain("time.example", "alice")
    spent = {}
    for login in ("nobody@time.example", "alice@time.example") * 2:
        start = time.thread_time()
        with pytest.raises(WrongCredentials):
            log_in(login, "wrong password")
        spent[login] = time.thread_time() - start
    slow, fast = max(spent.values()), min(spent.values())
    assert slow < fast * 2.5 + 0.01


@pytest.mark.spec("U-016")
def test_a_disabled_user_is_told_nothing_even_with_the_right_password() -> None:
    domain = make_domain("off.example", "alice")
    alice = User.objects.get(domain=domain, local_part="alice")
    for status in (Status.DISABLED, Status.DISABLED_RECEIVING):
        services.change_user(user=alice, values={"status": status}, by=None)
        with pytest.raises(WrongCredentials):
            log_in("alice@off.example")


@pytest.mark.spec("D-036")
def test_nobody_of_a_disabled_domain_logs_in() -> None:
    domain = make_domain("shut.example", "alice")
    domain_services.set_disabled(domain=domain, is_disabled=True, by=None)
    with pytest.raises(WrongCredentials):
        log_in("alice@shut.example")
    domain_services.set_disabled(domain=domain, is_disabled=False, by=None)
    assert log_in("alice@shut.example")


@pytest.mark.spec("U-020", "U-021", "U-022", "U-023")
@pytest.mark.parametrize(
    ("service", "field"),
    [
        ("pop", "pop_access"),
        ("imap", "imap_access"),
        ("smtp", "smtp_access"),
        ("webmail", "webmail_access"),
        ("dav", "webmail_access"),
    ],
)
def test_each_service_has_a_switch(service: str, field: str) -> None:
    make_user(make_domain("switch.example"), "alice", **{field: False})
    make_user(User.objects.first().domain, "bob")
    with pytest.raises(WrongCredentials):
        log_in("alice@switch.example", service=service)
    assert log_in("bob@switch.example", service=service)


@pytest.mark.spec("D-066")
def test_without_control_of_service_access_everybody_has_all_services() -> None:
    domain = make_domain("free.example")
    make_user(domain, "alice", imap_access=False)
    domain_services.change_tab(
        domain=domain, tab="features", values={"service_access_control": False}, by=None
    )
    assert log_in("alice@free.example", service="imap")


@pytest.mark.spec("N-012")
def test_a_success_is_remembered_until_the_account_changes() -> None:
    domain = make_domain("quick.example", "alice")
    login = "alice@quick.example"
    assert check_cached(login, PASSWORD, **PLACE) is None
    log_in(login)
    found = check_cached(login, PASSWORD, **PLACE)
    assert found is not None
    assert check_cached(login, "wrong", **PLACE) is None
    start = time.thread_time()
    assert check_password(login, PASSWORD, **PLACE, now=NOW) == found
    assert time.thread_time() - start < 0.01, "no slow hash for what was proven a moment ago"
    alice = User.objects.get(domain=domain, local_part="alice")
    services.set_password(user=alice, password="another long one", by=None)
    forget()
    assert check_cached(login, PASSWORD, **PLACE) is None
    with pytest.raises(WrongCredentials):
        log_in(login)
    assert log_in(login, "another long one")


def test_a_remembered_success_does_not_outlive_the_access() -> None:
    domain = make_domain("gone.example", "alice")
    log_in("alice@gone.example")
    alice = User.objects.get(domain=domain, local_part="alice")
    services.change_user(user=alice, values={"imap_access": False}, by=None)
    forget()
    assert check_cached("alice@gone.example", PASSWORD, **PLACE) is None
    with pytest.raises(WrongCredentials):
        log_in("alice@gone.example")


@pytest.mark.spec("N-012")
def test_verifiers_that_are_missing_are_made_at_the_next_log_in() -> None:
    domain = make_domain("moved.example")
    hashed = passwords.from_hash(passwords.derive(PASSWORD).password)
    alice = services.add_user(domain=domain, username="alice", verifiers=hashed, by=None)
    assert passwords.scram_keys(alice) is None
    LOGIN.change({"cram_md5": True}, by=None)
    log_in("alice@moved.example")
    alice.refresh_from_db()
    keys = passwords.scram_keys(alice)
    assert keys is not None
    assert scram.derive_keys(PASSWORD, salt=keys.salt) == keys
    state = authentication.cram_md5_state("alice@moved.example", **PLACE)
    assert state == hmac_md5.derive_state(PASSWORD.encode())
    assert bytes(alice.cram_md5_state) != state, "sealed with the server key"


@pytest.mark.spec("N-012", "D-053")
def test_without_the_switch_nothing_is_kept_for_cram_md5() -> None:
    LOGIN.change({"cram_md5": False}, by=None)
    LOGIN.forget()
    LOGIN.change({"cram_md5": False}, by=None)
    domain = make_domain("plain.example")
    alice = services.add_user(domain=domain, username="alice", password=PASSWORD, by=None)
    assert not alice.cram_md5_state
    first = authentication.cram_md5_state("alice@plain.example", **PLACE)
    assert first != authentication.cram_md5_state("alice@plain.example", **PLACE)


@pytest.mark.spec("N-012")
def test_scram_keys_of_unknown_names_look_real_and_stay_the_same() -> None:
    make_domain("scram.example", "alice")
    real = authentication.scram_keys("alice@scram.example", **PLACE)
    assert scram.derive_keys(PASSWORD, salt=real.salt) == real
    one, two = (authentication.scram_keys("nobody@scram.example", **PLACE) for _ in range(2))
    assert (one.salt, one.iterations) == (two.salt, two.iterations)
    assert len(one.salt) == len(real.salt)
    assert one.iterations == real.iterations


def test_a_proof_by_keys_is_accepted_only_for_who_may_come_in() -> None:
    make_domain("keys.example", "alice")
    found = authentication.accept("alice@keys.example", is_proven=True, **PLACE, now=NOW)
    assert found.local_part == "alice"
    for login, is_proven in (("alice@keys.example", False), ("nobody@keys.example", True)):
        with pytest.raises(WrongCredentials):
            authentication.accept(login, is_proven=is_proven, **PLACE, now=NOW)


@pytest.mark.spec("U-015")
def test_an_app_password_opens_its_services_and_ends_when_it_is_removed() -> None:
    domain = make_domain("app.example", "alice")
    alice = User.objects.get(domain=domain, local_part="alice")
    row, password = apppasswords.add(user=alice, name="phone", by=None, scopes=["imap"])
    assert password not in row.password
    assert log_in("alice@app.example", password, service="imap")
    assert check_cached("alice@app.example", password, **PLACE) is not None
    with pytest.raises(WrongCredentials):
        log_in("alice@app.example", password, service="smtp")
    apppasswords.remove(app_password=row, by=None)
    with pytest.raises(WrongCredentials):
        log_in("alice@app.example", password, service="imap")


@pytest.mark.spec("U-019")
def test_last_activity_is_written_at_most_once_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    domain = make_domain("active.example", "alice")
    alice = User.objects.get(domain=domain, local_part="alice").pk
    log_in("alice@active.example", client_address="198.51.100.7")
    row = LastActivity.objects.get(user=alice)
    assert (row.at, row.service, row.client_address) == (NOW, "imap", "198.51.100.7")
    log_in("alice@active.example", service="pop")
    row.refresh_from_db()
    assert row.service == "imap"
    monkeypatch.setattr(activity, "INTERVAL_SECONDS", -1.0)
    assert check_cached("alice@active.example", PASSWORD, **PLACE) is None, "goes to a thread"
    log_in("alice@active.example", service="pop")
    row.refresh_from_db()
    assert row.service == "pop"


@pytest.mark.spec("U-001")
def test_a_system_administrator_logs_in_by_the_web_and_not_by_mail_programs() -> None:
    user, password = services.create_system_administrator("root")
    assert authenticate(None, username="root", password=password) == user
    assert authenticate(None, username="ROOT", password=password) == user
    assert authenticate(None, username="root", password="wrong") is None
    with pytest.raises(WrongCredentials):
        log_in("root", password)


def test_a_mailbox_user_logs_in_by_the_web_with_his_address() -> None:
    domain = make_domain("web.example", "alice")
    alice = User.objects.get(domain=domain, local_part="alice")
    assert authenticate(None, username="alice@web.example", password=PASSWORD) == alice
    assert authenticate(None, username="alice", password=PASSWORD) is None
    assert not alice.is_staff
    assert not alice.has_perm("accounts.view_user")


@pytest.mark.spec("U-002")
def test_an_administrator_of_a_domain_is_no_system_administrator() -> None:
    domain = make_domain("small.example", "alice")
    alice = User.objects.get(domain=domain, local_part="alice")
    alice = administrators.grant(user=alice, by=None)
    assert not alice.is_staff
    assert not alice.is_superuser
