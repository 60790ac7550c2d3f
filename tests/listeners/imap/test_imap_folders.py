"""LIST, CREATE, RENAME, DELETE, SUBSCRIBE, STATUS, SELECT and quotas through a real socket."""

import re

import pytest

from mailboxes.models import Folder
from tests.listeners.imap.conftest import MESSAGE


def names(lines: list[bytes]) -> list[bytes]:
    return [line.rsplit(b'"', 2)[-2] for line in lines]


@pytest.mark.spec("N-041")
def test_every_mailbox_has_the_standard_folders(alice):
    session = alice()
    assert session.ok(b'LIST "" *') == [
        b'* LIST (\\HasNoChildren) "/" "INBOX"',
        b'* LIST (\\HasNoChildren \\Trash) "/" "Deleted"',
        b'* LIST (\\HasNoChildren \\Drafts) "/" "Drafts"',
        b'* LIST (\\HasNoChildren \\Junk) "/" "Junk"',
        b'* LIST (\\HasNoChildren \\Sent) "/" "Sent"',
    ]
    assert names(session.ok(b'LSUB "" *')) == [b"INBOX", b"Deleted", b"Drafts", b"Junk", b"Sent"]


def test_folders_are_created_with_their_parents_renamed_and_deleted(alice):
    session = alice()
    session.ok(b'CREATE "Work/2026/Entw&APw-rfe"')
    assert names(session.ok(b'LIST "" Work*')) == [b"Work", b"Work/2026", b"Work/2026/Entw&APw-rfe"]
    session.ok(b"RENAME Work/2026 Archive/Old")
    assert names(session.ok(b'LIST "" *r*/*')) == [b"Archive/Old", b"Archive/Old/Entw&APw-rfe"]
    session.ok(b"DELETE Archive/Old")
    assert session.ok(b'LIST "" Archive/%') == [
        b'* LIST (\\Noselect \\HasChildren) "/" "Archive/Old"'
    ]
    assert session.refused(b"SELECT Archive/Old").startswith(b"NO [NONEXISTENT]")


def test_other_sessions_see_new_folders(alice):
    one, other = alice(), alice()
    other.ok(b'LIST "" *')
    one.ok(b"CREATE New")
    assert names(other.ok(b'LIST "" New')) == [b"New"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"CREATE INBOX", b"NO [ALREADYEXISTS]"),
        (b"CREATE Sent", b"NO [ALREADYEXISTS]"),
        (b'CREATE "a//b"', b"NO [CANNOT]"),
        (b'CREATE "a*"', b"NO [CANNOT]"),
        (b"DELETE INBOX", b"NO [CANNOT]"),
        (b"DELETE Nowhere", b"NO [NONEXISTENT]"),
        (b"RENAME Nowhere Here", b"NO [NONEXISTENT]"),
        (b"RENAME Sent Drafts", b"NO [ALREADYEXISTS]"),
        (b"STATUS Nowhere (MESSAGES)", b"NO [NONEXISTENT]"),
        (b"SELECT Nowhere", b"NO [NONEXISTENT]"),
        (b"CREATE More (USE (\\All))", b"NO [USEATTR]"),
        (b"CREATE More (USE (\\Sent))", b"NO [USEATTR]"),
        (b"GETQUOTA other", b"NO [NONEXISTENT]"),
        (b'SETQUOTA "" (STORAGE 5)', b"NO [NOPERM]"),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(alice, command, code):
    assert alice().refused(command).startswith(code)


def test_folder_with_a_special_use(alice):
    session = alice()
    session.ok(b"CREATE Keep (USE (\\Archive))")
    assert session.ok(b'LIST (SPECIAL-USE) "" Keep RETURN (SPECIAL-USE)') == [
        b'* LIST (\\Archive) "/" "Keep"'
    ]


