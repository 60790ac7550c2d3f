"""AUTH and what a user may do after it (N-006, N-010, N-011, N-023, D-044, D-053, D-090, D-091)."""

import base64
import re
import time

import pytest

from accounts import provisioning, services
from accounts.models import ClearTextLogin
from accounts.settings import LOGIN
from domains import services as domain_services
from domains.models import Domain
from listeners import login
from listeners.sessions import end_forbidden_sessions
from mailboxes.models import Message
from mailinglists import services as lists
from protocols import sasl_client
from spool.models import Origin, SpooledMessage
from tests.factories import PASSWORD
from tests.listeners.smtp.test_smtp_data import only_message
from tests.listeners.world import forget_everything


def log_in(one, mechanism, name="alice@example.com", password=PASSWORD, *, initial=True):
    """The final reply to AUTH; the client's side comes from protocols.sasl_client."""
    client = sasl_client.begin(mechanism, name, password)
    first = client.initial if initial else None
    reply = one.say(f"AUTH {mechanism}" + (f" {encode(first)}" if first is not None else ""))
    while reply.startswith("334 "):
        reply = one.say(encode(client.step(base64.b64decode(reply[4:]))))
    if reply.startswith("235"):
        assert client.may_end
    return reply


def encode(octets):
    return base64.b64encode(octets).decode()


def change(domain, tab, **values):
    provisioning.change_tab(domain=domain, tab=tab, values=values, by=None)
    forget_everything()


@pytest.mark.spec("N-011", "D-053")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_every_mechanism_logs_in_on_every_kind_of_port(talk, world, mechanism):
    # Anew, because the factories' verifiers may have been made before CRAM-MD5 was switched on.
    services.set_password(user=world.alice, password=PASSWORD, by=None)
    forget_everything()
    for purpose in ("plain", "submission", "tls"):
        for initial in (True, False):
            one = talk(purpose)
            assert f" {mechanism}" in one.hello()
            reply = log_in(one, mechanism, initial=initial)
            assert reply == "235 2.7.0 Authentication successful"
            assert one.say("AUTH PLAIN").startswith("503")
            assert "AUTH" not in one.hello()
            assert one.say("MAIL FROM:<alice@example.com>").startswith("250")


@pytest.mark.spec("N-012")
def test_cram_md5_is_announced_only_where_what_it_needs_is_kept(talk):
    assert "CRAM-MD5" in talk().hello()
    LOGIN.change({"cram_md5": False}, by=None)
    forget_everything()
    assert "CRAM-MD5" not in talk().hello()


