"""What a session is told of a folder that others change. RFC 3501 §5.2, §5.5, §7.4.1."""

from listeners.imap.folder import OpenFolder
from listeners.imap.selected import Selected
from mailboxes.columns import Row
from protocols.imap.sequence import SequenceSet


def row(uid: int, modseq: int, flags: int = 0, keywords: str = "") -> Row:
    return Row(uid, flags, keywords, modseq, 100, 0)


def folder_of(*uids: int) -> OpenFolder:
    folder = OpenFolder(1, uidvalidity=7, recent_uid=100)
    folder.apply([row(uid, 1) for uid in uids], [], 1)
    return folder


def look_at(folder: OpenFolder) -> Selected:
    return Selected(folder, "INBOX", is_read_only=False, on_news=lambda: None)


def told(session: Selected, *, may_expunge: bool = True) -> list[bytes]:
    return b"".join(session.report(may_expunge=may_expunge)).split(b"\r\n")[:-1]


def picked(session: Selected, text: bytes, *, by_uid: bool = False) -> list[tuple[int, int]] | None:
    found = session.pick(SequenceSet.parse(text), by_uid=by_uid)
    return None if found is None else [tuple(pick) for pick in found]


def test_new_messages_are_told_with_their_number():
    folder = folder_of(1, 2)
    session = look_at(folder)
    assert not session.has_news
    folder.apply([row(5, 2)], [], 2)
    assert session.has_news
    assert told(session) == [b"* 3 EXISTS", b"* 0 RECENT"]
    assert not session.has_news


def test_expunged_messages_keep_their_numbers_until_told():
    folder = folder_of(1, 2, 3, 4)
    session = look_at(folder)
    folder.apply([row(9, 3)], [2, 4], 3)
    assert told(session, may_expunge=False) == [b"* 5 EXISTS", b"* 0 RECENT"]
    assert session.has_news
    assert picked(session, b"1:*") == [(1, 0), (3, 1), (5, 2)]
    assert told(session) == [b"* 4 EXPUNGE", b"* 2 EXPUNGE"]
    assert picked(session, b"1:*") == [(1, 0), (2, 1), (3, 2)]
    assert not session.has_news
    assert session.uids is folder.uids


def test_message_that_came_and_went_is_never_told():
    folder = folder_of(1)
    session = look_at(folder)
    folder.apply([row(2, 2)], [], 2)
    folder.apply([], [2], 3)
    assert told(session) == []
    assert not session.has_news


def test_flags_changed_by_others_are_told_once():
    folder = folder_of(1, 2)
    one, other = look_at(folder), look_at(folder)
    folder.apply([row(2, 2, flags=1, keywords="$Junk")], [], 2)
    one.knows(2, 2)
    assert told(one) == []
    assert told(other) == [b"* 2 FETCH (UID 2 FLAGS (\\Seen $Junk))"]
    assert told(other) == []
    folder.apply([row(2, 3)], [], 3)
    assert told(one) == [b"* 2 FETCH (UID 2 FLAGS ())"]


def test_old_rows_change_nothing():
    folder = folder_of(1)
    session = look_at(folder)
    folder.apply([row(1, 5, flags=1)], [], 5)
    folder.apply([row(1, 4, flags=0)], [], 4)
    assert told(session) == [b"* 1 FETCH (UID 1 FLAGS (\\Seen))"]
    assert folder.modseq == 5


def test_uids_that_are_not_there_are_ignored_and_numbers_are_not():
    session = look_at(folder_of(3, 5, 9))
    assert picked(session, b"1:4,6:8,99", by_uid=True) == [(1, 0)]
    assert picked(session, b"99:*", by_uid=True) == [(3, 2)]
    assert picked(session, b"4") is None
    assert picked(look_at(folder_of()), b"1:*") == []
    assert picked(look_at(folder_of()), b"1") is None
    assert picked(look_at(folder_of()), b"1:*", by_uid=True) == []


def test_the_first_session_has_new_messages_as_recent():
    folder = OpenFolder(1, uidvalidity=7, recent_uid=1)
    folder.apply([row(uid, 1) for uid in (1, 2, 3)], [], 1)
    first, second = look_at(folder), look_at(folder)
    assert (first.recent_count, second.recent_count) == (2, 0)
    assert first.flags_text(2, folder.states[1]) == b"FLAGS (\\Recent)"
    folder.apply([row(8, 2)], [], 2)
    assert told(second) == [b"* 4 EXISTS", b"* 1 RECENT"]
    assert told(first) == [b"* 4 EXISTS", b"* 2 RECENT"]


def test_news_that_all_have_been_told_take_no_room():
    folder = folder_of(1)
    session = look_at(folder)
    for modseq in range(2, 2000):
        folder.apply([row(1, modseq, flags=modseq % 2)], [], modseq)
        told(session)
    assert len(folder.changed.since(session.changed_at)) == 0
    assert folder.changed._dropped > 1500