def test_renaming_inbox_moves_its_messages_and_leaves_it_empty(alice):
    session = alice(b"INBOX")
    session.append()
    assert session.ok(b"RENAME INBOX Old") + session.ok(b"NOOP") == [b"* 1 EXPUNGE"]
    assert b"* 1 EXISTS" in session.ok(b"SELECT Old")
    assert session.ok(b"STATUS INBOX (MESSAGES)") == [b'* STATUS "INBOX" (MESSAGES 0)']


def test_subscriptions_outlive_folders(alice):
    session = alice()
    session.ok(b"CREATE Gone")
    session.ok(b"DELETE Gone")
    assert session.ok(b'LSUB "" G*') == [b'* LSUB (\\Noselect) "/" "Gone"']
    session.ok(b"UNSUBSCRIBE Gone")
    assert session.ok(b'LSUB "" G*') == []
    session.ok(b"SUBSCRIBE Gone")
    assert names(session.ok(b'LIST (SUBSCRIBED) "" G*')) == [b"Gone"]


def test_status_counts(alice):
    session = alice()
    session.append(flags=b"(\\Seen)")
    session.append()
    items = b"MESSAGES RECENT UIDNEXT UNSEEN DELETED SIZE"
    assert session.ok(b"STATUS INBOX (%b)" % items) == [
        b'* STATUS "INBOX" (MESSAGES 2 RECENT 2 UIDNEXT 3 UNSEEN 1 DELETED 0 SIZE %d)'
        % (2 * len(MESSAGE))
    ]
    session.append()
    assert session.ok(b"STATUS INBOX (MESSAGES)") == [b'* STATUS "INBOX" (MESSAGES 3)']
    lines = session.ok(b'LIST "" INBOX RETURN (STATUS (UNSEEN))')
    assert lines[1] == b'* STATUS "INBOX" (UNSEEN 2)'


@pytest.mark.spec("N-041")
def test_select_says_what_a_client_needs(alice):
    session = alice()
    session.append(flags=b"(\\Seen $Work)")
    session.append()
    lines = session.say(b"SELECT INBOX")
    assert lines[0] == b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work)"
    assert lines[1:3] == [b"* 2 EXISTS", b"* 2 RECENT"]
    assert b"[PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Work \\*)]" in lines[3]
    uidvalidity = Folder.objects.get(name="INBOX", account__local_part="alice").uidvalidity
    assert b"[UIDVALIDITY %d]" % uidvalidity in lines[4]
    assert b"[UIDNEXT 3]" in lines[5]
    assert b"[UNSEEN 2]" in lines[6]
    assert lines[7].startswith(b"a OK [READ-WRITE]")
    lines = session.say(b"EXAMINE INBOX")
    assert b"* 0 RECENT" in lines
    assert any(b"[PERMANENTFLAGS ()]" in line for line in lines)
    assert lines[-1].startswith(b"a OK [READ-ONLY]")


def test_failed_select_leaves_no_folder_selected(alice):
    session = alice(b"INBOX")
    session.refused(b"SELECT Nowhere")
    assert session.refused(b"CLOSE").startswith(b"BAD")


def test_deleting_the_selected_folder_ends_its_sessions(alice):
    one, other = alice(), alice()
    one.ok(b"CREATE Work")
    other.ok(b"SELECT Work")
    other.send(b"i IDLE\r\n")
    assert other.line() == b"+ idling"
    one.ok(b"DELETE Work")
    assert other.line().startswith(b"* BYE")


@pytest.mark.spec("U-013")
def test_quota_is_told(alice, world):
    from accounts import directory

    world.alice.quota_mb = 1
    session = alice()
    assert session.ok(b"GETQUOTAROOT INBOX")[0] == b'* QUOTAROOT "INBOX" ""'
    assert re.fullmatch(rb'\* QUOTA "" \(.*\)', session.ok(b'GETQUOTA ""')[0])
    assert directory


def test_namespace_is_flat(alice):
    assert alice().ok(b"NAMESPACE") == [b'* NAMESPACE (("" "/")) NIL NIL']
