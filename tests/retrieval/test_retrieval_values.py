"""What is decided from values alone: names of folders, places, flags, names of messages."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes import folders
from mailboxes.models import Flag
from retrieval import tree
from retrieval.imapfetching import flags_of, micros_of, wanted
from retrieval.popfetching import named
from retrieval.remote.imap import RemoteFolder
from retrieval.remote.pop3 import Pop3Item
from retrieval.takingin import mark_of
from retrieval.work import Found, is_marked
from spool.placing import Placing, PlacingMalformed

STANDARD = {"\\sent": "Sent", "\\trash": "Deleted"}


@pytest.mark.parametrize(
    ("name", "use", "target", "here"),
    [
        ("INBOX", "", "INBOX", "INBOX"),
        ("inbox", "", "Old", "Old"),
        ("Gesendet", "\\Sent", "INBOX", "Sent"),
        ("Gesendet", "\\Sent", "Old", "Old/Gesendet"),
        ("a/b", "", "INBOX", "a/b"),
        ("Inbox/b", "", "INBOX", "INBOX/b"),
        ("a/b", "", "Old/2024", "Old/2024/a/b"),
        ("a//b/", "", "INBOX", "a/b"),
        ("a*b/%", "", "INBOX", "a_b/_"),
        ("///", "", "INBOX", "INBOX"),
        ("x" * 400, "", "INBOX", "x" * 250),
    ],
)
def test_a_folder_there_becomes_a_folder_here(name, use, target, here):
    assert tree.local_name(name, use, target=target, standard=STANDARD) == here


@given(st.text(max_size=400), st.sampled_from(["", "\\Sent", "\\Junk"]), st.sampled_from(
    ["INBOX", "Old", "/".join("abcdefgh" * 4)]
))  # fmt: skip
def test_whatever_it_is_called_there_it_can_be_made_here(name, use, target):
    here = tree.local_name(name, use, target=target, standard=STANDARD)
    assert folders.check_name(here) == here


@given(st.none() | st.integers(1, 2**63 - 1), st.integers(0, 31), st.none() | st.integers(0, 2**62))
def test_a_place_is_read_as_it_was_written(folder_id, flags, received_at):
    place = Placing(folder_id, flags, received_at)
    assert Placing.parse(place.encode()) == place and len(place.encode()) <= 60


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader_of_places(text):
    with contextlib.suppress(PlacingMalformed):
        Placing.parse(text)


@given(st.lists(st.sampled_from(["a", "b", "c d", "!", "~" * 255]), max_size=30))
def test_messages_with_one_uidl_are_told_apart(uidls):
    items = [Pop3Item(number, uidl, 1) for number, uidl in enumerate(uidls, 1)]
    visible = [item for item in items if " " not in item.uidl]
    found = named(visible)
    assert list(found.values()) == visible
    assert all(len(key) <= 270 for key in found)


@given(st.binary(max_size=400))
def test_only_a_field_of_the_head_marks_a_message(octets):
    mark = mark_of(7)
    assert is_marked(mark + octets, 7)
    assert is_marked(b"Subject: x\r\n" + mark.upper() + b"\r\n" + octets, 7)
    assert not is_marked(b"Subject: x\r\n\r\n" + mark + octets.replace(mark, b""), 7)
    assert not is_marked(b"Subject: x\r\n" + mark_of(8) + b"\r\n", 7)


def test_flags_of_the_system_are_kept_and_no_others():
    assert flags_of(["\\Seen", "\\ANSWERED", "$Junk", "\\Deleted", "\\Recent"]) == (
        Flag.SEEN | Flag.ANSWERED
    )
    assert flags_of(["\\Flagged", "\\Draft"]) == Flag.FLAGGED | Flag.DRAFT


def test_a_date_that_cannot_be_is_not_taken():
    assert micros_of(None) is None
    assert micros_of(datetime(1901, 1, 1, tzinfo=UTC)) is None
    assert micros_of(datetime(9000, 1, 1, tzinfo=UTC)) is None
    assert micros_of(datetime(2001, 1, 1, tzinfo=UTC)) == 978_307_200_000_000


def test_views_and_folders_without_messages_are_not_fetched_and_the_inbox_comes_first():
    def folder(name, use=None, selectable=True, raw=None):
        return RemoteFolder(name, raw or name.encode(), use, selectable)

    found = wanted(
        [
            folder("Archive"), folder("All", "\\All"), folder("Group", selectable=False),
            folder("INBOX"), folder("Starred", "\\Flagged"), folder("nul", raw=b"n\0l"),
        ]
    )  # fmt: skip
    assert [one.name for one in found] == ["INBOX", "Archive"]


def test_what_was_left_is_told_in_a_sentence():
    assert Found().in_words() == ""
    found = Found(too_big=2, limit_bytes=50 << 20, passed_over=1, why="It is locked.")
    assert found.in_words() == (
        "2 messages are larger than the 50 MB that this server takes, and left there."
        " 1 message could not be fetched: It is locked."
    )
