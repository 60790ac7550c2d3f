"""What servers say as typed values, however it is cut; whatever else they say ends it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.imap import answers, responses
from protocols.imap.answers import Capability, Exists, Fetched, FolderListed, Told
from protocols.imap.client import (
    BodyBegins,
    BodyChunk,
    Challenge,
    Client,
    Literal,
    ProtocolViolation,
    ResponseTooLarge,
    Unsendable,
    WriteOn,
    astring,
)
from protocols.imap.errors import Malformed
from protocols.imap.grammar import Cursor
from protocols.imap.responses import Condition

BODY = b"Subject: x\r\n\r\na1 OK\r\n* BYE {3}\r\n"
SAID = (
    b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready {5}\r\n"
    b"* CAPABILITY IMAP4rev1 sasl-ir\r\n"
    b"* 17 EXISTS\r\n* 0 RECENT\r\n* X-NEW (a (b) {3}\r\n\r\n\x00)\r\n"
    b"* FLAGS (\\Seen \\*)\r\n"
    b"* OK [UIDVALIDITY 4294967295] ok\r\n"
    b'* LIST (\\HasNoChildren \\Sent) "/" "Sent \\"Items\\""\r\n'
    b"* LIST () NIL {5}\r\na\xffb&c\r\n"
    b"* 3 FETCH (X-THING ({2}\r\n)) (NIL 5)) FLAGS (\\seen \\Recent $Junk \\Odd a]b)"
    b' INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 5000000000 MODSEQ (77) UID 9)\r\n'
    b"* 4 FETCH (BODY[] {%d}\r\n%b UID 12)\r\n"
    b"* 5 FETCH (UID 13 BODY[] {0}\r\n)\r\n"
    b"a1 OK [READ-ONLY] done\r\n" % (len(BODY), BODY)
)


def heard(chunks: list[bytes]) -> tuple[list[object], bytes]:
    client = Client()
    client.send(b"UID FETCH 1:* (BODY.PEEK[])", streams=True)
    events, body = [], b""
    for event in (event for chunk in chunks for event in client.receive(chunk)):
        if isinstance(event, BodyChunk):
            body += event.octets
        else:
            events.append(event)
    assert not client.has_more
    return events, body


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, len(SAID) - 1), max_size=20))
def test_a_conversation_is_the_same_however_it_is_cut(cuts):
    edges = [0, *sorted(set(cuts)), len(SAID)]
    events, body = heard([SAID[start:end] for start, end in pairwise(edges)])
    assert events == [
        Told(Condition.OK, "ready {5}", "CAPABILITY", b"IMAP4rev1 AUTH=PLAIN"),
        Capability(frozenset({"IMAP4REV1", "SASL-IR"})),
        Exists(17),
        Told(Condition.OK, "ok", "UIDVALIDITY", b"4294967295"),
        FolderListed(b'Sent "Items"', "/", frozenset({"\\hasnochildren", "\\sent"})),
        FolderListed(b"a\xffb&c", None, frozenset()),
        Fetched(
            3,
            9,
            frozenset({"\\Seen", "$Junk"}),
            5_000_000_000,
            datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC),
            77,
        ),
        BodyBegins(len(BODY)),
        Fetched(4, 12, body=b""),
        BodyBegins(0),
        Fetched(5, 13, body=b""),
        Told(Condition.OK, "done", "READ-ONLY", is_tagged=True),
    ]
    assert body == BODY
    assert events[0].capabilities == {"IMAP4REV1", "AUTH=PLAIN"}
    assert events[3].number == 4294967295
    assert events[4].name == 'Sent "Items"'
    assert events[5].name == "a\ufffdb&c"


def test_a_body_nobody_asked_for_is_not_given_out():
    client = Client()
    client.send(b"UID FETCH 1:* (FLAGS)")
    assert client.receive(b"* 4 FETCH (BODY[] {3}\r\nabc UID 12)\r\n") == [
        Fetched(4, 12, body=b"abc")
    ]


def test_literals_are_sent_one_by_one_when_the_server_says_so():
    client = Client()
    words = (b"LOGIN ", astring("grün".encode()), b" ", astring(b'a"b\\'), b" ", Literal(b"x"))
    assert client.send(*words) == b"a1 LOGIN {5}\r\n"
    assert client.receive(b"+ go on\r\n") == [WriteOn(b'gr\xc3\xbcn "a\\"b\\\\" {1}\r\n')]
    assert client.receive(b"+\r\n") == [WriteOn(b"x\r\n")]
    assert client.receive(b"a1 NO [AUTHENTICATIONFAILED] no\r\n") == [
        Told(Condition.NO, "no", "AUTHENTICATIONFAILED", is_tagged=True)
    ]
    assert client.send(b"NOOP") == b"a2 NOOP\r\n"


def test_a_sasl_exchange_goes_step_by_step():
    client = Client()
    client.send(b"AUTHENTICATE PLAIN", is_sasl=True)
    assert client.receive(b"+ \r\n+ AGE=\r\n") == [Challenge(b""), Challenge(b"\0a")]
    assert client.respond(b"\0anne\0x") == b"AGFubmUAeA==\r\n"
    assert client.respond(None) == b"*\r\n"


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"* \r\n", b"a2 OK not this one\r\n",
        b"a1 BYE\r\n", b"a1 MAYBE\r\n", b"+ nobody waits\r\n", b"* 1 FETCH\r\n",
        b"* 1 FETCH (UID 0)\r\n", b"* 1 FETCH (UID 99999999999)\r\n", b"* 1 FETCH (UID x)\r\n",
        b"* 1 FETCH (UID 1\r\n", b"* 1 FETCH (UID 1) more\r\n", b"* 1 FETCH (FLAGS \\Seen)\r\n",
        b"* 1 FETCH (BODY[] {3}\r\nabcd)\r\n", b"* 99999999999 FETCH (UID 1)\r\n",
        b"* 9999999999 EXISTS\r\n", b'* LIST () "//" a\r\n',
        b'* LIST "/" a\r\n',
    ],
)  # fmt: skip
def test_what_is_not_imap_ends_the_conversation(said):
    client = Client()
    client.send(b"NOOP")
    with pytest.raises(ProtocolViolation):
        client.receive(said)


def test_what_cannot_be_a_date_is_none():
    assert answers.parse(b'1 FETCH (INTERNALDATE "99-Foo-0000 00:00:00 +0000")\r\n') == Fetched(1)


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_endless_lines_and_literals_are_refused(end):
    for said in (b"* X " + b"x" * 3000, b"* X {3000}\r\n", b"* OK " + b"y" * 3000):
        client = Client(response_bytes=2000)
        with pytest.raises(ResponseTooLarge):
            client.receive(said + end)


def test_endless_responses_are_refused():
    client = Client(command_bytes=10_000)
    client.send(b"NOOP")
    with pytest.raises(ResponseTooLarge):
        for _ in range(1000):
            client.receive(b"* 1 EXISTS\r\n")


def test_the_limit_is_for_each_command():
    client = Client(command_bytes=10_000)
    for number in range(1, 1000):
        client.send(b"NOOP")
        client.receive(b"* 1 EXISTS\r\na%d OK\r\n" % number)


def test_a_body_of_any_size_is_given_out_and_not_kept():
    client = Client()
    client.send(b"UID FETCH 1 (BODY.PEEK[])", streams=True)
    client.receive(b"* 1 FETCH (BODY[] {10000000}\r\n")
    for _ in range(100):
        assert client.receive(b"x" * 100_000) == [BodyChunk(b"x" * 100_000)]
        assert not client._buffer


def test_nul_is_not_sent():
    with pytest.raises(Unsendable):
        astring(b"a\0b")


PIECES = st.sampled_from([
    b"* ", b"a1 ", b"+ ", b"OK", b" [UIDVALIDITY 1] ", b"1 FETCH (", b"UID 1 ", b"BODY[] ", b"{3}",
    b"\r\n", b")", b"(", b'"', b"\\", b"FLAGS ", b"NIL", b"LIST () ", b'"/" ', b"CAPABILITY ",
    b"~{2}\r\n", b"INTERNALDATE ", b"99999999999999999999", b"MODSEQ (", b"\xff", b"\0",
])  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=20) | PIECES, max_size=40), st.booleans())
def test_any_bytes_raise_nothing_but_a_violation(chunks, streams):
    client = Client()
    client.send(b"NOOP", streams=streams)
    with suppress(ProtocolViolation):
        for chunk in chunks:
            client.receive(chunk)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.binary(max_size=20) | PIECES, max_size=40).map(b"".join))
def test_any_response_is_read_or_malformed(response):
    for read in (answers.parse, answers.parse_tagged):
        with suppress(Malformed):
            read(response)


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30),
    st.sets(st.sampled_from(["\\Sent", "\\NoSelect", "\\HasChildren"])),
    st.sampled_from(["/", "."]),
)
def test_folders_are_read_as_our_own_server_writes_them(name, attributes, delimiter):
    shown = responses.Listed(name, sorted(attributes), delimiter)
    listed = answers.parse(shown.encode()[2:])
    assert listed.name == ("INBOX" if name.upper() == "INBOX" else name)
    assert listed.delimiter == delimiter
    assert listed.attributes == {each.lower() for each in attributes}


@given(st.binary(max_size=50).filter(lambda octets: b"\0" not in octets))
def test_a_sent_string_is_read_as_it_was(octets):
    word = astring(octets)
    if isinstance(word, Literal):
        assert word.octets == octets
    else:
        assert Cursor(word).astring() == octets
