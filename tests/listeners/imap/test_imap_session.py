"""Greeting, login, TLS, limits and draining of IMAP sessions."""

import base64
import hashlib
import hmac
import imaplib
import time

import pytest

from accounts.models import ClearTextLogin, LoginSettings
from accounts.settings import LOGIN
from listeners.imap import session as sessions
from tests.factories import PASSWORD
from tests.listeners.imap.conftest import HOSTS, MESSAGE

RIGHT = b'LOGIN alice@example.com "%b"' % PASSWORD.encode()


def plain(name: str, password: str = PASSWORD) -> bytes:
    return base64.b64encode(f"\0{name}\0{password}".encode())


@pytest.mark.spec("N-040", lacks="rev2, CONDSTORE, QRESYNC, ESEARCH, SORT, THREAD, BINARY, ACL")
def test_greeting_and_capability_say_the_same(talk):
    session = talk()
    assert session.greeting.startswith(
        b"* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE STARTTLS "
    )
    offered = session.greeting.partition(b"[")[2].partition(b"]")[0]
    assert session.ok(b"CAPABILITY") == [b"* " + offered]
    assert b"AUTH=SCRAM-SHA-256" in offered and b"AUTH=PLAIN" in offered


@pytest.mark.spec("N-010")
@pytest.mark.parametrize("name", [b"alice@example.com", b"Alice@EXAMPLE.COM", b"alice@example.net"])
def test_login_by_address_in_any_case_and_by_domain_alias(alice, name):
    session = alice(name=name)
    assert b"IDLE" in session.ok(b"CAPABILITY")[0]


@pytest.mark.spec("N-011")
def test_wrong_logins_all_look_the_same(talk):
    answers = set()
    for name in (b"alice@example.com", b"nobody@example.com", b"carol@example.com"):
        answers.add(talk().refused(b"LOGIN %b wrong" % name))
    assert answers == {b"NO [AUTHENTICATIONFAILED] Authentication failed"}


@pytest.mark.spec("N-011", "N-007")
def test_failed_logins_wait_and_the_third_ends_the_session(talk):
    session = talk()
    started = time.monotonic()
    assert session.refused(b"LOGIN alice@example.com wrong").startswith(
        b"NO [AUTHENTICATIONFAILED]"
    )
    assert time.monotonic() - started >= 0.9
    session.refused(b"AUTHENTICATE PLAIN " + plain("alice@example.com", "wrong"))
    session.refused(b"LOGIN alice@example.com wrong")
    assert session.line().startswith(b"* BYE")
    assert session.line() == b""


@pytest.mark.spec("N-011")
def test_authenticate_plain_with_and_without_initial_response(talk):
    talk().ok(b"AUTHENTICATE PLAIN " + plain("alice@example.com"))
    session = talk()
    session.send(b"a AUTHENTICATE PLAIN\r\n")
    assert session.line() == b"+ "
    session.send(plain("alice@example.com") + b"\r\n")
    assert session.line().startswith(b"a OK [CAPABILITY ")


@pytest.mark.spec("N-011")
def test_authenticate_login(talk):
    session = talk()
    session.send(b"a AUTHENTICATE LOGIN\r\n")
    assert base64.b64decode(session.line()[2:]) == b"Username:"
    session.send(base64.b64encode(b"alice@example.com") + b"\r\n")
    assert base64.b64decode(session.line()[2:]) == b"Password:"
    session.send(base64.b64encode(PASSWORD.encode()) + b"\r\n")
    assert session.line().startswith(b"a OK")


@pytest.mark.spec("N-011")
def test_authenticate_scram_sha_256(talk):
    session = talk()
    first = b"n=alice@example.com,r=clientnonce"
    session.send(b"a AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(b"n,," + first) + b"\r\n")
    server_first = base64.b64decode(session.line()[2:])
    fields = dict(field.split(b"=", 1) for field in server_first.split(b","))
    without_proof = b"c=biws,r=" + fields[b"r"]
    salt, rounds = base64.b64decode(fields[b"s"]), int(fields[b"i"])
    salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, rounds)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    message = b",".join((first, server_first, without_proof))
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    session.send(base64.b64encode(without_proof + b",p=" + base64.b64encode(proof)) + b"\r\n")
    assert base64.b64decode(session.line()[2:]).startswith(b"v=")
    session.send(b"\r\n")
    assert session.line().startswith(b"a OK")


