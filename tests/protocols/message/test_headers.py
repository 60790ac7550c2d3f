from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.message import headers, words

BLOCK = (
    b"From someone Thu Jan  1 00:00:00 1970\n"
    b"Received: from a\r\n\tby b;\r\n now\r\n"
    b"RECEIVED: from c\r\n"
    b"Subject :  folded\r\n \tonce\r\n"
    b"Empty:\r\n"
    b"not a field\r\n"
    b"To: a@example.org\r\n\r\nBody: no\r\n"
)


def test_first_field_is_found_by_any_case_and_unfolded():
    assert headers.first(BLOCK, b"SUBJECT") == b"folded \tonce"
    assert headers.first(BLOCK, b"empty") == b""
    assert headers.first(BLOCK, b"body") is None


def test_all_fields_of_a_name_come_in_order_and_count_the_hops():
    assert headers.every(BLOCK, b"received") == [b"from a\tby b; now", b"from c"]
    assert headers.count_hops(headers.fields(BLOCK)) == 2


def test_body_starts_behind_the_first_blank_line():
    assert headers.body_start(b"a: b\n\nbody") == 6
    assert headers.body_start(b"a: b\r\n\r\nbody") == 8
    assert headers.body_start(b"\r\nbody") == 2
    assert headers.body_start(b"a: b") == 4


def test_selected_fields_are_given_as_written():
    assert headers.selected(BLOCK, [b"TO", b"subject"]) == (
        b"Subject :  folded\r\n \tonce\r\nTo: a@example.org\r\n\r\n"
    )
    assert headers.selected(BLOCK, [b"to", b"received", b"subject"], others=True) == (
        b"Empty:\r\n\r\n"
    )


def test_a_value_cannot_add_a_field():
    line = headers.field("Subject", "a\r\nBcc: everybody@example.org\u2028x")
    assert line == b"Subject: a Bcc: everybody@example.org x\r\n"
    with pytest.raises(headers.FieldNameInvalid):
        headers.field("X: y\r\nBcc", "a")


def test_long_values_are_folded_at_blanks():
    line = headers.field("Subject", "word " * 40 + "end")
    assert all(len(one) <= 78 for one in line.split(b"\r\n"))
    assert headers.unfold(line.partition(b":")[2]) == b"word " * 40 + b"end"


@settings(max_examples=200)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_an_error(block):
    headers.count_hops(headers.fields(block))
    headers.selected(block, [b"subject"])
    headers.selected(block, [b"subject"], others=True)
    words.decode(block)


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_encoded_words_come_back_as_the_same_text(text):
    text = text.replace("\n", " ").replace("\r", " ")
    encoded = words.encode(text)
    assert encoded.isascii()
    assert words.decode(encoded) == text
    if encoded.startswith(b"=?"):
        assert all(len(word) <= 75 for word in encoded.split(b" "))


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_a_built_field_is_one_field(text):
    line = headers.field("Subject", text)
    assert line.endswith(b"\r\n")
    assert len(headers.fields(line + b"\r\n")) == 1
    assert all(part[:1] in (b" ", b"S") and part.strip() for part in line[:-2].split(b"\r\n"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?= <x>", "Patrik Fältström <x>"),
        (b"=?utf-8?b?w6Q=?= =?utf-8?b?w7Y=?=", "äö"),
        (b"=?utf-8?q?=C3?=\r\n =?utf-8?q?=A4?=", "ä"),  # one character over two words
        (b"=?utf-8?b?w6Q?=", "ä"),  # padding forgotten
        (b"=?nonsense?q?abc?=", "abc"),
        (b"=?idna?q?abc?=", "abc"),
        (b"a =?us-ascii*en?q?b?= c", "a b c"),
        ("grün".encode(), "grün"),
        ("grün".encode("latin-1"), "grün"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),
    ],
)
def test_encoded_words_as_they_come_in_life(value, text):
    assert words.decode(value) == text