@pytest.mark.spec("N-011", "D-053")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
def test_whatever_is_wrong_the_reply_is_the_same(talk, mechanism):
    for name, password in (
        ("alice@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("carol@example.com", PASSWORD),
        ("admin@closed.test", PASSWORD),
        ("alice", PASSWORD),
        ("alice@elsewhere.test", PASSWORD),
    ):
        one = talk("submission")
        one.hello()
        assert log_in(one, mechanism, name, password).startswith("535 5.7.8"), name
        assert one.say("MAIL FROM:<alice@example.com>").startswith("530 5.7.0")


@pytest.mark.spec("N-010")
@pytest.mark.parametrize("login", ["ALICE@Example.COM", "alice@example.net"])
def test_names_ignore_case_and_know_alias_domains(talk, login):
    one = talk("submission")
    one.hello()
    assert log_in(one, "PLAIN", login).startswith("235")


@pytest.mark.spec("N-010")
def test_a_bare_name_is_enough_where_the_endpoint_has_one_domain(talk, smtp, world):
    endpoint = next(e for e in smtp.listener.endpoints if e.purpose == "submission")
    smtp.listener.sole_domain = {(endpoint.ip, endpoint.port): world.domain.pk}
    one = talk("submission")
    one.hello()
    assert log_in(one, "PLAIN", "alice").startswith("235")


@pytest.mark.spec("N-007")
def test_the_third_failure_is_the_last_and_guessing_is_slow(talk, monkeypatch):
    monkeypatch.setattr(login, "FAILURE_SECONDS", 0.3)
    one = talk("submission")
    one.hello()
    began = time.monotonic()
    replies = [log_in(one, "PLAIN", password="wrong")[:9] for _ in range(3)]
    assert replies == ["535 5.7.8", "535 5.7.8", "421 4.7.0"]
    assert one.read() == ""
    assert time.monotonic() - began > 0.9


@pytest.mark.spec("N-006", "D-053")
def test_passwords_in_clear_text_are_for_tls_where_the_policy_says_never(talk):
    LOGIN.change({"clear_text_login": ClearTextLogin.NEVER.value}, by=None)
    forget_everything()
    one = talk("submission")
    hello = one.hello()
    assert re.search("AUTH SCRAM-SHA-256 CRAM-MD5$", hello, re.MULTILINE)
    assert one.say("AUTH PLAIN AGEAYg==").startswith("538 5.7.11")
    assert one.say("AUTH LOGIN").startswith("538 5.7.11")
    assert log_in(one, "SCRAM-SHA-256").startswith("235")
    encrypted = talk("tls")
    encrypted.hello()
    assert log_in(encrypted, "PLAIN").startswith("235")


@pytest.mark.spec("N-012")
def test_cram_md5_is_announced_where_it_is_switched_on(talk):
    assert "CRAM-MD5" in talk().hello()
    LOGIN.change({"cram_md5": False}, by=None)
    forget_everything()
    assert "CRAM-MD5" not in talk().hello()


def test_nobody_acts_for_another(talk):
    one = talk("submission")
    one.hello()
    response = encode(b"bob@example.com\0alice@example.com\0" + PASSWORD.encode())
    assert one.say(f"AUTH PLAIN {response}").startswith("535")


@pytest.fixture
def alice(talk):
    one = talk("submission")
    one.hello()
    log_in(one, "PLAIN")
    return one


def test_tls_comes_before_auth_or_not_at_all(alice):
    assert alice.say("STARTTLS").startswith("503 5.5.1")


@pytest.mark.spec("U-031")
@pytest.mark.spec("N-023")
@pytest.mark.parametrize(
    ("sender", "reply"),
    [
        ("alice@example.com", "250"),
        ("Alice@EXAMPLE.net", "250"),
        ("alice+lists@example.com", "250"),
        ("sales@example.com", "250"),
        ("", "250"),
        ("bob@example.com", "553 5.7.1"),
        ("bob+alice@example.com", "553 5.7.1"),
        ("nobody@example.com", "553 5.7.1"),
        ("alice@elsewhere.test", "553 5.7.1"),
    ],
)
def test_users_send_as_themselves_only(alice, sender, reply):
    assert alice.say(f"MAIL FROM:<{sender}>").startswith(reply)


@pytest.mark.spec("N-023", "L-011")
def test_who_runs_a_list_may_write_in_its_name(alice, world):
    domain = Domain.objects.get(name="example.com")
    for name, moderators in (("news", ["alice"]), ("closed", ["bob"])):
        lists.create_list(domain=domain, local_part=name, moderators=moderators, by=None)
    forget_everything()
    assert alice.say("MAIL FROM:<news@example.com>").startswith("250")
    alice.say("RSET")
    assert alice.say("MAIL FROM:<closed@example.com>").startswith("553 5.7.1")


@pytest.mark.spec("N-023")
def test_sender_rules_can_be_switched_off(alice, limits):
    limits(check_sender_identity=False)
    assert alice.say("MAIL FROM:<bob@example.com>").startswith("250")


@pytest.mark.spec("N-023")
def test_the_author_is_checked_where_a_setting_says_so(alice, limits):
    limits(check_author_identity=True)
    for author, reply in (("bob@example.com", "550 5.7.1"), ("alice@example.com", "250")):
        alice.say("MAIL FROM:<alice@example.com>")
        alice.say("RCPT TO:<bob@example.com>")
        letter = f"From: Somebody <{author}>\r\nSubject: hello\r\n\r\nHello\r\n"
        assert alice.submit(letter.encode()).startswith(reply)


@pytest.mark.spec("G-041", "D-052")
def test_who_has_logged_in_may_write_to_the_world(alice, world):
    alice.say("MAIL FROM:<alice@example.com>")
    assert alice.say("RCPT TO:<someone@elsewhere.test>").startswith("250 2.1.5")
    assert alice.say("RCPT TO:<staff@example.com>").startswith("250")
    assert alice.submit().startswith("250")
    message = SpooledMessage.objects.get()
    assert message.origin == Origin.SUBMISSION
    assert message.sender_account_id == world.alice.pk


@pytest.mark.spec("D-090")
def test_the_users_own_size_limit_holds_after_auth(talk, world):
    change(world.domain, "limits", max_message_size_kb=100)
    one = talk("submission")
    assert "SIZE 52428800" in one.hello()
    log_in(one, "PLAIN")
    assert "SIZE 102400" in one.hello()
    assert one.say("MAIL FROM:<alice@example.com> SIZE=102401").startswith("552 5.3.4")
    one.say("MAIL FROM:<alice@example.com>")
    one.say("RCPT TO:<bob@example.com>")
    assert one.submit(b"Subject: a\r\n\r\n" + b"x" * 98 + b"\r\n" * 60_000).startswith("552 5.3.4")
    stranger = talk()
    assert "SIZE 52428800" in stranger.hello()


@pytest.mark.spec("D-091")
def test_the_recipient_after_the_limit_waits_for_the_next_message(talk, world):
    change(world.domain, "limits", recipients_per_message=2)
    one = talk("submission")
    assert "LIMITS RCPTMAX=1000" in one.hello()
    log_in(one, "PLAIN")
    assert "LIMITS RCPTMAX=2" in one.hello()
    one.say("MAIL FROM:<alice@example.com>")
    replies = [one.say(f"RCPT TO:<friend{n}@elsewhere.test>")[:9] for n in range(3)]
    assert replies == ["250 2.1.5", "250 2.1.5", "452 4.5.3"]
    assert one.submit().startswith("250")
    assert SpooledMessage.objects.get().recipients_total == 2


@pytest.mark.spec("D-036")
def test_a_user_of_a_domain_disabled_meanwhile_sends_no_more(alice, smtp, world):
    domain_services.set_disabled(domain=world.domain, is_disabled=True, by=None)
    forget_everything()
    assert alice.say("MAIL FROM:<alice@example.com>").startswith("550 5.7.1")
    assert smtp.call(end_forbidden_sessions([smtp.listener])) == 1
    assert alice.read().startswith("421")


@pytest.mark.spec("N-007")
def test_one_user_has_so_many_sessions_and_no_more(talk, limits):
    limits(sessions_per_user=1)
    first, second = talk("submission"), talk("submission")
    first.hello()
    second.hello()
    assert log_in(first, "PLAIN").startswith("235")
    assert log_in(second, "PLAIN").startswith("454 4.7.0")


@pytest.mark.spec("N-024")
def test_the_program_of_a_user_can_be_hidden(talk, limits, world):
    limits(hide_submitter_address=True)
    one = talk("tls")
    one.hello()
    log_in(one, "PLAIN")
    one.say("MAIL FROM:<alice@example.com>")
    one.say("RCPT TO:<bob@example.com>")
    one.submit()
    body = only_message()
    assert b"client.test" not in body
    assert b"with ESMTPSA id" in body
    assert b"\r\nMessage-ID: <" in body
    assert b"\r\nDate: " in body


@pytest.mark.spec("N-023")
def test_a_submitted_message_gets_the_fields_that_it_lacks_and_no_others(alice, talk):
    def sent(one, content):
        one.say("MAIL FROM:<alice@example.com>")
        one.say("RCPT TO:<bob@example.com>")
        assert one.submit(content).startswith("250")
        header = only_message().partition(b"\r\n\r\n")[0]
        Message.objects.all().delete()
        return {
            name: re.findall(rb"^%s: (.*?)\r?$" % name, header, re.MULTILINE)
            for name in (b"Date", b"Message-ID", b"From")
        }

    added = sent(alice, b"Subject: bare\r\n\r\nHello\r\n")
    assert [len(values) for values in added.values()] == [1, 1, 1]
    assert b"alice@example.com" in added[b"From"][0]
    own = {b"Date": b"Fri, 21 Nov 1997 09:55:06 -0600", b"Message-ID": b"<1@own.example>"}
    own[b"From"] = b"Alice <alice@example.com>"
    whole = b"".join(b"%s: %s\r\n" % field for field in own.items()) + b"\r\nHello\r\n"
    assert sent(alice, whole) == {name: [value] for name, value in own.items()}
    # What strangers hand in is theirs to write.
    stranger = talk()
    stranger.hello()
    stranger.say("MAIL FROM:<eve@elsewhere.test>")
    stranger.say("RCPT TO:<bob@example.com>")
    assert stranger.submit(b"Subject: bare\r\n\r\nHello\r\n").startswith("250")
    assert b"\r\nMessage-ID:" not in only_message() and b"\r\nFrom:" not in only_message()
