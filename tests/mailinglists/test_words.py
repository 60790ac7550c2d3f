"""What is read from outside: files of subscribers, and words of return paths and links."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blobs.ids import MAX_ID
from mailinglists import signedids, subscribercsv, texts
from mailinglists.addresses import LONGEST_NAME_BYTES
from mailinglists.errors import FileRefused
from protocols.address import Address

NUMBERS = st.integers(0, MAX_ID)


@given(NUMBERS)
def test_what_is_signed_is_read_again_whatever_its_case_and_by_nothing_else(number):
    path = Address.parse(signedids.return_path("news", "one.example", number)).local_part
    assert signedids.returned_to(path) == number
    assert signedids.returned_to(path.upper()) == number
    word = signedids.link_word(number)
    assert signedids.linked(word) == number
    assert signedids.token_of(word) is None
    assert signedids.linked(signedids.token_text(number)) is None
    assert signedids.returned_to(f"news-bounces+{word}") is None


@given(NUMBERS, st.integers(0, 32), st.sampled_from("0123456789abcdefghjkmnpqrstvwxyz"))
def test_one_other_character_makes_a_word_nobodys(number, place, character):
    word = signedids.link_word(number)
    changed = word[:place] + character + word[place + 1 :]
    assert (signedids.linked(changed) == number) is (changed == word)


@given(st.text(max_size=40))
@example("ſ" * 33)
def test_any_word_is_taken(word):
    assert signedids.linked(word) is None
    assert signedids.token_of(word) is None
    assert signedids.returned_to(word) is None


def test_the_return_path_of_the_longest_name_keeps_within_64_octets():
    path = signedids.return_path("n" * LONGEST_NAME_BYTES, "one.example", MAX_ID)
    assert len(path.rpartition("@")[0]) <= 64  # RFC 5321 §4.5.3.1.1


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@example(b"\xef\xbb\xbfaddress\n\x00")
@example(b'a,"b\n')
def test_any_file_is_read_or_refused(content):
    try:
        rows = list(subscribercsv.read(content))
    except FileRefused:
        return
    assert all(row.mode in ("standard", "digest") for row in rows)


@pytest.mark.parametrize(
    "content",
    ["kim@a.test,Kim\nlee@a.test,\n", "kim@a.test\tKim\nlee@a.test\n",
     "Name;Email\nKim;kim@a.test\n;lee@a.test\n\n"],
)  # fmt: skip
def test_files_come_with_heads_and_without_and_by_several_delimiters(content):
    rows = list(subscribercsv.read(content.encode()))
    assert [(row.address, row.name) for row in rows] == [("kim@a.test", "Kim"), ("lee@a.test", "")]


@given(st.text(max_size=60))
def test_a_text_of_a_list_is_kept_with_line_feeds_or_refused(value):
    text = texts.read("footer_text", value)
    if isinstance(text, str):
        assert "\r" not in text
        assert texts.read("footer_text", text) == text
