"""Which fields of a header say that a scanner took the message for spam."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.message import headers
from protocols.message.spammarks import mark_in


def marked(*lines: bytes) -> str:
    return mark_in(headers.fields(b"\r\n".join((b"From: a@b.test", *lines, b"", b"body"))))


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        (b"X-Spam-Flag: YES", "X-Spam-Flag"),
        (b"x-spam-flag:yes ", "X-Spam-Flag"),
        (b"X-Spam-Flag: NO", ""),
        (b"X-Spam-Flag: YES, surely", ""),
        (b"X-Spam-Status: Yes, score=17.2 required=5.0", "X-Spam-Status"),
        (b"X-Spam-Status: Yes,\r\n\tscore=17.2", "X-Spam-Status"),
        (b"X-Spam-Status: YES", "X-Spam-Status"),
        (b"X-Spam-Status: Yesterday", ""),
        (b"X-Spam-Status: No, score=0.1", ""),
        (b"X-Spam-Score: 17", ""),
        (b"Subject: X-Spam-Flag: YES", ""),
        (b"X-Spam-Flags: YES", ""),
    ],
)
def test_a_mark_is_known_by_its_field_and_its_first_word(line: bytes, mark: str) -> None:
    assert marked(line) == mark


def test_who_writes_no_before_the_scanner_writes_yes_is_not_believed() -> None:
    assert marked(b"X-Spam-Flag: NO", b"X-Spam-Flag: YES") == "X-Spam-Flag"
    assert marked(b"X-Spam-Flag: NO", b"X-Spam-Status: Yes, score=9") == "X-Spam-Status"


def test_a_mark_in_the_body_is_text() -> None:
    assert marked(b"", b"X-Spam-Flag: YES") == ""


NAMES = st.sampled_from([b"X-Spam-Flag", b"x-spam-STATUS", b"Subject"]) | st.binary(max_size=20)
VALUES = st.sampled_from([b"YES", b"yes,", b" No", b"Yes\r\n\tscore=1"]) | st.binary(max_size=200)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8))
def test_any_header_is_marked_by_a_field_it_has_or_not_at_all(
    listed: list[tuple[bytes, bytes]],
) -> None:
    mark = mark_in(listed)
    assert mark in ("", "X-Spam-Flag", "X-Spam-Status")
    saying = [value for name, value in listed if mark and name.lower() == mark.lower().encode()]
    assert not mark or any(value.strip().lower().startswith(b"yes") for value in saying)


@given(st.binary(max_size=2_000))
def test_whatever_is_handed_in_is_read(head: bytes) -> None:
    assert mark_in(headers.fields(head)) in ("", "X-Spam-Flag", "X-Spam-Status")
