"""Responses paired with the commands that asked for them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.pop3.client import Challenge, Client, ProtocolViolation, Response
from protocols.pop3.commands import (
    Auth,
    AuthResponse,
    Capa,
    Dele,
    List,
    Retr,
    Stat,
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
