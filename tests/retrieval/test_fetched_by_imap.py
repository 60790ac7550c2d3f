"""Mail fetched by IMAP from a running server (N-061, N-062, M-016)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.retrieval import fetching
from tests.retrieval.fetching import add, described, fetch, imap, letter, put, subjects, visited

pytestmark = pytest.mark.spec("N-061", lacks="filters of fetched mail")

LONG_AGO = datetime(2019, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_new_mail_comes_once_with_its_flags_and_its_date(server):
    fetching.open_domain(server, "imap1.example", "reader", "old")
    put(server, "old@imap1.example", letter("read"), flags="\\Seen \\Flagged", at=LONG_AGO)
    put(server, "old@imap1.example", letter("unread"), letter("answered"), flags="\\Answered")
    number = add(server, "reader@imap1.example", "imap", "old@imap1.example")
    assert visited(server, number)["last_count"] == 3
    assert subjects(server, "reader@imap1.example") == ["read", "unread", "answered"]
    assert described(server, "reader@imap1.example")[0] == (
        "\\Flagged \\Seen", "6-May-2019 07:08:09 +0000",
    )  # fmt: skip
    assert [flags for flags, _ in described(server, "reader@imap1.example")[1:]] == [
        "\\Answered", "\\Answered",
    ]  # fmt: skip
    put(server, "old@imap1.example", letter("later"))
    assert fetch(server, number)["last_count"] == 1
    assert fetch(server, number)["last_count"] == 0
    assert len(subjects(server, "reader@imap1.example")) == 4
    assert len(subjects(server, "old@imap1.example")) == 4
    # Nothing was marked as read there.
    assert [flags for flags, _ in described(server, "old@imap1.example")].count("") == 1


def test_flags_that_change_there_change_here(server, dovecot_ports):
    """Where the other server keeps MODSEQs. RFC 7162."""
    fetching.open_domain(server, "imap2.example", "reader")
    with fetching.dovecots(dovecot_ports, "flags") as there:
        there.put(letter("one"), letter("two"), letter("three"))
        there.put(letter("four"), flags="\\Flagged")
        number = there.add_to(server, "reader@imap2.example")
        assert visited(server, number)["last_count"] == 4
        assert described(server, "reader@imap2.example")[3][0] == "\\Flagged"
        with imap(server, "reader@imap2.example") as client:
            client.select()
            client.store("3", "+FLAGS", "\\Flagged")  # by the reader himself
        there.client.select()
        there.client.store("1", "+FLAGS", "\\Seen")
        there.client.store("4", "-FLAGS", "\\Flagged")
        assert fetch(server, number)["last_count"] == 0
    assert [flags for flags, _ in described(server, "reader@imap2.example")] == [
        "\\Seen", "", "\\Flagged", "",
    ]  # fmt: skip


def test_the_tree_of_a_server_with_other_separators_comes_too(server, dovecot_ports):
    fetching.open_domain(server, "imap7.example", "reader")
    with fetching.dovecots(dovecot_ports, "tree") as there:
        there.put(letter("in"))
        there.put(letter("deep"), folder="Projects.2024")
        number = there.add_to(server, "reader@imap7.example", "all_folders=on")
        assert visited(server, number)["last_count"] == 2
    assert subjects(server, "reader@imap7.example", "Projects/2024") == ["deep"]


def test_all_folders_come_with_their_tree(server):
    fetching.open_domain(server, "imap3.example", "reader", "old")
    there = "old@imap3.example"
    put(server, there, letter("in"))
    put(server, there, letter("sent"), folder="Sent")
    put(server, there, letter("deep"), folder="Projects/2024/Spring")
    put(server, there, letter("ü"), folder="Entw&APw-rfe")
    number = add(server, "reader@imap3.example", "imap", there, "all_folders=on")
    assert visited(server, number)["last_count"] == 4
    for folder, subject in (
        ("INBOX", "in"), ("Sent", "sent"), ("Projects/2024/Spring", "deep"),
        ("Entw&APw-rfe", "ü"),
    ):  # fmt: skip
        assert len(subjects(server, "reader@imap3.example", folder)) == 1, subject
    assert fetch(server, number)["last_count"] == 0


def test_below_another_folder_the_tree_is_kept_apart(server):
    fetching.open_domain(server, "imap4.example", "reader", "old")
    put(server, "old@imap4.example", letter("in"))
    put(server, "old@imap4.example", letter("sent"), folder="Sent")
    number = add(
        server, "reader@imap4.example", "imap", "old@imap4.example", "all_folders=on",
        "target_folder=Old account",
    )  # fmt: skip
    assert visited(server, number)["last_count"] == 2
    assert subjects(server, "reader@imap4.example", "Old account") == ["in"]
    assert subjects(server, "reader@imap4.example", "Old account/Sent") == ["sent"]
    assert subjects(server, "reader@imap4.example", "Sent") == []


def test_what_is_moved_is_gone_there_and_safe_here(server):
    fetching.open_domain(server, "imap5.example", "reader", "old")
    put(server, "old@imap5.example", letter("one"), letter("two"))
    number = add(server, "reader@imap5.example", "imap", "old@imap5.example", "afterwards=delete")
    assert visited(server, number)["last_count"] == 2
    assert subjects(server, "old@imap5.example") == []
    put(server, "old@imap5.example", letter("three"))
    assert fetch(server, number)["last_count"] == 1
    assert subjects(server, "old@imap5.example") == []
    assert subjects(server, "reader@imap5.example") == ["one", "two", "three"]


def test_with_new_uids_nothing_comes_again(server):
    """A folder that was made anew has another UIDVALIDITY. RFC 9051 §2.3.1.1."""
    fetching.open_domain(server, "imap6.example", "reader", "old")
    put(server, "old@imap6.example", letter("kept"), letter("also kept"), folder="Box")
    number = add(server, "reader@imap6.example", "imap", "old@imap6.example", "all_folders=on")
    assert visited(server, number)["last_count"] == 2
    with imap(server, "old@imap6.example") as client:
        client.rename("Box", "Elsewhere")
        client.create("Box")
        client.select("Elsewhere")
        client.copy("1:*", "Box")
        client.close()
        client.delete("Elsewhere")
    put(server, "old@imap6.example", letter("new"), folder="Box")
    assert fetch(server, number)["last_count"] == 1
    assert subjects(server, "reader@imap6.example", "Box") == ["kept", "also kept", "new"]
