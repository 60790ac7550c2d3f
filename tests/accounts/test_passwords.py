"""Passwords of users: which are taken, and what is kept of them."""

from __future__ import annotations

import pytest
from django.db import connection

from accounts import passwords, services
from accounts.errors import HashNotUnderstood, PasswordRefused
from accounts.models import LoginSettings
from accounts.settings import LOGIN
from domains.errors import ValuesRefused
from tests.factories import PASSWORD, make_domain, verifiers


@pytest.mark.django_db
@pytest.mark.spec("U-014", "D-038")
@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "fewer than 10"),
        ("passwordpassword", ""),
        ("1234567890", "many people use"),
        ("administrator", "user name"),
        ("", "fewer"),
        ("x" * 257, "more than 256"),
        ("tab\tin the middle", "characters"),
    ],
)
def test_a_password_must_keep_to_the_policy(password: str, reason: str) -> None:
    domain = make_domain()
    if not reason:
        assert services.add_user(domain=domain, username="a", password=password, by=None)
        return
    with pytest.raises(PasswordRefused, match=reason):
        services.add_user(domain=domain, username="administrator", password=password, by=None)


@pytest.mark.django_db
@pytest.mark.spec("U-014")
def test_the_policy_is_a_setting() -> None:
    LOGIN.change({"minimum_password_length": 4, "refuse_common_passwords": False}, by=None)
    LOGIN.forget()
    assert services.add_user(domain=make_domain(), username="a", password="1234", by=None)
    with pytest.raises(ValuesRefused):
        LOGIN.change({"minimum_password_length": 0}, by=None)
    LOGIN.forget()
    assert LoginSettings.objects.get().minimum_password_length == 4


@pytest.mark.django_db
@pytest.mark.spec("N-012")
def test_a_password_is_kept_as_argon2id_and_scram_keys_only() -> None:
    alice = services.add_user(domain=make_domain(), username="a", password=PASSWORD, by=None)
    assert alice.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.scram_keys(alice) is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_user")
        assert PASSWORD not in repr(cursor.fetchall())


@pytest.mark.django_db
def test_hashes_from_elsewhere_are_taken_in_either_form_of_argon2() -> None:
    mine = verifiers().password
    for text in (mine, mine.removeprefix("argon2"), "{ARGON2ID}" + mine.removeprefix("argon2")):
        assert passwords.from_hash(text).password == mine
    assert passwords.verify(PASSWORD, mine)
    for text in ("", "x", "$2b$12$abc", "{SSHA512}x", "$argon2id$", "$argon2id$v=19$m=9999999,t=1"):
        with pytest.raises(HashNotUnderstood):
            passwords.from_hash(text)
