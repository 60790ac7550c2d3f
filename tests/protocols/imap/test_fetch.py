"""What FETCH may ask for. RFC 3501 §6.4.5."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap.errors import Malformed
from protocols.imap.fetch import (
    Attribute,
    DecodedSize,
    FetchItem,
    Partial,
    Section,
    Text,
    Wanted,
    parse_wanted,
)
from protocols.imap.grammar import Cursor


def wanted(text: bytes) -> Wanted:
    return parse_wanted(Cursor(text))


def only(text: bytes) -> FetchItem:
    (item,) = wanted(text).items
    return item


def test_macros_stand_for_lists():
    fast = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE)
    assert wanted(b"fast").items == fast
    assert wanted(b"ALL").items == (*fast, Attribute.ENVELOPE)
    assert wanted(b"FULL").items == (*fast, Attribute.ENVELOPE, Attribute.BODY)


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (b"BODY", Attribute.BODY),
        (b"BODY[]", Section(b"BODY[]")),
        (b"body.peek[]", Section(b"BODY[]", is_peek=True)),
        (b"BODY[HEADER]", Section(b"BODY[HEADER]", text=Text.HEADER)),
        (b"BODY[4.1.MIME]", Section(b"BODY[4.1.MIME]", (4, 1), Text.MIME)),
        (
            b"BODY[4.2.2.1]<0.2048>",
            Section(b"BODY[4.2.2.1]<0>", (4, 2, 2, 1), partial=Partial(0, 2048)),
        ),
        (
            b"BODY[4.2.HEADER.FIELDS.NOT (Date from)]",
            Section(
                b"BODY[4.2.HEADER.FIELDS.NOT (Date from)]",
                (4, 2),
                Text.HEADER_FIELDS_NOT,
                ("DATE", "FROM"),
            ),
        ),
        (b"RFC822", Section(b"RFC822")),
        (b"RFC822.HEADER", Section(b"RFC822.HEADER", text=Text.HEADER, is_peek=True)),
        (b"RFC822.TEXT", Section(b"RFC822.TEXT", text=Text.TEXT)),
        (
            b"BINARY.PEEK[1.2]<5.6>",
            Section(
                b"BINARY[1.2]<5>", (1, 2), partial=Partial(5, 6), is_peek=True, is_decoded=True
            ),
        ),
        (b"BINARY.SIZE[1]", DecodedSize(b"BINARY.SIZE[1]", (1,))),
    ],
)
def test_items(text, item):
    assert only(text) == item


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"()",
        b"FOO",
        b"(FLAGS",
        b"BODY[",
        b"BODY[MIME]",
        b"BODY[1.]",
        b"BODY[0]",
        b"BODY[1.0]",
        b"BODY[HEADER.FIELDS]",
        b"BODY[HEADER.FIELDS ()]",
        b"BODY[]<0>",
        b"BODY[]<0.0>",
        b"BODY[FOO]",
        b"BINARY[TEXT]",
        b"(FAST)",
        b"FLAGS UID",
        b"FLAGS (CHANGEDSINCE)",
        b"FLAGS (VANISHED)",
        b"FLAGS[1]",
        b"BODY[" + b"1." * 64 + b"1]",
        b"BODY.PEEK",
        b"RFC822.SIZE[]",
    ],
)
def test_malformed_items_are_refused(text):
    with pytest.raises(Malformed):
        wanted(text)


def test_only_sections_without_peek_set_seen():
    assert wanted(b"(FLAGS BODY[1])").sets_seen
    assert wanted(b"RFC822").sets_seen
    assert not wanted(b"(ENVELOPE BODY.PEEK[1] RFC822.HEADER)").sets_seen


def test_changed_since_and_vanished():
    assert wanted(b"(FLAGS) (CHANGEDSINCE 12345 VANISHED)") == Wanted(
        (Attribute.FLAGS,), 12345, True
    )


def test_header_fields_may_be_literals():
    item = only(b"BODY[HEADER.FIELDS ({4}\r\nDate)]")
    assert item.label == b"BODY[HEADER.FIELDS (Date)]"


PARTS = st.lists(st.integers(1, 99), max_size=4)
TEXTS = st.sampled_from(["", "HEADER", "TEXT", "HEADER.FIELDS (A B)", "HEADER.FIELDS.NOT (X-Y)"])


@given(PARTS, TEXTS, st.integers(0, 10**9) | st.none())
def test_the_label_of_a_section_reads_as_the_section(part, text, offset):
    spec = ".".join([*map(str, part), *([text] if text else [])])
    partial = "" if offset is None else f"<{offset}.7>"
    item = only(f"BODY[{spec}]{partial}".encode())
    assert item.label == f"BODY[{spec}]{'' if offset is None else f'<{offset}>'}".encode()
    assert item.part == tuple(part)


@given(st.text('BODYPEK.[]<>()HEADRFILST 0123456789{}\r\n"', max_size=40))
def test_anything_like_an_item_is_one_or_malformed(text):
    with contextlib.suppress(Malformed):
        wanted(text.encode())
