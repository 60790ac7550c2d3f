"""Responses paired with the commands that asked for them."""

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.pop3.client import (
    BodyChunk,
    BodyEnd,
    Challenge,
    Client,
    ProtocolViolation,
    Response,
    ResponseTooLarge,
)
from protocols.pop3.commands import (
    Auth,
    AuthResponse,
    Capa,
    Dele,
    List,
    Quit,
    Retr,
    Stat,
    Stls,
    Uidl,
)


def greeted() -> Client:
    client = Client()
    assert client.receive(b"+OK POP3 ready\r\n") == [Response(True, "POP3 ready")]
    return client


def test_pipelined_responses_come_in_order():
    client = greeted()
    sent = b"".join(client.send(command) for command in (Stat(), Retr(1), Dele(1), List(2)))
    assert sent == b"STAT\r\nRETR 1\r\nDELE 1\r\nLIST 2\r\n"
    assert client.receive(
        b"+OK 2 320\r\n+OK 120 octets\r\n..x\r\n\r\n.\r\n-ERR [SYS/TEMP] later\r\n+OK 2 200\r\n"
    ) == [
        Response(True, "2 320"),
        Response(True, "120 octets", body=b".x\r\n\r\n"),
        Response(False, "later", "SYS/TEMP"),
        Response(True, "2 200"),
    ]


def test_a_refused_listing_has_no_body():
    client = greeted()
    client.send(Uidl())
    assert client.receive(b"-ERR no\r\n") == [Response(False, "no")]


def test_a_listing_is_read_as_lines():
    client = greeted()
    client.send(Capa())
    (response,) = client.receive(b"+OK\r\nTOP\r\nUIDL\r\n.\r\n")
    assert response.lines() == ["TOP", "UIDL"]


def test_a_sasl_exchange_goes_step_by_step():
    client = greeted()
    client.send(Auth("PLAIN"))
    assert client.receive(b"+ \r\n") == [Challenge(b"")]
    assert client.send(AuthResponse(b"\0anne\0x")) == b"AGFubmUAeA==\r\n"
    assert client.receive(b"+OK\r\n") == [Response(True, "")]


@pytest.mark.parametrize("said", [b"HTTP/1.1 400\r\n", b"+ AAAA\r\n", b"\r\n", b"+OKAY\r\n"])
def test_what_is_not_pop3_ends_the_conversation(said):
    with pytest.raises(ProtocolViolation):
        Client().receive(said)


def test_a_response_nobody_asked_for_ends_the_conversation():
    with pytest.raises(ProtocolViolation):
        greeted().receive(b"+OK\r\n")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"+OK\r\n", b"+ ", b".\r\n"])))
def test_any_bytes_raise_nothing_but_a_violation(chunks):
    client = Client()
    for command in (Capa(), Auth("PLAIN"), Stat()):
        client.send(command)
    try:
        for chunk in chunks:
            client.receive(chunk)
    except ProtocolViolation as violation:
        assert len(violation.said) <= 80


SAID = (
    b"+OK ready\r\n"
    b"+OK\r\nUIDL\r\nSTLS\r\n.\r\n"
    b"+OK 3 messages\r\n1 a\r\n2 b\r\n.\r\n"
    b"+OK 300 octets\r\nSubject: x\r\n\r\n..\r\n...y\r\nline\n.\r\n\n..z\r\n\r\n.\r\n"
    b"-ERR [IN-USE] no\r\n"
    b"+OK\r\n.\r\n"
    b"+OK bye\r\n"
)


def heard(chunks: list[bytes]) -> tuple[list[object], bytes]:
    """All events but the chunks of the streamed body, and that body."""
    client = Client()
    events, body = [], b""
    for chunk in [b"", *chunks]:
        for event in client.receive(chunk):
            if isinstance(event, BodyChunk):
                body += event.octets
            else:
                events.append(event)
        if chunk == b"":
            for command in (Capa(), Uidl()):
                client.send(command)
            client.send(Retr(1), streams=True)
            client.send(Retr(2), streams=True)
            client.send(Retr(3), streams=True)
            client.send(Quit())
    assert not client.has_more
    return events, body


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, len(SAID) - 1), max_size=20))
def test_a_conversation_is_the_same_however_it_is_cut(cuts):
    edges = [0, *sorted(set(cuts)), len(SAID)]
    events, body = heard([SAID[start:end] for start, end in pairwise(edges)])
    assert events == [
        Response(True, "ready"),
        Response(True, "", body=b"UIDL\r\nSTLS\r\n"),
        Response(True, "3 messages", body=b"1 a\r\n2 b\r\n"),
        Response(True, "300 octets"),
        BodyEnd(),
        Response(False, "no", "IN-USE"),
        Response(True, ""),
        BodyEnd(),
        Response(True, "bye"),
    ]
    # A lone dot behind a bare LF is no end where lines end with CRLF.
    assert body == b"Subject: x\r\n\r\n.\r\n..y\r\nline\n.\r\n\n.z\r\n\r\n"


def test_a_server_that_ends_lines_with_lf_alone_is_understood():
    client = Client()
    client.receive(b"+OK\n")
    client.send(Retr(1), streams=True)
    events = client.receive(b"+OK\nSubject: x\n\n..\nlast\n.\n")
    assert events == [Response(True, ""), BodyChunk(b"Subject: x\n\n.\nlast\n"), BodyEnd()]


def test_a_streamed_line_without_an_end_is_given_out_and_not_kept():
    client = greeted()
    client.send(Retr(1), streams=True)
    client.receive(b"+OK\r\n")
    for _ in range(100):
        assert client.receive(b"x" * 100_000) == [BodyChunk(b"x" * 100_000)]
    assert not client.has_more


def test_a_status_line_without_an_end_is_refused():
    with pytest.raises(ResponseTooLarge):
        Client().receive(b"+OK " + b"x" * 20_000)


def test_what_comes_behind_the_word_for_tls_is_seen():
    client = greeted()
    client.send(Stls())
    assert client.receive(b"+OK begin\r\n+O") == [Response(True, "begin")]
    assert client.has_more


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([b"+OK\r\n", b"\n.", b".\r\n", b"\r"])))
def test_any_bytes_in_a_streamed_body_raise_nothing_but_a_violation(chunks):
    client = greeted()
    client.send(Retr(1), streams=True)
    client.send(Stat())
    with suppress(ProtocolViolation):
        for chunk in [b"+OK\r\n", *chunks]:
            client.receive(chunk)