def test_authenticate_can_be_cancelled_and_nonsense_is_bad(talk):
    session = talk()
    session.send(b"a AUTHENTICATE PLAIN\r\n")
    session.line()
    session.send(b"*\r\n")
    assert session.line().startswith(b"a BAD")
    session.send(b"a AUTHENTICATE PLAIN\r\n")
    session.line()
    session.send(b"!!!\r\n")
    assert session.line().startswith(b"a BAD")
    assert session.refused(b"AUTHENTICATE NONSENSE").startswith(b"NO")
    session.ok(RIGHT)


@pytest.mark.spec("N-006")
def test_passwords_in_clear_are_refused_by_policy(talk, world):
    LoginSettings.objects.update_or_create(
        pk=1, defaults={"clear_text_login": ClearTextLogin.NEVER}
    )
    LOGIN.forget()
    session = talk()
    assert b"LOGINDISABLED" in session.greeting
    assert b"AUTH=PLAIN" not in session.greeting
    assert b"AUTH=SCRAM-SHA-256" in session.greeting
    assert session.refused(RIGHT).startswith(b"NO [PRIVACYREQUIRED]")
    session.ok(b"STARTTLS")
    session.wrap()
    assert b"LOGINDISABLED" not in session.ok(b"CAPABILITY")[0]
    session.ok(RIGHT)


@pytest.mark.spec("N-004")
def test_starttls_and_implicit_tls(talk):
    session = talk()
    session.ok(b"STARTTLS")
    session.wrap()
    assert b"STARTTLS" not in session.ok(b"CAPABILITY")[0]
    assert session.refused(b"STARTTLS").startswith(b"BAD")
    session.ok(RIGHT)
    encrypted = talk("tls")
    encrypted.ok(RIGHT)
    encrypted.ok(b"SELECT INBOX")
    encrypted.append()
    assert encrypted.ok(b"FETCH 1 BODY.PEEK[]")[0].endswith(MESSAGE + b")")


@pytest.mark.spec("N-040", lacks="rev2, CONDSTORE, QRESYNC, ESEARCH, SORT, THREAD, BINARY, ACL")
def test_commands_sent_before_the_handshake_are_not_carried_out(talk):
    session = talk()
    session.send(b"a STARTTLS\r\nb " + RIGHT + b"\r\n")
    assert session.line().startswith(b"a OK")
    session.wrap()
    assert session.refused(b"SELECT INBOX").startswith(b"BAD")


def test_failed_handshake_ends_the_session(talk, imap):
    session = talk()
    session.ok(b"STARTTLS")
    session.send(b"this is no handshake at all, and long enough to be read as a record\r\n")
    assert session.lines.read() is not None
    for _ in range(300):
        if not imap.listener.visits:
            break
        time.sleep(0.1)
    assert not imap.listener.visits


@pytest.mark.spec("N-007")
def test_too_many_bad_commands_end_the_session(talk):
    session = talk()
    for number in range(8):
        session.send(b"x%d NONSENSE\r\n" % number)
        assert session.line().startswith(b"x%d BAD" % number)
    assert session.line() == b"* BYE Too many bad commands"
    assert session.line() == b""


@pytest.mark.spec("N-007")
def test_sessions_of_one_user_are_limited(alice, limits, talk):
    limits(sessions_per_user=1)
    alice()
    assert talk().refused(RIGHT).startswith(b"NO [LIMIT]")


