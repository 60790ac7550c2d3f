"""Message sets. RFC 3501 §9."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.imap.errors import Malformed
from protocols.imap.sequence import MAX_RANGES, STAR, SequenceSet, encode_numbers

NUMBERS = st.one_of(st.integers(1, 30), st.integers(1, STAR - 1), st.just(STAR))
RANGES = st.lists(
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=8
)


def resolved(text: bytes, largest: int) -> list[tuple[int, int]]:
    return SequenceSet.parse(text).resolve(largest)


def test_star_is_the_largest_number_in_use():
    assert resolved(b"*", 7) == [(7, 7)]
    assert resolved(b"3:*", 7) == [(3, 7)]


def test_range_from_beyond_the_end_to_star_holds_the_last_message():
    # RFC 3501 §6.4.8: 559:* names the last message even if its UID is below 559.
    assert resolved(b"559:*", 7) == [(7, 559)]


def test_ranges_may_be_written_backwards():
    assert resolved(b"4:2", 9) == [(2, 4)]
    assert resolved(b"*:2", 9) == [(2, 9)]


def test_ranges_that_overlap_or_touch_become_one():
    assert resolved(b"5,1:3,4,2,9:10", 10) == [(1, 5), (9, 10)]


def test_star_in_an_empty_folder_is_nothing():
    assert resolved(b"*,1:*", 0) == []


@pytest.mark.parametrize(
    "text",
    [b"", b"0", b"1,", b",1", b"1::2", b":", b"1:2:3", b"4294967296", b"99999999999", b"1:0"],
)
def test_malformed_sets_are_refused(text):
    with pytest.raises(Malformed):
        SequenceSet.parse(text)


def test_a_set_has_a_bounded_number_of_ranges():
    with pytest.raises(Malformed):
        SequenceSet.parse(b"1," * MAX_RANGES + b"1")


@given(RANGES)
def test_parsing_undoes_encoding(ranges):
    assert SequenceSet.parse(SequenceSet(tuple(ranges)).encode()).ranges == tuple(ranges)


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(1, 30) | st.just(STAR), st.integers(1, 30) | st.just(STAR)),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 40),
)
def test_resolved_ranges_hold_what_the_set_names(pairs, largest):
    meant = set()
    for pair in pairs:
        low, high = sorted(largest if number == STAR else number for number in pair)
        meant.update(range(low, high + 1))
    ranges = SequenceSet(tuple((min(pair), max(pair)) for pair in pairs)).resolve(largest)
    assert {number for low, high in ranges for number in range(low, high + 1)} == meant
    assert all(after[0] > before[1] + 1 for before, after in zip(ranges, ranges[1:], strict=False))


@given(st.sets(st.integers(1, 60), max_size=40))
def test_numbers_encode_to_the_shortest_set(numbers):
    text = encode_numbers(sorted(numbers))
    ranges = SequenceSet.parse(text).ranges if text else ()
    assert {number for low, high in ranges for number in range(low, high + 1)} == numbers
    assert all(after[0] > before[1] + 1 for before, after in zip(ranges, ranges[1:], strict=False))
