"""What people type to find mail, read into a filter."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from blobs.ids import MAX_ID, encode_id
from spool.listing import Column, Cursor, CursorMalformed
from spool.models import Origin
from spool.searchbox import FilterMalformed, read_filter
from spool.selection import SpoolFilter, Status
from spool.ways import Way, WayMalformed


@pytest.mark.spec("S-016")
def test_words_and_keys_become_a_filter():
    text = "from:@one.example to:bob@far.test status:HELD priority:7 older:2h origin:relay invoice"
    assert read_filter(text) == SpoolFilter(
        sender="@one.example",
        recipient="bob@far.test",
        status=Status.HELD,
        priority=7,
        older_than=timedelta(hours=2),
        origin=Origin.RELAY,
        words=("invoice",),
    )


def test_a_spool_id_is_the_files_name():
    assert read_filter(encode_id(1234567)).message_id == 1234567
    assert read_filter(f"id:{encode_id(7)}").message_id == 7


@pytest.mark.parametrize(
    "text", ["priority:11", "status:gone", "older:2", "older:999999d", "to:", "id:x", "x" * 2000]
)
def test_what_says_nothing_about_mail_is_refused(text):
    with pytest.raises(FilterMalformed):
        read_filter(text)


KEYS = ["from", "to", "status", "id", "priority", "older", "younger", "origin", "gateway", "x"]


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.text(max_size=20))))
def test_any_text_is_a_filter_or_refused(pairs):
    for text in (" ".join(f"{key}:{value}" for key, value in pairs), "".join(v for _, v in pairs)):
        try:
            found = read_filter(text)
        except FilterMalformed:
            continue
        assert isinstance(str(found), str)


@given(st.text(max_size=60))
@example("host:[::1]:25")
@example("gateway:²")
def test_any_text_is_a_way_or_refused(text):
    try:
        way = Way.parse(text)
    except WayMalformed:
        return
    assert Way.parse(way.encode()) == way


@given(st.sampled_from(list(Column)), st.text(max_size=80))
def test_any_text_is_a_cursor_or_refused(column, text):
    with contextlib.suppress(CursorMalformed):
        Cursor.parse(text, column)


@given(st.integers(0, MAX_ID), st.integers(0, MAX_ID), st.booleans())
def test_a_cursor_is_read_as_it_was_written(value, message_id, is_backward):
    cursor = Cursor(value, message_id, is_backward)
    assert Cursor.parse(cursor.encode(), Column.SIZE) == cursor
    with pytest.raises(CursorMalformed):
        Cursor.parse(cursor.encode(), Column.SENDER)
