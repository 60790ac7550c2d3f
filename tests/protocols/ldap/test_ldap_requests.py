"""Requests of clients, whole and broken; and how they are cut out of what comes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ldap import ber, controls, requests
from protocols.ldap.attributes import chosen
from protocols.ldap.ber import SEQUENCE, Malformed
from protocols.ldap.controls import Page
from protocols.ldap.filters import UNDEFINED, Equals, Present
from protocols.ldap.requests import (
    Abandon,
    Bind,
    Compare,
    Extended,
    Message,
    Scope,
    Search,
    Unbind,
    Write,
)
from protocols.ldap.server import MESSAGE_BYTES, STRANGER_BYTES, Connection
from tests.listeners.ldap.talk import (
    ALL,
    PAGED,
    abandon,
    bind,
    equality,
    extended,
    message,
    paging,
    search,
)

BASE = "dc=example,dc=com"
UNBIND = ber.element(SEQUENCE, ber.integer(7), ber.element(0x42))
COMPARE = message(
    5, 0x6E, ber.string("uid=a"), ber.element(SEQUENCE, ber.string("cn"), ber.string("X"))
)
SAMPLES = [
    bind(1, "ann@example.com", "secret"),
    search(2, equality("mail", "a@b.c"), attributes=("cn", "mail"), controls=paging(3, b"x")),
    COMPARE,
    abandon(6, 5),
    extended(8, "1.2.3"),
    UNBIND,
]


def test_every_request_is_read():
    assert requests.parse(SAMPLES[0]).operation == Bind(3, "ann@example.com", "", b"secret")
    asked = requests.parse(
        search(2, base=BASE, scope=1, size=5, seconds=9, types_only=True, attributes=("cn",))
    )
    assert asked.operation == Search(BASE, Scope.ONE, 5, 9, True, Present("objectClass"), ("cn",))
    assert requests.parse(search(2)).operation.size_limit is None
    assert requests.parse(search(2, scope=3)).operation.scope is None
    assert requests.parse(COMPARE).operation == Compare("uid=a", Equals("cn", "x"))
    assert requests.parse(abandon(6, 5)).operation == Abandon(5)
    assert requests.parse(extended(8, "1.2.3")) == Message(8, Extended("1.2.3"))
    assert requests.parse(UNBIND) == Message(7, Unbind())


def test_binds_by_mechanism_have_or_lack_credentials():
    sasl = ber.element(0xA3, ber.string("plain"), ber.string(b"\0a\0b"))
    parts = ber.integer(3), ber.string("")
    assert requests.parse(message(1, 0x60, *parts, sasl)).operation == Bind(
        3, "", "PLAIN", b"\0a\0b"
    )
    bare = ber.element(0xA3, ber.string("PLAIN"))
    assert requests.parse(message(1, 0x60, *parts, bare)).operation == Bind(3, "", "PLAIN", None)
    unknown = ber.string("x", 0x84)
    assert requests.parse(message(1, 0x60, *parts, unknown)).operation.mechanism == "?"


@pytest.mark.parametrize(
    ("tag", "response", "what"),
    [(0x66, 0x67, "modify"), (0x68, 0x69, "add"), (0x4A, 0x6B, "delete"), (0x6C, 0x6D, "rename")],
)
def test_writes_are_known_by_their_tags_alone(tag, response, what):
    assert requests.parse(message(3, tag, b"anything")).operation == Write(response, what)


def test_a_filter_with_too_many_terms_does_not_hide_the_rest():
    asked = requests.parse(search(2, ber.element(0xA1, *[ALL] * 500), attributes=("mail",)))
    assert asked.operation.filter is None
    assert asked.operation.attributes == ("mail",)


def test_controls_are_read():
    asked = requests.parse(search(2, controls=paging(3, b"xyz")))
    assert controls.asked_page(asked.controls) == Page(3, b"xyz")
    assert not controls.unknown_critical(asked.controls)
    for is_critical in (True, False):
        other = ber.element(
            0xA0, ber.element(SEQUENCE, ber.string("1.2.3"), ber.boolean(is_critical))
        )
        found = requests.parse(search(2, controls=other)).controls
        assert controls.unknown_critical(found) is is_critical
        assert controls.asked_page(found) is None
    for value in (b"", b"\x30\x00", b"abc"):
        control = requests.Control(PAGED, True, value)
        with pytest.raises(Malformed):
            controls.asked_page((control,))


@pytest.mark.parametrize(
    "octets",
    [
        message(0, 0x42),  # numbers begin with 1
        message(1, 0x61),  # a response
        message(1, 0x5F),
        ber.element(SEQUENCE, ber.integer(1)),
        ber.element(SEQUENCE, ber.string("1"), ber.element(0x42)),
        message(1, 0x60, ber.integer(3), ber.string("x")),
        message(1, 0x60, ber.integer(3), ber.string(b"\xff"), ber.string("x", 0x80)),
        search(2, attributes=("cn",) * 300),
        search(1, b""),
        search(1, controls=ber.element(0xA0, *[paging(1)[2:]] * 20)),
        b"",
    ],
)
def test_what_is_no_request_is_malformed(octets):
    with pytest.raises(Malformed):
        requests.parse(octets)


@given(st.sampled_from(SAMPLES), st.data())
def test_broken_requests_raise_only_malformed(octets, data):
    broken = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        requests.parse(bytes(broken[: data.draw(st.integers(0, len(broken)))]))
    except Malformed:
        return


@given(st.lists(st.sampled_from(SAMPLES), max_size=6), st.integers(1, 50))
def test_messages_are_the_same_in_whatever_pieces_they_come(sent, size):
    connection, found = Connection(), []
    octets = b"".join(sent)
    for start in range(0, len(octets), size):
        connection.receive(octets[start : start + size])
        while (one := connection.next_message()) is not None:
            found.append(one)
    assert found == [requests.parse(one) for one in sent]


@given(st.binary(max_size=200))
def test_a_connection_raises_only_malformed(octets):
    connection = Connection()
    connection.receive(octets)
    try:
        while connection.next_message() is not None:
            pass
    except Malformed:
        return


@pytest.mark.parametrize("allowed", [STRANGER_BYTES, MESSAGE_BYTES])
def test_a_message_that_is_too_long_is_refused_by_its_header(allowed):
    connection = Connection()
    connection.allowed_bytes = allowed
    connection.receive(b"\x30\x84" + (allowed - 5).to_bytes(4, "big"))
    with pytest.raises(Malformed, match="too long"):
        connection.next_message()


def test_a_message_of_the_largest_size_is_taken_before_the_buffer_is_full():
    connection = Connection()
    base = "a" * (STRANGER_BYTES - len(search(1, base="")) - 6)
    octets = search(1, base=base)
    assert STRANGER_BYTES - 8 <= len(octets) <= STRANGER_BYTES
    connection.receive(octets)
    assert not connection.is_full
    assert connection.next_message().operation.base == base


def test_what_was_sent_before_tls_never_acts_behind_it():
    connection = Connection()
    connection.receive(SAMPLES[0])
    connection.await_tls()
    connection.receive(SAMPLES[1])
    assert connection.next_message() is None
    connection.tls_started()
    assert connection.next_message() is None
    connection.receive(SAMPLES[2])
    assert connection.next_message() == requests.parse(SAMPLES[2])


def test_attributes_are_chosen_by_any_of_their_names():
    assert chosen(()) is chosen(("*",)) is chosen(("cn", "+")) is None
    assert chosen(("CN", "rfc822mailbox", "2.5.4.4", "nothing")) == {"cn", "mail", "sn"}
    assert chosen(("1.1",)) == frozenset()  # RFC 4511 §4.5.1.8: no attributes


def test_words_for_undefined_terms_have_no_value():
    asked = message(5, 0x6E, ber.string("x"), ber.element(SEQUENCE, ber.string("userPassword"),
                                                          ber.string("secret")))  # fmt: skip
    assert requests.parse(asked).operation.assertion is UNDEFINED


@pytest.mark.fuzz
def test_millions_of_broken_messages_raise_only_malformed():
    dice = random.Random(4511)
    for _ in range(1_000_000):
        broken = bytearray(dice.choice(SAMPLES))
        for _ in range(dice.randint(1, 5)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        try:
            requests.parse(bytes(broken))
        except Malformed:
            continue
