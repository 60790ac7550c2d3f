"""The message after DATA: only CR LF dot CR LF ends it. RFC 5321 §4.5.2, §4.1.1.4."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.smtp.data import DataReader, Fault, LineWatch
from protocols.smtp.dots import DotStuffer


def read(*pieces):
    reader = DataReader()
    message = b"".join(reader.feed(piece) for piece in pieces)
    return message, reader


def test_dots_are_undone_and_the_rest_is_kept():
    message, reader = read(b"a\r\n..b\r\n...\r\n.\r\nQUIT\r\n")
    assert message == b"a\r\n.b\r\n..\r\n"
    assert reader.rest == b"QUIT\r\n"
    assert reader.fault is None


def test_an_empty_message_is_a_lone_dot():
    message, reader = read(b".\r\n")
    assert (message, reader.rest) == (b"", b"")


@pytest.mark.spec("N-021")
@pytest.mark.parametrize(
    "false_end",
    [
        b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\n.\r",
        b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n", b"\n\n.\r\n",
        b"\r\n.\n\r\n", b"\r.\n", b"\n\r.\r\n", b"\r\n .\r\n", b"\r\n. \r\n",
    ],
)  # fmt: skip
def test_false_ends_do_not_end_the_message_at_any_split(false_end):
    wire = b"a" + false_end + b"MAIL FROM:<x@y>\r\n"
    for position in range(len(wire) + 1):
        _, reader = read(wire[:position], wire[position:])
        assert not reader.is_complete
        message, _ = read(wire[:position], wire[position:] + b"\r\n.\r\n")
        assert b"MAIL FROM:<x@y>\r\n" in message


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (b"a\nb\r\n", Fault.BARE_NEWLINE),
        (b"a\rb\r\n", Fault.BARE_NEWLINE),
        (b"a\r\r\nb\r\n", Fault.BARE_NEWLINE),
        (b"a\0b\r\n", Fault.NUL),
        (b"a\r\nb\r\n", None),
    ],
)
def test_faults_are_seen_at_any_split(message, fault):
    wire = message + b".\r\n"
    for position in range(len(wire) + 1):
        _, reader = read(wire[:position], wire[position:])
        assert reader.is_complete
        assert reader.fault is fault


def test_a_chunk_that_ends_in_cr_is_judged_with_the_next_or_at_the_end():
    watch = LineWatch()
    watch.feed(b"a\r")
    watch.feed(b"")
    watch.feed(b"\nb\r")
    assert watch.fault is None
    watch.end()
    assert watch.fault is Fault.BARE_NEWLINE


lines = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\r", b".").replace(b"\n", b".")))


@given(lines, st.lists(st.integers(0, 200), max_size=6), st.binary(max_size=9))
@settings(max_examples=300)
def test_stuffing_and_reading_are_opposites_at_any_split(content, cuts, rest):
    message = b"".join(line + b"\r\n" for line in content)
    stuffer = DotStuffer()
    wire = stuffer.encode(message) + stuffer.finish() + rest
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    reader, got, tail = DataReader(), b"", b""
    for start, end in zip(edges, edges[1:], strict=False):
        if reader.is_complete:
            tail += wire[start:end]
        else:
            got += reader.feed(wire[start:end])
    assert got == message
    assert reader.rest + tail == rest


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\0"]), max_size=40))
@settings(max_examples=300)
def test_pieces_make_no_difference(parts):
    wire = b"".join(parts) + b"\r\n.\r\n"
    whole, whole_reader = read(wire)
    reader, got = DataReader(), b""
    for index in range(len(wire)):
        got += reader.feed(wire[index : index + 1])
        if reader.is_complete:
            break
    assert got == whole
    assert (reader.fault is None) == (whole_reader.fault is None)
    assert wire[index + 1 :] == whole_reader.rest
