"""Who gets into the directory, by which names, and behind which TLS."""

from __future__ import annotations

import time

import pytest

from accounts import apppasswords
from accounts import settings as account_settings
from accounts.models import ClearTextLogin, LastActivity
from domains import services as domain_services
from listeners.sessions import end_forbidden_sessions
from protocols.ldap import ber
from tests.factories import PASSWORD
from tests.listeners.ldap.talk import abandon, bind, extended, message, search
from tests.listeners.world import forget_everything

DN = "uid=alice,ou=people,dc=example,dc=com"
INVALID_CREDENTIALS, CONFIDENTIALITY_REQUIRED = 49, 13


@pytest.mark.spec("N-051")
@pytest.mark.parametrize(
    "name",
    [
        "alice@example.com",
        "ALICE@Example.NET",
        DN,
        "UID=Alice, OU=people, DC=Example, DC=com",
        "uid=alice,ou=people,dc=example,dc=net",
        "cn=alice,ou=people,dc=example,dc=com",
    ],
)
def test_people_log_in_by_their_name_in_the_directory_or_by_address(ldap, name):
    said = ldap.run("ldapwhoami", who=name)
    assert (said.returncode, said.stdout) == (0, f"dn:{DN}\n")


@pytest.mark.spec("N-051")
@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("carol@example.com", PASSWORD),  # disabled
        ("away@example.com", PASSWORD),
        ("admin@closed.test", PASSWORD),  # D-036: the domain is disabled
        ("sales@example.com", PASSWORD),  # an alias
        ("uid=alice,ou=aliases,dc=example,dc=com", PASSWORD),
        ("uid=alice,dc=example,dc=com", PASSWORD),
        ("uid=alice,ou=people,dc=other,dc=test", PASSWORD),
        ("cn=(|(uid=*", PASSWORD),
        ("alice", PASSWORD),
        ("alice@example.com\0", PASSWORD),
        ("al\0ice@example.com", PASSWORD),
        ("uid=al\\00ice,ou=people,dc=example,dc=com", PASSWORD),
        ("alice@example.com", "x\0y"),
        ("", PASSWORD),
    ],
)
def test_wrong_password_unknown_disabled_all_sound_alike(connect, name, password):
    answer = connect().ask(bind(1, name, password))
    assert (answer.code, answer.text) == (INVALID_CREDENTIALS, "")


@pytest.mark.spec("N-010")
def test_a_bare_name_is_enough_where_the_endpoint_has_one_domain(people, listening, ldap):
    places = {(e.ip, e.port): people.domain.pk for e in listening.listener.endpoints}
    listening.listener.sole_domain = places
    assert ldap.run("ldapwhoami", who="alice").stdout == f"dn:{DN}\n"
    root = ldap.search("(objectClass=*)", "+", base="", options=("-s", "base"), who=None)
    assert root[0]["namingContexts"] == ["dc=example,dc=com"]


@pytest.mark.spec("N-050")
def test_a_name_without_password_proves_nothing_and_no_name_is_a_stranger(ldap, connect):
    assert ldap.run("ldapwhoami", who=None).stdout == "anonymous\n"
    talk = connect()
    assert talk.ask(bind(1, DN, "")).code == 53  # RFC 4513 §5.1.2
    assert talk.ask(bind(2, "", "")).code == 0
    assert talk.ask(search(3)).code == 50
    assert talk.ask(bind(4, DN, version=2)).code == 2


@pytest.mark.spec("N-050")
def test_whoever_logs_in_anew_is_nobody_until_it_has_worked(connect):
    talk = connect().log_in()
    assert talk.ask(search(1)).code == 0
    assert talk.ask(bind(2, DN, "wrong")).code == INVALID_CREDENTIALS
    assert talk.ask(search(3)).code == 50
    assert talk.log_in(DN).ask(search(4)).code == 0
    assert talk.ask(bind(5, "", "")).code == 0
    assert talk.ask(search(6)).code == 50


@pytest.mark.spec("N-007")
def test_three_failures_end_the_session(connect):
    talk = connect()
    for number in range(1, 4):
        assert talk.ask(bind(number, DN, "wrong")).code == INVALID_CREDENTIALS
    assert talk.answer().is_notice and talk.has_ended()


def test_a_failure_is_answered_late(connect, monkeypatch):
    monkeypatch.setattr("listeners.login.FAILURE_SECONDS", 0.5)
    talk, began = connect(), time.monotonic()
    assert talk.ask(bind(1, DN, "wrong")).code == INVALID_CREDENTIALS
    assert time.monotonic() - began >= 0.5


