"""The incremental reader: literals, limits, APPEND in chunks, and coming back after errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.imap import commands
from protocols.imap.server import (
    CONTINUATION_WANTED,
    LOGGED_IN_LIMITS,
    AppendOffered,
    AppendReceived,
    CommandReader,
    LineReceived,
    MessageChunk,
    Received,
    Refused,
)


def reader_of(octets: bytes) -> CommandReader:
    reader = CommandReader(LOGGED_IN_LIMITS)
    reader.feed(octets)
    return reader


def drain(reader: CommandReader) -> list:
    """All events that are there; every APPEND is accepted, chunks are joined."""
    events = []
    while (event := reader.next_event()) is not None:
        if isinstance(event, AppendOffered):
            reader.accept_message()
        if isinstance(event, MessageChunk) and events and isinstance(events[-1], MessageChunk):
            events[-1] = MessageChunk(events[-1].octets + event.octets)
        else:
            events.append(event)
    return events


def all_events(octets: bytes) -> list:
    return drain(reader_of(octets))


def test_commands_come_one_by_one_out_of_a_pipeline():
    first, second = all_events(b"a NOOP\r\nb CAPABILITY\r\nc LOGO")
    assert (first.tag, second.tag) == (b"a", b"b")
    assert second.command == commands.Capability()


def test_synchronising_literal_waits_for_the_continuation():
    reader = reader_of(b"A001 LOGIN {11}\r\n")
    assert reader.next_event() is CONTINUATION_WANTED
    assert reader.next_event() is None
    reader.feed(b"FRED FOOBAR {7}\r\n")  # RFC 3501 §7.5
    assert reader.next_event() is CONTINUATION_WANTED
    reader.feed(b"fat man\r\n")
    assert reader.next_event().command == commands.Login(b"FRED FOOBAR", b"fat man")


def test_non_synchronising_literals_need_no_continuation():
    (event,) = all_events(b"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\n")  # RFC 7888 §4
    assert event.command == commands.Login(b"FRED FOOBAR", b"fat man")


def test_literal_may_hold_what_looks_like_a_command():
    (event,) = all_events(b"a SELECT {14+}\r\nb\r\nc {3}\r\nNOOP\r\n")
    assert event.command.folder == "b\r\nc {3}\r\nNOOP"


def test_empty_literal():
    (event,) = all_events(b"a SELECT {0+}\r\n\r\n")
    assert event.command == commands.Select("")


def test_append_message_comes_in_chunks():
    reader = reader_of(b"a APPEND INBOX {10}\r\n")
    offered = reader.next_event()
    assert (offered.tag, offered.command.size_bytes, offered.is_synchronising) == (b"a", 10, True)
    assert reader.next_event() is None
    reader.accept_message()
    assert reader.next_event() is None
    reader.feed(b"12345")
    assert reader.next_event() == MessageChunk(b"12345")
    reader.feed(b"67890\r\nb NOOP\r\n")
    assert reader.next_event() == MessageChunk(b"67890")
    assert reader.next_event() == AppendReceived(b"a")
    assert reader.next_event().tag == b"b"


def test_append_to_a_folder_named_by_a_literal():
    offered, chunk, received = all_events(b"a APPEND {5+}\r\ninbox (\\Seen) {2+}\r\nhi\r\n")
    assert offered.command.folder == "INBOX"
    assert offered.command.flags == ("\\Seen",)
    assert (chunk, received) == (MessageChunk(b"hi"), AppendReceived(b"a"))


def test_append_of_an_empty_message():
    offered, received = all_events(b"a APPEND a {0+}\r\n\r\n")
    assert offered.command.size_bytes == 0
    assert received == AppendReceived(b"a")


def test_a_message_is_not_bound_by_the_limits_of_lines():
    size = 4 * LOGGED_IN_LIMITS.command_bytes
    _, chunk, received = all_events(b"a APPEND a {%d+}\r\n%b\r\n" % (size, b"x" * size))
    assert len(chunk.octets) == size
    assert received == AppendReceived(b"a")


def test_refused_append_that_waits_is_over_at_once():
    reader = reader_of(b"a APPEND a {10}\r\n")
    reader.next_event()
    reader.refuse_message()
    reader.feed(b"b NOOP\r\n")
    assert reader.next_event().tag == b"b"


def test_refused_append_that_does_not_wait_is_skipped():
    reader = reader_of(b"a APPEND a {10+}\r\nb NOOP\r\nc\r\n")
    reader.next_event()
    reader.refuse_message()
    reader.feed(b"d NOOP\r\n")
    assert reader.next_event().tag == b"d"


def test_junk_after_an_appended_message_is_refused():
    events = all_events(b"a APPEND a {2+}\r\nhi junk {3+}\r\nabc\r\nb NOOP\r\n")
    assert events[2] == Refused(b"a", "Unexpected arguments")
    assert events[3].tag == b"b"


def test_malformed_append_is_refused_before_its_message():
    assert all_events(b"a APPEND a (\\Seen {9}\r\nb NOOP\r\n")[0].tag == b"a"
    refused, then = all_events(b"a APPEND a (\\Seen {8+}\r\nx NOOP\r\n\r\nb NOOP\r\n")
    assert (refused.tag, then.tag) == (b"a", b"b")


def test_too_large_literal_is_refused_and_never_held():
    refused, then = all_events(b"a SELECT {70000}\r\nb NOOP\r\n")
    assert (refused.tag, refused.code, then.tag) == (b"a", b"TOOBIG", b"b")
    reader = reader_of(b"a SELECT {700000+}\r\n")
    for _ in range(70):
        assert reader.next_event() is None
        assert reader.buffered_bytes == 0
        reader.feed(b"x" * 10_000)
    reader.feed(b" more {4+}\r\nabcd\r\nb NOOP\r\n")
    assert reader.next_event().tag == b"a"
    assert reader.next_event().tag == b"b"


def test_literals_of_one_command_are_bounded_together():
    octets = b"a SEARCH" + b" TEXT {60000+}\r\n%b" % (b"x" * 60_000) * 3 + b"\r\nb NOOP\r\n"
    refused, then = all_events(octets)
    assert (refused.tag, refused.code, then.tag) == (b"a", b"TOOBIG", b"b")


def test_too_long_line_is_refused_and_never_held():
    reader = reader_of(b"a NOOP ")
    for _ in range(100):
        reader.feed(b"x" * 10_000)
        assert reader.next_event() is None
        assert reader.buffered_bytes <= LOGGED_IN_LIMITS.line_bytes + 10_000
    reader.feed(b"\r\nb NOOP\r\n")
    assert reader.next_event() == Refused(b"a", "Line is too long")
    assert reader.next_event().tag == b"b"


@pytest.mark.parametrize("line", [b"", b"\x00", b"(", b" NOOP", b"+ x", b"\xff\xfe NOOP"])
def test_line_without_a_tag_is_refused_without_one(line):
    refused, then = all_events(line + b"\r\nb NOOP\r\n")
    assert isinstance(refused, Refused)
    assert refused.tag is None
    assert then.tag == b"b"


def test_tag_alone_is_known():
    assert all_events(b"a\r\n")[0].tag == b"a"


def test_lines_of_idle_and_authenticate_are_no_commands():
    reader = reader_of(b"a IDLE\r\nDONE\r\nb NOOP\r\n")
    assert reader.next_event().command == commands.Idle()
    reader.expect_line()
    assert reader.next_event() == LineReceived(b"DONE")
    assert reader.next_event().tag == b"b"


def test_what_came_before_tls_is_forgotten():
    reader = reader_of(b"a STARTTLS\r\nb LOGIN alice secret\r\n")
    assert reader.next_event().command == commands.StartTls()
    reader.discard()
    assert reader.next_event() is None


def test_bare_line_feed_ends_a_line():
    assert [event.tag for event in all_events(b"a NOOP\nb SELECT {1+}\nx\n")] == [b"a", b"b"]


PIECES = st.sampled_from(
    [
        b"a NOOP\r\n",
        b"b LOGIN {5+}\r\nalice {6+}\r\nse\r\nco\r\n",
        b"c APPEND x {12+}\r\nhello\r\nworld\r\n",
        b"d FETCH 1:* (FLAGS)\r\n",
        b"e BAD\r\n",
        b"f SELECT {99999+}\r\n",
        b"g SEARCH TEXT {2}\r\nhi\r\n",
        b"\r\n",
        b"h APPEND (( {3+}\r\nabc\r\n",
        b"i SELECT &\r\n",
        b"j APPEND {1}\r\nx {3}\r\nabc junk\r\n",
        b"k NOOP {3}\r\n",
        b"l STORE 1 +FLAGS (\\Seen)\n",
        b"}\r\n",
        b"{1}\r\n",
    ]
)


@settings(max_examples=200)
@given(st.lists(PIECES | st.binary(max_size=20), max_size=8), st.data())
def test_the_same_events_however_the_octets_are_split(pieces, data):
    octets = b"".join(pieces)
    whole = all_events(octets)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=12)))
    reader, events = CommandReader(LOGGED_IN_LIMITS), []
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        reader.feed(octets[start:end])
        events += drain(reader)
    joined = []
    for event in events:
        if isinstance(event, MessageChunk) and joined and isinstance(joined[-1], MessageChunk):
            joined[-1] = MessageChunk(joined[-1].octets + event.octets)
        else:
            joined.append(event)
    assert joined == whole


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_octets_make_events_and_no_errors(octets):
    for event in all_events(octets + b"\r\n"):
        assert event is not None


@settings(max_examples=300)
@given(
    st.sampled_from(
        [
            "LOGIN",
            "SELECT",
            "LIST",
            "STATUS",
            "FETCH",
            "UID FETCH",
            "STORE",
            "SEARCH",
            "SORT",
            "ID",
            "COPY",
            "APPEND",
            "ENABLE",
            "CREATE",
            "THREAD",
            "AUTHENTICATE",
            "SETQUOTA",
            "UID EXPUNGE",
            "LSUB",
        ]
    ),
    st.text('abIN0123456789 ()[]<>{}+"\\%*:,.&-\r\n$=/é', max_size=60),
)
def test_any_arguments_are_a_command_or_refused(verb, arguments):
    for event in all_events(f"a {verb} {arguments}\r\n".encode()):
        assert event is not None


def test_received_says_where_the_command_is_legal():
    (event,) = all_events(b"a FETCH 1 FLAGS\r\n")
    assert isinstance(event, Received)
    assert event.verb.name == "FETCH"
