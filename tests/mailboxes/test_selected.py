from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailboxes import changes, reading
from mailboxes.changes import Change, Kind, Marked
from mailboxes.directory import Counters
from mailboxes.models import Flag, Folder
from mailboxes.reading import Read
from mailboxes.recent import claim_recent
from mailboxes.selected import SelectedFolder
from mailboxes.watching import SelectedFolders
from switchboard.topics import Topic


def counters(modseq=1, uid_next=1):
    return Counters(1, 7, uid_next, modseq, 0, 0, 0, 0, 0)


def loaded(uids=(), modseq=1):
    folder = SelectedFolder(1, lambda folder: None)
    rows = [(uid, 0, "", modseq) for uid in uids]
    folder.absorb(Read(counters(modseq, max(uids, default=0) + 1), rows))
    return folder


def added(modseq, *uids):
    return Change(Kind.ADDED, modseq, tuple(Marked(uid, 0, "") for uid in uids))


def flagged(modseq, uid, flags, keywords=""):
    return Change(Kind.FLAGS, modseq, (Marked(uid, flags, keywords),))


def expunged(modseq, *uids):
    return Change(Kind.EXPUNGED, modseq, uids=uids)


def test_a_session_is_told_of_new_expunged_and_flagged_messages():
    folder = loaded([3, 5, 7, 9])
    told = []
    view = folder.view(lambda: told.append(1))
    assert not view.has_news
    folder.apply(expunged(2, 3, 7))
    folder.apply(added(3, 12))
    folder.apply(flagged(4, 9, Flag.SEEN, "$x"))
    assert (len(told), view.has_news) == (3, True)
    news = view.take_news(may_expunge=True)
    assert news.expunged == (3, 1)
    assert news.exists == 3
    assert [(n, row.uid, row.flags, row.keywords) for n, row in news.changed] == [(2, 9, 1, "$x")]
    assert not view.has_news
    assert [view.uid(n) for n in (0, 1, 2, 3, 4)] == [None, 5, 9, 12, None]
    assert [view.number(uid) for uid in (3, 5, 12)] == [None, 1, 3]


def test_numbers_stay_while_nothing_may_be_expunged():
    folder = loaded([1, 2, 3])
    view = folder.view(lambda: None)
    folder.apply(expunged(2, 1))
    folder.apply(added(3, 4))
    folder.apply(flagged(4, 3, Flag.SEEN))
    news = view.take_news(may_expunge=False)
    assert (news.expunged, news.exists) == ((), None)
    assert [number for number, _ in news.changed] == [3]
    assert view.uid(1) == 1 and view.has_news
    assert [view.uid(number) for number in (1, 2, 3, 4)] == [1, 2, 3, None]
    news = view.take_news(may_expunge=True)
    assert (news.expunged, news.exists, news.changed) == ((1,), 3, ())
    assert view.uids_in([(1, 3), (4, 2**32)]) == [2, 3, 4]


def test_own_changes_are_not_told():
    folder = loaded([1])
    mine, other = folder.view(lambda: None), folder.view(lambda: None)
    change = flagged(2, 1, Flag.SEEN)
    mine.silence(change)
    folder.apply(change)
    assert mine.take_news(may_expunge=True).changed == ()
    assert len(other.take_news(may_expunge=True).changed) == 1


def test_a_missing_change_is_waited_for_and_asked_for():
    asked = []
    folder = SelectedFolder(1, asked.append)
    folder.absorb(Read(counters(1), []))
    folder.apply(added(3, 2))
    assert (len(folder), asked, folder.misses_changes) == (0, [folder], True)
    folder.apply(added(2, 1))
    assert (list(folder.uids), folder.modseq, folder.misses_changes) == ([1, 2], 3, False)


def test_changes_that_come_while_loading_are_kept():
    asked = []
    folder = SelectedFolder(1, asked.append)
    folder.apply(added(6, 9))
    folder.note_unknown()
    folder.absorb(Read(counters(5, 9), [(8, 0, "", 5)]))
    assert (list(folder.uids), folder.modseq, asked) == ([8, 9], 6, [folder])


operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 3)),
        st.tuples(st.just("flag"), st.integers(0, 30), st.integers(0, 31)),
        st.tuples(st.just("expunge"), st.sets(st.integers(0, 30), max_size=5)),
        st.tuples(st.just("look"), st.booleans()),
        st.tuples(st.just("late"), st.integers(0, 3)),
    ),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(operations)
