"""Who gets into a maildrop, how, and behind which TLS."""

import base64
import poplib
import socket
import time

import pytest

from accounts import settings as account_settings
from accounts.models import ClearTextLogin
from protocols import sasl_client
from tests.bench.systems import unverified_tls
from tests.factories import PASSWORD
from tests.listeners.pop3.conftest import FIRST
from tests.listeners.world import forget_everything


@pytest.mark.spec("N-010", "N-011")
@pytest.mark.parametrize("name", ["alice@example.com", "ALICE@Example.COM", "alice@example.net"])
def test_the_login_name_is_an_address_in_any_case_and_by_any_alias_domain(put, enter, name):
    put(FIRST)
    assert enter(name).stat()[0] == 1


@pytest.mark.spec("N-010")
def test_a_bare_name_is_enough_where_the_endpoint_has_one_domain(world, pop, put, enter):
    with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
        enter("alice")
    pop.listener.sole_domain = {(e.ip, e.port): world.domain.pk for e in pop.listener.endpoints}
    assert enter("alice").stat() == (0, 0)


@pytest.mark.spec("N-011")
@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice@example.com", "wrong"),
        ("nobody@example.com", PASSWORD),
        ("carol@example.com", PASSWORD),
        ("admin@closed.test", PASSWORD),
    ],
)
def test_wrong_password_unknown_disabled_all_sound_alike(connect, name, password):
    session = connect()
    assert session.user(name) == b"+OK Now the password"
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\] Login failed"):
        session.pass_(password)


@pytest.mark.spec("U-020")
def test_without_pop_access_a_right_password_is_refused(world, enter):
    world.alice.pop_access = False
    world.alice.save()
    forget_everything()
    with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\] Login failed"):
        enter()


PLAIN = base64.b64encode(f"\0alice@example.com\0{PASSWORD}".encode()).decode()


@pytest.mark.spec("N-011")
@pytest.mark.parametrize("first", ["AUTH PLAIN", f"AUTH PLAIN {PLAIN}"])
def test_plain_with_and_without_initial_response(connect, first):
    session = connect()
    said = answer(session, first)
    if first == "AUTH PLAIN":
        assert said == b"+ "
        said = answer(session, PLAIN)
    assert said == b"+OK Logged in"


def answer(session, line):
    session._putcmd(line)
    return session._getline()[0]


@pytest.mark.spec("N-011", "N-012")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"])
@pytest.mark.parametrize("password", [PASSWORD, "wrong"])
def test_every_mechanism_lets_in_who_knows_the_password(connect, mechanism, password):
    session = connect()
    assert mechanism in session.capa()["SASL"]
    client = sasl_client.begin(mechanism, "alice@example.com", password)
    said = answer(session, f"AUTH {mechanism}")
    if client.initial is not None:
        said = answer(session, base64.b64encode(client.initial).decode())
    while said.startswith(b"+ "):
        step = client.step(base64.b64decode(said[2:]))
        said = answer(session, base64.b64encode(step).decode())
    assert said == (b"+OK Logged in" if password == PASSWORD else b"-ERR [AUTH] Login failed")


@pytest.mark.spec("N-006")
def test_clear_text_logins_can_be_forbidden_and_tls_lifts_it(world, connect, enter):
    account_settings.LOGIN.change({"clear_text_login": ClearTextLogin.NEVER}, by=None)
    forget_everything()
    session = connect()
    assert session.capa().get("SASL", []) == ["SCRAM-SHA-256", "CRAM-MD5"]
    assert "USER" not in session.capa()
    for command in ("USER alice@example.com", f"AUTH PLAIN {PLAIN}", "AUTH LOGIN"):
        with pytest.raises(poplib.error_proto, match=r"-ERR \[AUTH\]"):
            session._shortcmd(command)
    session.stls(context=unverified_tls())
    assert "USER" in session.capa()
    session.user("alice@example.com")
    session.pass_(PASSWORD)


@pytest.mark.spec("N-004")
def test_implicit_tls_from_the_first_byte(put, enter, connect):
    put(FIRST)
    session = enter(purpose="tls")
    assert session.stat()[0] == 1
    assert "STLS" not in connect("tls").capa()


@pytest.mark.spec("N-030")
def test_commands_injected_before_tls_are_never_executed(pop):
    with socket.create_connection(("127.0.0.1", pop.ports["plain"]), 20) as clear:
        clear.recv(1000)
        clear.sendall(b"STLS\r\nUSER mallory@example.com\r\nCAPA\r\n")
        said = b""
        while not said.endswith(b"\r\n"):
            said += clear.recv(1000)
        assert said == b"+OK Begin TLS now\r\n"
        with unverified_tls().wrap_socket(clear, server_hostname="mx.test") as encrypted:
            encrypted.sendall(b"PASS x\r\n")
            # PASS without USER: the injected name is forgotten, and nothing else was answered.
            assert encrypted.recv(1000) == b"-ERR This command is not possible now\r\n"


@pytest.mark.spec("N-030")
def test_what_was_said_before_stls_is_forgotten(connect):
    session = connect()
    session.user("alice@example.com")
    session.stls(context=unverified_tls())
    with pytest.raises(poplib.error_proto, match="not possible now"):
        session._shortcmd(f"PASS {PASSWORD}")


@pytest.mark.spec("N-007")
def test_three_failed_logins_end_the_session(connect):
    session = connect()
    said = []
    for _ in range(3):
        session.user("alice@example.com")
        with pytest.raises(poplib.error_proto) as refused:
            session.pass_("wrong")
        said.append(refused.value.args[0])
    assert b"goodbye" in said[-1]
    assert session.sock.recv(10) == b""


@pytest.mark.spec("N-007")
def test_a_silent_stranger_is_sent_away(pop, connect):
    session = connect()
    (one,) = [visit.session for visit in pop.listener.visits]
    pop.loop.call_soon_threadsafe(one.end_if_silent, one.active_at + 61)
    assert session.sock.recv(10) == b""


@pytest.mark.spec("N-007")
def test_who_never_reads_what_he_asked_for_is_cut_off(put, pop, enter):
    put(b"Subject: large\r\n\r\n" + b"0123456789\r\n" * 2_000_000)
    session = enter()
    (one,) = [visit.session for visit in pop.listener.visits]
    session._putcmd("RETR 1")
    deadline = time.monotonic() + 10
    while one._drained is None and time.monotonic() < deadline:
        time.sleep(0.05)
    pop.loop.call_soon_threadsafe(one.end_if_silent, one.active_at + 3600)
    while pop.listener.visits and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not pop.listener.visits


@pytest.mark.spec("M-008")
def test_a_drain_closes_sessions_and_keeps_their_mail(world, put, pop, enter):
    put(FIRST)
    session = enter()
    session.dele(1)
    pop.call(pop.listener.drain(5))
    assert session.sock.recv(10) == b""
