"""Dot-stuffing, chunk by chunk. RFC 5321 §4.5.2."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.smtp.dots import CanonicalLines, DotStuffer


def stuff(chunks):
    stuffer = DotStuffer()
    return b"".join(stuffer.encode(chunk) for chunk in chunks) + stuffer.finish()


@pytest.mark.parametrize(
    ("message", "on_the_wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
        (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb\r", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
    ],
)
def test_only_the_end_of_the_message_looks_like_the_end(message, on_the_wire):
    assert stuff([message]) == on_the_wire
    assert stuff([bytes([octet]) for octet in message]) == on_the_wire


@given(st.lists(st.sampled_from([b".", b"\r", b"\n", b"a", b"\r\n", b"\r\n.", b"."]), max_size=40))
def test_any_split_gives_the_same_bytes_and_a_reader_gets_the_message_back(chunks):
    message = b"".join(chunks)
    wire = stuff(chunks)
    assert wire == stuff([message])
    body, end = wire[:-3], wire[-3:]
    assert end == b".\r\n"
    assert b"\r\n.\r\n" not in wire[:-5] and not wire[:-5].startswith(b".\r\n")
    assert body.count(b"\n") == body.count(b"\r\n") == body.count(b"\r")
    unstuffed = re.sub(rb"(?:^|(?<=\r\n))\.", b"", body)
    canonical = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    if canonical and not canonical.endswith(b"\r\n"):
        canonical += b"\r\n"
    assert unstuffed == canonical


@given(st.lists(st.binary(max_size=8), max_size=20))
def test_canonical_lines_hold_no_lone_cr_or_lf(chunks):
    lines = CanonicalLines()
    out = b"".join(lines.encode(chunk) for chunk in chunks) + lines.finish()
    assert out == re.sub(rb"\r\n|\r|\n", b"\r\n", b"".join(chunks))
