"""BER as LDAP uses it, and what is refused of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.ldap import ber
from protocols.ldap.ber import INTEGER, OCTET_STRING, SEQUENCE, Malformed, Reader


@given(st.integers(0, ber.LARGEST_INTEGER), st.binary(max_size=400), st.booleans(), st.text())
def test_what_is_written_is_read_again(number, octets, truth, text):
    written = ber.element(
        SEQUENCE, ber.integer(number), ber.string(octets), ber.boolean(truth), ber.string(text)
    )
    assert ber.size_of(written, SEQUENCE) == len(written)
    reader = Reader(written).enter(SEQUENCE)
    assert reader.integer() == number
    assert reader.octets() == octets
    assert reader.boolean() is truth
    assert reader.text() == text
    assert reader.is_at_end


@given(st.integers(0, 70_000))
def test_lengths_of_every_size_are_told_by_the_header_alone(size):
    written = ber.string(bytes(size))
    for count in range(2, 7):
        told = ber.size_of(written[:count], OCTET_STRING)
        assert told in (None, len(written))
    assert ber.size_of(written[:6], OCTET_STRING) == len(written)


@given(st.binary(max_size=60))
def test_no_octets_raise_anything_but_malformed(octets):
    for read in (
        lambda: ber.size_of(octets, SEQUENCE),
        lambda: Reader(octets).enter().alone(),
        lambda: Reader(octets).octets(),
        lambda: Reader(octets).text(),
        lambda: Reader(octets).integer(),
        lambda: Reader(octets).boolean(),
    ):
        try:
            read()
        except Malformed:
            continue


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x04",  # no length
        b"\x04\x05abc",  # longer than what there is
        b"\x04\x80abc\0\0",  # indefinite
        b"\x04\x85\0\0\0\0\x01a",  # a length of five octets
        b"\x04\x84\xff\xff\xff\xffa",
        b"\x04\x82\x01",  # a length that is cut off
        b"\x1f\x81\x01\x00",  # a tag of several octets
        b"\x24\x03\x04\x01a",  # a string in pieces: RFC 4511 §5.1 forbids it
    ],
)
def test_a_string_is_read_in_its_one_form_only(octets):
    with pytest.raises(Malformed):
        Reader(octets).octets()


@pytest.mark.parametrize("octets", [b"", b"\x80", b"\xff\xff", b"\x00\x80\x00\x00\x00", bytes(6)])
def test_numbers_out_of_range_are_refused(octets):
    with pytest.raises(Malformed):
        Reader(ber.element(INTEGER, octets)).integer()


def test_a_truth_value_is_one_octet():
    for octets in (b"", b"\xff\xff"):
        with pytest.raises(Malformed):
            Reader(ber.element(ber.BOOLEAN, octets)).boolean()


def test_an_element_never_reaches_beyond_what_it_stands_in():
    within = Reader(ber.element(SEQUENCE, b"\x04\x05ab") + b"cdefgh").enter(SEQUENCE)
    with pytest.raises(Malformed):
        within.octets()