@pytest.mark.spec("N-007")
def test_silent_strangers_are_sent_away(talk, imap, monkeypatch):
    session = talk()
    monkeypatch.setattr(sessions, "STRANGER_SECONDS", 0)
    (visit,) = imap.listener.visits
    imap.loop.call_soon_threadsafe(visit.session.end_if_silent, imap.loop.time() + 1)
    assert session.line() == b"* BYE Autologout; idle for too long"


def test_draining_lets_the_command_in_hand_finish(alice, imap):
    session = alice(b"INBOX")
    session.send(b"a APPEND INBOX {%d}\r\n" % len(MESSAGE))
    assert session.line() == b"+ OK"
    (visit,) = imap.listener.visits
    imap.loop.call_soon_threadsafe(visit.session.drain)
    session.send(MESSAGE + b"\r\n")
    lines = [session.line() for _ in range(4)]
    assert lines[2].startswith(b"a OK [APPENDUID")
    assert lines[3] == b"* BYE Server is shutting down"


@pytest.mark.parametrize("command", [b"SELECT INBOX", b"NAMESPACE", b"FETCH 1 FLAGS", b"IDLE"])
def test_strangers_may_not(talk, command):
    assert talk().refused(command).startswith(b"BAD")


def test_strangers_cannot_make_the_server_hold_much(talk):
    session = talk()
    session.send(b"a APPEND INBOX {500000000}\r\n")
    assert session.line().startswith(b"a BAD")
    session.send(b"b LOGIN {99999}\r\n")
    assert session.line().startswith(b"b NO [TOOBIG]")


def test_pipelined_commands_are_answered_in_order(alice):
    session = alice(b"INBOX")
    message = b"{%d+}\r\n%b" % (len(MESSAGE), MESSAGE)
    session.send(
        b"1 APPEND INBOX %b\r\n2 NOOP\r\n3 FETCH 1 BODY[TEXT]\r\n4 STATUS INBOX (MESSAGES)\r\n"
        b"5 COPY 1 Sent\r\n6 LOGOUT\r\n" % message
    )
    tags = []
    while line := session.line():
        tags.append(line.split()[0])
    assert [tag for tag in tags if tag != b"*"] == [b"1", b"2", b"3", b"4", b"5", b"6"]


def test_client_that_does_not_read_is_not_answered_without_end(alice, imap):
    session = alice(b"INBOX")
    session.append(b"x" * 200_000)
    (visit,) = imap.listener.visits
    session.send(b"a FETCH 1 BODY.PEEK[]\r\n" * 200)
    time.sleep(1)
    waiting = imap.call(written_bytes(visit.session))
    assert waiting < 2_000_000
    for _ in range(200):
        assert session.until(b"a")[-1].startswith(b"a OK")


async def written_bytes(session):
    return session.transport.get_write_buffer_size()


def test_id_enable_check_noop(alice):
    session = alice(b"INBOX")
    assert session.ok(b'ID ("name" "test")') == [b'* ID ("name" "MailHost")']
    assert session.ok(b"ENABLE FOO") == [b"* ENABLED"]
    assert session.ok(b"CHECK") == []


@pytest.mark.spec("N-041")
@pytest.mark.spec("N-040", lacks="rev2, CONDSTORE, QRESYNC, ESEARCH, SORT, THREAD, BINARY, ACL")
def test_imaplib_works_through_a_whole_mailbox(imap, world):
    with imaplib.IMAP4(HOSTS["plain"], imap.ports["plain"]) as client:
        client.login("alice@example.com", PASSWORD)
        client.create("Work")
        assert client.append("Work", "(\\Seen)", imaplib.Time2Internaldate(0), MESSAGE)[0] == "OK"
        assert client.select("Work") == ("OK", [b"1"])
        assert client.fetch("1", "(RFC822)")[1][0][1] == MESSAGE
        assert client.search(None, "SUBJECT", '"Hello"') == ("OK", [b"1"])
        assert client.uid("STORE", "1", "+FLAGS", "(\\Deleted)")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])
        assert client.close()[0] == "OK"
        assert client.delete("Work")[0] == "OK"
        assert len(client.list()[1]) == 5
