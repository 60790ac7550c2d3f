"""Dots doubled and TOP cut, however the message is chunked."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.pop3.client import Client, ResponseTooLarge
from protocols.pop3.commands import Retr
from protocols.pop3.multiline import Stuffer, TopCutter

# Small alphabets hit the edges: line ends, dots and empty lines.
MESSAGES = st.lists(
    st.sampled_from([b"\r\n", b"\n", b"\r", b".", b"a", b"..", b"\r\n.\r\n"]), max_size=12
).map(b"".join)
CUTS = st.lists(st.integers(0, 30), max_size=4)


def pieces(message: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(message)]
    return [message[start:end] for start, end in pairwise(edges)]


def stuffed(message: bytes, cuts: list[int]) -> bytes:
    stuffer = Stuffer()
    return b"".join(map(stuffer.feed, pieces(message, cuts))) + stuffer.finish()


def top(message: bytes, lines: int, cuts: list[int]) -> bytes:
    cutter = TopCutter(lines)
    return b"".join(map(cutter.feed, pieces(message, cuts)))


@settings(max_examples=300, deadline=None)
@given(MESSAGES, CUTS)
def test_a_client_reads_back_the_message_and_nothing_after_it(message, cuts):
    client = Client()
    client.receive(b"+OK\r\n")
    client.send(Retr(1))
    (response,) = client.receive(b"+OK\r\n" + stuffed(message, cuts))
    assert response.body == message + (b"" if not message or message.endswith(b"\r\n") else b"\r\n")


@settings(max_examples=200, deadline=None)
@given(MESSAGES, CUTS)
def test_no_line_but_the_last_is_a_lone_dot_for_a_client_that_reads_by_lf(message, cuts):
    lines = stuffed(message, cuts).split(b"\n")
    assert [line.rstrip(b"\r") for line in lines].index(b".") == len(lines) - 2


@settings(max_examples=200, deadline=None)
@given(MESSAGES, CUTS, st.integers(0, 4))
def test_top_is_the_same_however_it_is_chunked(message, cuts, lines):
    assert top(message, lines, cuts) == top(message, lines, [])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (0, b"A: 1\r\nB: 2\r\n\r\n"),
        (1, b"A: 1\r\nB: 2\r\n\r\none\r\n"),
        (9, b"A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree"),
    ],
)
def test_top_gives_the_headers_the_empty_line_and_some_lines(lines, expected):
    assert top(b"A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree", lines, []) == expected


def test_top_of_a_message_without_a_body_is_all_of_it():
    assert top(b"A: 1\r\nB: 2\r\n", 5, []) == b"A: 1\r\nB: 2\r\n"


def test_a_body_over_the_clients_limit_is_refused():
    client = Client(body_bytes=1000)
    client.receive(b"+OK\r\n")
    client.send(Retr(1))
    with pytest.raises(ResponseTooLarge):
        for _ in range(100):
            client.receive((b"+OK\r\n" if _ == 0 else b"") + b"x" * 72 + b"\r\n")