@pytest.mark.spec("N-006")
def test_passwords_cross_the_network_behind_tls_only_unless_the_policy_allows(ldap, connect):
    account_settings.LOGIN.change({"clear_text_login": ClearTextLogin.NEVER}, by=None)
    forget_everything()
    done = ldap.run("ldapwhoami")
    assert done.returncode == CONFIDENTIALITY_REQUIRED and "Start TLS" in done.stderr
    plain = ber.element(0xA3, ber.string("PLAIN"), ber.string(f"\0{DN}\0{PASSWORD}"))
    asked = message(1, 0x60, ber.integer(3), ber.string(""), plain)
    assert connect().ask(asked).code == CONFIDENTIALITY_REQUIRED
    (root,) = ldap.search("(objectClass=*)", base="", options=("-s", "base"), who=None)
    assert "supportedSASLMechanisms" not in root
    assert ldap.run("ldapwhoami", "-ZZ").returncode == 0
    behind = ldap.search("(objectClass=*)", base="", options=("-ZZ", "-s", "base"), who=None)
    assert behind[0]["supportedSASLMechanisms"] == ["PLAIN"]


@pytest.mark.spec("N-004", "D-048")
def test_tls_from_the_first_byte_and_by_starttls(connect):
    assert connect("tls").log_in().ask(search(1)).code == 0
    talk = connect()
    assert talk.ask(extended(1, "1.3.6.1.4.1.1466.20037")).code == 0
    talk.wrap()
    assert talk.log_in().ask(search(2)).code == 0
    assert talk.ask(extended(3, "1.3.6.1.4.1.1466.20037")).code == 1  # it is on already


@pytest.mark.spec("N-050")
def test_nothing_sent_ahead_of_tls_acts_behind_it(connect):
    """Neither a request that came with StartTLS nor who was logged in before it."""
    talk = connect().log_in()
    start = extended(1, "1.3.6.1.4.1.1466.20037")
    assert talk.ask(start + search(2) + bind(3, DN)).number == 1
    talk.wrap()
    assert talk.ask(search(4)).code == 50
    assert talk.ask(extended(5, "1.3.6.1.4.1.4203.1.11.3")).oid == b""


@pytest.mark.spec("N-050")
def test_sasl_plain_and_no_other_mechanism(connect):
    def by(mechanism: str, *credentials: bytes) -> int:
        sasl = ber.element(0xA3, ber.string(mechanism), *map(ber.string, credentials))
        return connect().ask(message(1, 0x60, ber.integer(3), ber.string(""), sasl)).code

    assert by("PLAIN", f"\0alice@example.com\0{PASSWORD}".encode()) == 0
    assert by("PLAIN", f"alice@example.com\0alice@example.com\0{PASSWORD}".encode()) == 0
    for wrong in (b"\0alice@example.com\0wrong", b"", b"\xff\xfe", b"\0\0\0\0",
                  f"bob@example.com\0alice@example.com\0{PASSWORD}".encode()):  # fmt: skip
        assert by("PLAIN", wrong) == INVALID_CREDENTIALS
    assert by("PLAIN") == INVALID_CREDENTIALS
    for other in ("EXTERNAL", "DIGEST-MD5", "GSSAPI", ""):
        assert by(other, b"") == 7


def test_the_log_in_is_remembered_as_the_last_one(people, ldap):
    ldap.run("ldapwhoami")
    row = LastActivity.objects.get(user=people.alice)
    assert (row.service, row.client_address) == ("ldap", "127.0.0.1")


def test_app_passwords_are_for_their_services(people, ldap):
    _, fitting = apppasswords.add(user=people.alice, name="book", by=None, scopes=["ldap"])
    _, other = apppasswords.add(user=people.alice, name="mail", by=None, scopes=["imap"])
    assert ldap.run("ldapwhoami", password=fitting).returncode == 0
    assert ldap.run("ldapwhoami", password=other).returncode == INVALID_CREDENTIALS


def test_the_directory_follows_the_access_to_webmail(people, ldap):
    people.alice.webmail_access = False
    people.alice.save()
    forget_everything()
    assert ldap.run("ldapwhoami").returncode == INVALID_CREDENTIALS


@pytest.mark.spec("D-036")
def test_a_session_of_a_disabled_domain_is_ended(people, listening, connect):
    talk = connect().log_in()
    stranger = connect()
    domain_services.set_disabled(domain=people.domain, is_disabled=True, by=None)
    forget_everything()
    assert listening.call(end_forbidden_sessions([listening.listener])) == 1
    assert talk.answer().is_notice and talk.has_ended()
    assert stranger.ask(bind(1, "alice@example.com")).code == INVALID_CREDENTIALS


@pytest.mark.spec("N-007")
def test_a_user_has_so_many_sessions_and_no_more(connect, limits):
    limits(sessions_per_user=1)
    first = connect().log_in()
    assert connect().ask(bind(1, DN)).code == 51
    assert first.log_in().ask(bind(2, "", "")).code == 0  # nobody's now
    assert connect().log_in().ask(abandon(3, 2) + search(4)).code == 0