def test_a_client_that_believes_its_news_knows_the_folder(steps):
    """Changes may come late, twice and out of order: the client's picture ends up true."""
    folder = loaded([])
    view = folder.view(lambda: None)
    truth: dict[int, int] = {}
    client: list[list[int]] = []
    modseq, uid_next = 1, 1
    held: list[Change] = []

    def look(may_expunge):
        news = view.take_news(may_expunge=may_expunge)
        for number in news.expunged:
            del client[number - 1]
        if news.exists is not None:
            for number in range(len(client) + 1, news.exists + 1):
                uid = view.uid(number)
                row = folder.row(uid)
                client.append([uid, row.flags if row else 0])
        for number, row in news.changed:
            assert client[number - 1][0] == row.uid
            client[number - 1][1] = row.flags

    for step in steps:
        change = None
        if step[0] == "add":
            uids = range(uid_next, uid_next + step[1])
            uid_next += step[1]
            modseq += 1
            truth |= dict.fromkeys(uids, 0)
            change = added(modseq, *uids)
        elif step[0] == "flag" and step[1] in truth:
            modseq += 1
            truth[step[1]] = step[2]
            change = flagged(modseq, step[1], step[2])
        elif step[0] == "expunge" and step[1] & truth.keys():
            gone = sorted(step[1] & truth.keys())
            modseq += 1
            for uid in gone:
                del truth[uid]
            change = expunged(modseq, *gone)
        elif step[0] == "look":
            look(step[1])
        elif step[0] == "late" and held:
            folder.apply(held.pop(step[1] % len(held)))
        if change is not None:
            held.append(changes.decode(change.encode()))
    for change in held + held[:1]:
        folder.apply(change)
    look(False)
    look(True)
    assert [tuple(entry) for entry in client] == sorted(truth.items())
    assert folder.modseq == modseq
    assert not view.has_news


@given(st.binary(max_size=40))
def test_any_payload_is_a_change_or_none(payload):
    change = changes.decode(payload)
    assert change is None or changes.decode(change.encode()) == change


def test_a_change_too_large_for_a_note_says_only_look():
    assert added(2, *range(1, 2000)).encode() == b""
    assert expunged(2, *range(1, 2000)).encode() == b""


class Board:
    """Brings notes at once."""

    def __init__(self):
        self.callbacks = {}

    def subscribe(self, topic, key, callback):
        self.callbacks[key] = callback
        return lambda: self.callbacks.pop(key)

    def receive(self, notes):
        for note in notes:
            if note.topic == Topic.FOLDER and note.key in self.callbacks:
                self.callbacks[note.key]([note])


@pytest.fixture
def board():
    from switchboard.carriers import local

    board = Board()
    local.join(board)
    yield board
    local.leave(board)


def test_selected_folders_follow_the_database(board, deliver, new_delivery, account):
    asked = []
    folders = SelectedFolders(board, ask_reading=asked.append)
    [one, _] = deliver(new_delivery(), new_delivery(flags=Flag.SEEN, keywords="$x"))
    folder = folders.begin(one.folder_id)
    assert folders.get(one.folder_id) is None
    folders.absorb(folder, folders.read(folder))
    assert folders.get(one.folder_id) is folder
    view = folder.view(lambda: None)
    assert (list(folder.uids), folder.keywords, folder.uid_next) == ([1, 2], {2: "$x"}, 3)
    deliver(new_delivery())
    assert view.take_news(may_expunge=True).exists == 3
    assert reading.find_changed(folders.known_modseqs()) == []
    board.callbacks.clear()  # notes are lost from here on
    deliver(new_delivery())
    from django.db import connection, transaction

    from mailboxes.expunging import Expunge
    from mailboxes.flags import ChangeFlags, How

    with transaction.atomic(), connection.cursor() as cursor:
        store = ChangeFlags(folder_id=one.folder_id, uids=[2, 4], how=How.ADD, flags=Flag.DELETED)
        ChangeFlags.write_rows([store], cursor)
        gone = Expunge(folder_id=one.folder_id, domain_id=account.domain_id, uids=[2])
        Expunge.write_rows([gone], cursor)
    assert reading.find_changed(folders.known_modseqs()) == [one.folder_id]
    folders.absorb(folder, folders.read(folder))
    news = view.take_news(may_expunge=True)
    assert (news.expunged, news.exists) == ((2,), 3)
    assert folder.row(4).flags == Flag.DELETED
    assert reading.find_changed(folders.known_modseqs()) == []


def test_a_deleted_folder_is_gone_for_its_sessions(board, account):
    from clock.moments import utc_now
    from mailboxes import folders as verbs

    asked = []
    folders = SelectedFolders(board, ask_reading=asked.append)
    verbs.create(account_id=account.pk, name="x", now=utc_now())
    key = Folder.objects.get(account=account, name="x").pk
    folder = folders.begin(key)
    folders.absorb(folder, folders.read(folder))
    verbs.delete(account_id=account.pk, domain_id=account.domain_id, name="x")
    assert asked == [folder]
    folders.absorb(folder, folders.read(folder))
    assert folder.is_gone
    assert folders.get(key) is None


def test_recent_messages_belong_to_one_session(deliver, new_delivery):
    [one, _] = deliver(new_delivery(), new_delivery())
    assert claim_recent(one.folder_id) == 0
    assert claim_recent(one.folder_id) == 2
    deliver(new_delivery())
    assert claim_recent(one.folder_id) == 2
    assert claim_recent(10**9) == 0


@pytest.mark.bench
def test_a_change_of_a_large_folder_costs_little():
    folder = loaded(range(1, 1_000_001))
    view = folder.view(lambda: None)
    started = time.process_time()
    for n in range(100):
        folder.apply(flagged(2 + n, n * 5000 + 1, 1))
        view.take_news(may_expunge=True)
    assert time.process_time() - started < 0.05
