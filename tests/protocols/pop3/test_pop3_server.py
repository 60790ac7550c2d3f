"""Bytes to legal commands: lines, limits, states, and what STLS forgets."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.pop3 import replies
from protocols.pop3.commands import AuthResponse, Capa, Noop, Pass, Quit, Retr, Stat, Stls, User
from protocols.pop3.replies import Reply
from protocols.pop3.server import (
    AUTH_LINE_BYTES,
    BAD_COMMANDS,
    COMMAND_LINE_BYTES,
    Connection,
    State,
)


def everything(connection: Connection) -> list:
    taken = []
    while (command := connection.next_command()) is not None:
        taken.append(command)
    return taken


def logged_in() -> Connection:
    connection = Connection()
    connection.change_to(State.TRANSACTION)
    return connection


def test_commands_may_be_pipelined_and_cut_anywhere():
    connection = logged_in()
    taken = []
    for octet in b"STAT\r\nRETR 1\r\nNOOP\n":
        connection.receive(bytes([octet]))
        taken += everything(connection)
    assert taken == [Stat(), Retr(1), Noop()]


@pytest.mark.parametrize("line", [b"STAT", b"RETR 1", b"PASS secret", b"NOOP"])
def test_before_login_only_its_own_commands_are_legal(line):
    connection = Connection()
    connection.receive(line + b"\r\n")
    assert connection.next_command() is replies.NOT_NOW


@pytest.mark.parametrize("line", [b"USER anne", b"AUTH PLAIN", b"STLS", b"UTF8"])
def test_after_login_there_is_no_second_one(line):
    connection = logged_in()
    connection.receive(line + b"\r\n")
    assert connection.next_command() is replies.NOT_NOW


def test_pass_must_follow_user():
    connection = Connection()
    connection.change_to(State.NAMED)
    connection.receive(b"CAPA\r\nUSER bob\r\nPASS secret\r\n")
    assert everything(connection) == [Capa(), User("bob"), replies.NOT_NOW]


def test_what_is_sent_behind_stls_is_never_executed():
    connection = Connection()
    connection.receive(b"STLS\r\nUSER mallory\r\n")
    assert connection.next_command() == Stls()
    connection.await_tls()
    connection.receive(b"PASS injected\r\n")
    connection.tls_started()
    assert connection.next_command() is None
    connection.receive(b"QUIT\r\n")
    assert connection.next_command() == Quit()


def test_an_overlong_line_is_refused_once_and_skipped_whole():
    connection = logged_in()
    connection.receive(b"X" * COMMAND_LINE_BYTES)
    assert everything(connection) == [replies.LINE_TOO_LONG]
    connection.receive(b"Y" * COMMAND_LINE_BYTES * 3)
    assert everything(connection) == []
    connection.receive(b"RETR 1\r\nNOOP\r\n")
    assert everything(connection) == [Noop()]


def test_too_many_errors_end_the_session():
    connection = Connection()
    connection.receive(b"GET / HTTP/1.1\r\n" * 20)
    taken = everything(connection)
    assert taken == [replies.UNKNOWN_COMMAND] * BAD_COMMANDS + [replies.TOO_MANY_ERRORS]
    assert connection.state is State.CLOSED


def test_a_sasl_line_may_be_long_and_junk_in_it_ends_the_exchange():
    connection = Connection()
    connection.change_to(State.SASL)
    connection.receive(b"AAAA" * 2500 + b"\r\n*\r\nUSER anne\r\nUSER anne\r\n")
    assert connection.next_command() == AuthResponse(bytes(7500))
    assert connection.next_command() == AuthResponse(None)
    assert connection.next_command() is replies.BAD_BASE64
    assert connection.next_command() == User("anne")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=8), st.sampled_from(list(State)))
def test_any_bytes_raise_nothing_and_stay_within_the_limit(chunks, state):
    connection = Connection()
    connection.change_to(state)
    for chunk in chunks:
        connection.receive(chunk)
        assert all(not isinstance(item, Reply) or not item.is_ok for item in everything(connection))
        assert len(connection._buffer) < AUTH_LINE_BYTES


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_where_the_bytes_are_cut_does_not_matter(data, cuts):
    whole, pieces = logged_in(), logged_in()
    whole.receive(data)
    expected = everything(whole)
    taken = []
    edges = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(edges):
        pieces.receive(data[start:end])
        taken += everything(pieces)
    assert taken == expected


def test_pass_is_legal_right_after_a_named_user():
    connection = Connection()
    connection.change_to(State.NAMED)
    connection.receive(b"PASS secret\r\n")
    assert connection.next_command() == Pass("secret")
