"""Sessions: hostile octets, requests in a heap, abandoned ones, limits, and how sessions end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import User
from clock.moments import utc_now
from listeners.gate import SessionLimits
from listeners.ldap import reading
from listeners.ldap.server import SEARCHES_AT_ONCE
from listeners.ldap.session import MOST_WAITING
from protocols.ldap import ber
from protocols.ldap.ber import SEQUENCE
from protocols.ldap.server import MESSAGE_BYTES, STRANGER_BYTES
from tests.listeners.ldap.talk import (
    ALL,
    Talk,
    abandon,
    bind,
    equality,
    extended,
    message,
    search,
)

LDAP = pytest.mark.spec("N-050")
PROTOCOL_ERROR, UNAVAILABLE = 2, 52
UNBIND = ber.element(SEQUENCE, ber.integer(9), ber.element(0x42))


def nested(depth):
    octets = ALL
    for _ in range(depth):
        octets = ber.element(0xA2, octets)
    return octets


@LDAP
@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00",  # TLS where none is spoken
        b"\x30\x80",
        b"\x30\x00",
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x89" + b"\xff" * 9,
        message(0, 0x42),
        message(1, 0x61),
        message(1, 0x7F, b"x"),
        message(1, 0x63, b"\x04\x05"),
        message(1, 0x60, ber.integer(3), ber.string(b"\xff"), ber.string("x", 0x80)),
    ],
)
def test_what_is_no_message_ends_the_session_with_a_notice(connect, octets):
    talk = connect()
    talk.send(octets)
    answer = talk.answer()
    assert answer.is_notice and answer.code == PROTOCOL_ERROR
    assert talk.has_ended()
    assert connect().log_in().ask(search(1)).code == 0  # nobody else has noticed


@LDAP
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(st.binary(min_size=1, max_size=300), st.booleans())
def test_any_octets_end_in_answers_or_a_notice(connect, octets, is_wrapped):
    talk = connect(greets=False)
    talk.send(ber.element(SEQUENCE, ber.integer(1), octets) if is_wrapped else octets)
    talk.socket.shutdown(socket.SHUT_WR)
    while (answer := talk.answer()) is not None:
        assert not answer.is_notice or answer.code == PROTOCOL_ERROR
    talk.close()


@LDAP
def test_long_messages_are_refused_before_they_have_come(connect):
    for talk, allowed in ((connect(), STRANGER_BYTES), (connect().log_in(), MESSAGE_BYTES)):
        talk.send(b"\x30\x83" + allowed.to_bytes(3, "big"))  # and nothing behind
        answer = talk.answer()
        assert answer.is_notice and answer.code == PROTOCOL_ERROR


@LDAP
def test_filters_that_are_too_deep_or_too_long_are_refused_and_the_session_goes_on(connect):
    talk = connect().log_in()
    many = ber.element(0xA1, *[equality("cn", f"user{number}") for number in range(200)])
    for wanted in (nested(20), nested(10_000), many):
        assert talk.ask(search(1, wanted)).code == 11
    assert talk.ask(search(2)).code == 0


@LDAP
def test_requests_in_one_packet_are_answered_in_their_order(connect):
    talk = connect()
    talk.send(bind(1, "alice@example.com") + b"".join(search(n, base="") for n in range(2, 102)))
    assert [talk.until_done().number for _ in range(101)] == list(range(1, 102))


@LDAP
def test_a_request_that_comes_octet_by_octet_is_answered(connect):
    talk = connect()
    talk.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in bind(1, "alice@example.com"):
        talk.send(bytes([octet]))
    assert talk.until_done().code == 0
    # One that is never finished harms nobody.
    talk.send(search(2)[:-1])
    assert connect().log_in().ask(search(1)).code == 0


@LDAP
def test_abandoned_requests_are_not_answered(connect, monkeypatch):
    """Neither one that waits nor one that is being carried out; a bind cannot be abandoned."""
    begun, go_on = threading.Event(), threading.Event()
    read = reading.read

    def slow(*asked, **how):
        begun.set()
        assert go_on.wait(20)
        return read(*asked, **how)

    talk = connect().log_in()
    monkeypatch.setattr("listeners.ldap.finding.reading.read", slow)
    talk.send(search(1) + search(2) + bind(3, "alice@example.com") + search(4, base=""))
    assert begun.wait(20)
    talk.send(b"".join(abandon(10 + n, n) for n in (1, 2, 3, 77)))
    time.sleep(0.2)  # until they have been read
    go_on.set()
    answered = [talk.until_done() for _ in range(2)]
    assert [(one.number, one.tag) for one in answered] == [(3, 0x61), (4, 0x65)]


def test_many_searches_leave_threads_to_others(connect, monkeypatch):
    begun, go_on = threading.Semaphore(0), threading.Event()
    read = reading.read

    def slow(*asked, **how):
        begun.release()
        assert go_on.wait(20)
        return read(*asked, **how)

    talks = [connect().log_in() for _ in range(12)]
    monkeypatch.setattr("listeners.ldap.finding.reading.read", slow)
    for talk in talks:
        talk.send(search(1))
    for _ in range(SEARCHES_AT_ONCE):
        assert begun.acquire(timeout=20)
    assert not begun.acquire(timeout=0.3)
    assert connect().ask(bind(1, "bob@example.com")).code == 0  # by a thread
    go_on.set()
    assert [talk.until_done().code for talk in talks] == [0] * len(talks)


@LDAP
def test_unbind_ends_the_session_without_a_word(connect):
    talk = connect().log_in()
    talk.send(UNBIND + search(1))
    assert talk.has_ended()


@LDAP
def test_a_search_ends_when_its_time_is_over(connect, monkeypatch):
    def slow(*asked, **how):
        time.sleep(1.2)
        return []

    talk = connect().log_in()
    monkeypatch.setattr("listeners.ldap.finding.reading.read", slow)
    began = time.monotonic()
    assert talk.ask(search(1, seconds=1)).code == 3
    assert time.monotonic() - began < 10


def test_an_error_of_ours_is_no_ones_business(connect, monkeypatch, caplog):
    def broken(*asked, **how):
        raise RuntimeError("the table users has no column secret")

    talk = connect().log_in()
    monkeypatch.setattr("listeners.ldap.finding.reading.read", broken)
    answer = talk.ask(search(1))
    assert answer.code == 80 and "secret" not in answer.text
    monkeypatch.undo()
    assert talk.ask(search(2)).code == 0


@pytest.mark.spec("N-007")
def test_too_many_mistakes_end_the_session(connect, limits):
    limits(bad_commands=3)
    talk = connect()
    for number in range(1, 5):
        assert talk.ask(extended(number, "1.2.3")).code == PROTOCOL_ERROR
    assert talk.answer().is_notice and talk.has_ended()


@pytest.mark.spec("N-007")
def test_silent_sessions_are_ended_strangers_soon(people, listening, connect, limits):
    limits(ldap_idle_seconds=500)
    stranger, talk = connect(), connect().log_in()

    async def sweep(seconds):
        for visit in list(listening.listener.visits):
            visit.session.end_if_silent(listening.loop.time() + seconds)

    listening.call(sweep(59))
    assert stranger.ask(search(1, base="", scope=0)).code == 0
    listening.call(sweep(61))
    assert stranger.answer().is_notice and stranger.has_ended()
    assert talk.ask(search(1)).code == 0
    listening.call(sweep(501))
    assert talk.answer().code == UNAVAILABLE and talk.has_ended()


@pytest.mark.spec("N-007")
def test_who_is_one_too_many_is_told_and_turned_away(listening, connect):
    listening.listener.gate._limits = lambda: SessionLimits(total=1)
    first = connect()
    second = connect(greets=False)
    answer = second.answer()
    assert answer.is_notice and answer.code == UNAVAILABLE and second.has_ended()
    assert first.log_in().ask(search(1)).code == 0


@pytest.mark.spec("M-008")
def test_a_stopped_service_lets_what_is_in_hand_be_finished(
    people, listening, connect, monkeypatch
):
    begun = threading.Event()
    read = reading.read

    def slow(*asked, **how):
        begun.set()
        time.sleep(0.5)
        return read(*asked, **how)

    busy, idle = connect().log_in(), connect().log_in()
    monkeypatch.setattr("listeners.ldap.finding.reading.read", slow)
    busy.send(search(1) + search(2))
    assert begun.wait(20)
    listening.call(listening.listener.retire(10))
    done = busy.until_done()
    assert (done.number, done.code) == (1, 0) and len(busy.names) == 12
    for talk in (busy, idle):
        assert talk.answer().is_notice and talk.has_ended()
    with pytest.raises(OSError):
        Talk("127.0.0.1", listening.ports["plain"], greets=False)


def test_who_sends_more_than_is_taken_waits(connect):
    """What comes ahead is bounded; all of it is answered in the end."""
    talk = connect().log_in()
    count = MOST_WAITING * 8
    sender = threading.Thread(
        target=lambda: talk.send(b"".join(search(n, base="") for n in range(1, count + 1)))
    )
    sender.start()
    assert [talk.until_done().number for _ in range(count)] == list(range(1, count + 1))
    sender.join()


def test_who_does_not_read_is_cut_off(people, listening, connect):
    User.objects.bulk_create(
        User(domain=people.domain, local_part=f"person{number}", created_at=utc_now())
        for number in range(500)
    )
    talk = connect()
    talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    talk.log_in()
    (visit,) = listening.listener.visits
    talk.socket.settimeout(0.2)
    deadline = time.monotonic() + 60
    while visit.session._drained is None and time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            talk.send(search(1) * 5)

    async def sweep():
        visit.session.end_if_silent(listening.loop.time() + 10_000)

    assert listening.listener.visits
    listening.call(sweep())
    while listening.listener.visits and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not listening.listener.visits
