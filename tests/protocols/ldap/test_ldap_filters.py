"""Filters: three truth values, folded comparison, and limits. RFC 4511 §4.5.1.7."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ldap import ber, filters
from protocols.ldap.ber import SEQUENCE, Malformed, Reader
from protocols.ldap.filters import (
    UNDEFINED,
    And,
    Equals,
    Not,
    Or,
    Present,
    Substrings,
    TooComplex,
    fold,
    matches,
)
from tests.listeners.ldap.talk import ALL, equality

ANN = {"cn": ("ann example",), "mail": ("ann@example.com", "ann@example.net")}
TRUE, FALSE = Present("cn"), Present("sn")


def read(octets: bytes):
    return filters.read(Reader(octets))


def substrings(attribute: str, *pieces: tuple[int, str]) -> bytes:
    listed = ber.element(SEQUENCE, *(ber.string(text, tag) for tag, text in pieces))
    return ber.element(0xA4, ber.string(attribute), listed)


@pytest.mark.parametrize(
    ("wanted", "truth"),
    [
        (And(()), True),  # RFC 4526
        (Or(()), False),
        (And((TRUE, UNDEFINED)), None),
        (And((FALSE, UNDEFINED)), False),
        (Or((TRUE, UNDEFINED)), True),
        (Or((FALSE, UNDEFINED)), None),
        (Not(UNDEFINED), None),
        (Not(FALSE), True),
        (Equals("mail", "ann@example.net"), True),
        (Equals("mail", "bob@example.net"), False),
        (Equals("sn", "ann"), False),
        (Not(Equals("sn", "ann")), True),
        (Substrings("cn", "ann", (), ""), True),
        (Substrings("cn", "", ("n e",), "ple"), True),
        (Substrings("cn", "ann", ("ann",), ""), False),
        (Substrings("cn", "ann example", (), "example"), False),  # pieces do not overlap
    ],
)
def test_terms_are_true_false_or_undefined(wanted, truth):
    assert matches(wanted, ANN) is truth


PIECES = st.text("ab", max_size=3)


@given(st.text("ab", max_size=8), PIECES, st.lists(PIECES, max_size=3), PIECES)
def test_parts_of_values_match_as_wildcards_do(value, initial, middle, final):
    pattern = ".*".join(re.escape(each) for each in (initial, *middle, final))
    expected = re.fullmatch(pattern, value) is not None
    assert matches(Substrings("cn", initial, tuple(middle), final), {"cn": (value,)}) is expected


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (ALL, Present("objectClass")),
        (equality("MAIL", "Ann@Example.COM"), Equals("mail", "ann@example.com")),
        (equality("rfc822Mailbox", "a"), Equals("mail", "a")),
        (equality("cn", "  Ann \t Example "), Equals("cn", "ann example")),
        (equality("cn", "ZOË".encode()), Equals("cn", "zoë")),
        (equality("userPassword", "x"), UNDEFINED),
        (equality("cn;lang-de", "x"), UNDEFINED),
        (equality("cn", b"\xff\xfe"), UNDEFINED),
        (equality("cn", b"a\0b"), UNDEFINED),
        (equality("cn", "x", 0xA8), Equals("cn", "x")),  # approximately
        (equality("cn", "x", 0xA5), UNDEFINED),  # greater or equal
        (equality("cn", "x", 0xA6), UNDEFINED),
        (
            substrings("cn", (0x80, "A"), (0x81, "b"), (0x82, "C")),
            Substrings("cn", "a", ("b",), "c"),
        ),
        (substrings("nothing", (0x80, "A")), UNDEFINED),
        (ber.element(0xA9, ber.string("cn", 0x82), ber.string("X", 0x83)), Equals("cn", "x")),
        (ber.element(0xA9, ber.string("1.2.3", 0x81), ber.string("X", 0x83)), UNDEFINED),
        (ber.element(0xA2, ALL), Not(Present("objectClass"))),
        (ber.element(0xA0), And(())),
        (ber.element(0xA1, ALL, ALL), Or((Present("objectClass"),) * 2)),
    ],
)  # fmt: skip
def test_filters_are_read_from_the_wire(octets, expected):
    assert read(octets) == expected


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        ber.string("cn", 0x04),
        ber.string("cn", 0x8F),
        ber.element(0xA2),
        ber.element(0xA3, ber.string("cn")),
        substrings("cn"),
        substrings("cn", (0x82, "a"), (0x80, "b")),
        substrings("cn", (0x82, "a"), (0x82, "b")),
        substrings("cn", (0x84, "a")),
        equality("cn", "a")[:-1],
    ],
)
def test_what_is_no_filter_is_malformed(octets):
    with pytest.raises(Malformed):
        read(octets)


def nested(depth: int) -> bytes:
    octets = ALL
    for _ in range(depth):
        octets = ber.element(0xA2, octets)
    return octets


def test_depth_and_number_of_terms_have_limits():
    read(nested(filters.DEEPEST))
    read(ber.element(0xA1, *[ALL] * (filters.MOST_TERMS - 1)))
    for octets in (
        nested(filters.DEEPEST + 1),
        nested(5_000),
        ber.element(0xA1, *[ALL] * filters.MOST_TERMS),
        substrings("cn", *[(0x81, "a")] * (filters.MOST_TERMS + 1)),
    ):
        with pytest.raises(TooComplex):
            read(octets)


@given(st.binary(max_size=80), st.sampled_from([0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0x87, 0xA9]))
def test_no_octets_raise_anything_but_malformed(octets, tag):
    for each in (octets, ber.element(tag, octets)):
        try:
            read(each)
        except (Malformed, TooComplex):
            continue


@given(st.text())
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)
