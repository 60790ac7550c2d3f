"""Some fields of a header. RFC 3501 §6.4.5."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listeners.imap.sections import filtered
from protocols.imap.fetch import Section, Text
from protocols.message import headers

HEADER = b"A: 1\r\nb : 2\r\n folded\r\nC: 3\r\na: 4\r\n\r\n"


def fields(header: bytes, *names: str, others: bool = False) -> bytes:
    text = Text.HEADER_FIELDS_NOT if others else Text.HEADER_FIELDS
    return filtered(header, Section(b"", text=text, fields=names))


@pytest.mark.parametrize(
    ("names", "others", "left"),
    [
        (("A",), False, b"A: 1\r\na: 4\r\n\r\n"),
        (("B", "C"), False, b"b : 2\r\n folded\r\nC: 3\r\n\r\n"),
        (("A",), True, b"b : 2\r\n folded\r\nC: 3\r\n\r\n"),
        (("NONE",), False, b"\r\n"),
        (("NONE",), True, HEADER),
    ],
)
def test_fields_are_chosen_by_name(names, others, left):
    assert fields(HEADER, *names, others=others) == left


def test_names_are_no_patterns():
    assert fields(b"Xay: 1\r\nX.y: 2\r\n\r\n", "X.Y") == b"X.y: 2\r\n\r\n"


NAMES = st.sampled_from(["A", "Ab", "B", "X-Long"])
LINES = st.lists(
    st.tuples(NAMES, st.text("ab: \t", max_size=8), st.booleans()).map(
        lambda line: f"{line[0]}: {line[1]}\r\n{' folded' if line[2] else 'Z: end'}\r\n"
    ),
    max_size=6,
)


@given(LINES, st.lists(NAMES, min_size=1, max_size=3, unique=True), st.booleans())
def test_agrees_with_reading_field_by_field(lines, names, others):
    header = "".join([*lines, "\r\n"]).encode()
    plain = headers.selected(header, [name.encode() for name in names], others=others)
    assert fields(header, *[name.upper() for name in names], others=others) == plain
