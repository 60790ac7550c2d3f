"""LIST and LSUB. RFC 3501 §6.3.8, §6.3.9, RFC 5258 §5, RFC 6154 §2."""

import pytest

from listeners.imap.listing import listed, listed_by_subscription
from mailboxes.directory import FolderEntry, FolderTree
from protocols.imap.server import LOGGED_IN_LIMITS, CommandReader

USES = {"INBOX": "inbox", "Drafts": "drafts", "Work/2026/May": "", "Work/2026": "", "Fruit": ""}
TREE = FolderTree(
    {name: FolderEntry(1, name, use) for name, use in USES.items()},
    frozenset({"INBOX", "Fruit", "Fruit/Banana", "Work/2026/May"}),
    frozenset({"Work", "Work/2026"}),
)


def answers(line: bytes) -> list[str]:
    reader = CommandReader(LOGGED_IN_LIMITS)
    reader.feed(b"a " + line + b"\r\n")
    command = reader.next_event().command
    show = listed if line.startswith(b"LIST") else listed_by_subscription
    return [response.encode().decode().strip() for response in show(TREE, command)]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (b'LIST "" *', ["INBOX", "Drafts", "Fruit", "Work", "Work/2026", "Work/2026/May"]),
        (b'LIST "" %', ["INBOX", "Drafts", "Fruit", "Work"]),
        (b'LIST "" inbox', ["INBOX"]),
        (b"LIST Work/ %", ["Work/2026"]),
        (b'LIST "" Work/%/May', ["Work/2026/May"]),
        (b'LIST "" nothing', []),
        (b'LIST "" (inbox Fr*)', ["INBOX", "Fruit"]),
        (b'LIST (SPECIAL-USE) "" *', ["Drafts"]),
        (b'LIST (SUBSCRIBED) "" *', ["INBOX", "Fruit", "Fruit/Banana", "Work/2026/May"]),
        (b'LSUB "" *', ["INBOX", "Fruit", "Fruit/Banana", "Work/2026/May"]),
        (b'LSUB "" %', ["INBOX", "Fruit", "Work"]),
    ],
)
def test_patterns(line, names):
    assert [answer.rsplit('"')[-2] for answer in answers(line)] == names


def test_empty_pattern_asks_for_the_delimiter():
    assert answers(b'LIST "" ""') == ['* LIST (\\Noselect) "/" ""']


def test_folders_tell_of_children_and_of_their_use():
    assert answers(b'LIST "" D%') == ['* LIST (\\HasNoChildren \\Drafts) "/" "Drafts"']
    assert answers(b'LIST "" Work/2026') == ['* LIST (\\HasChildren) "/" "Work/2026"']


def test_parent_that_is_no_folder_cannot_be_selected():
    assert answers(b'LIST "" Work') == ['* LIST (\\Noselect \\HasChildren) "/" "Work"']


def test_subscribed_names_without_a_folder_are_shown_as_such():
    assert answers(b'LIST (SUBSCRIBED) "" Fruit/*') == [
        '* LIST (\\NonExistent \\Subscribed) "/" "Fruit/Banana"'
    ]
    assert answers(b'LSUB "" Fruit/*') == ['* LSUB (\\Noselect) "/" "Fruit/Banana"']


def test_recursive_match_shows_parents_of_subscribed_folders():
    assert answers(b'LIST (SUBSCRIBED RECURSIVEMATCH) "" %') == [
        '* LIST (\\Subscribed) "/" "INBOX"',
        '* LIST (\\Subscribed) "/" "Fruit" ("CHILDINFO" ("SUBSCRIBED"))',
        '* LIST (\\NonExistent) "/" "Work" ("CHILDINFO" ("SUBSCRIBED"))',
    ]


def test_return_options_ask_for_attributes():
    assert answers(b'LIST "" Fruit RETURN (SUBSCRIBED CHILDREN)') == [
        '* LIST (\\HasNoChildren \\Subscribed) "/" "Fruit"'
    ]
