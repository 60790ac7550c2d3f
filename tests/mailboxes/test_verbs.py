from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, connections, transaction

from blobs.models import Blob
from mailboxes import selectors
from mailboxes.changes import Kind, Marked
from mailboxes.copying import Copy
from mailboxes.errors import FolderNotFound, KeywordsRefused, QuotaExceeded
from mailboxes.expunging import Expunge
from mailboxes.flags import ChangeFlags, How
from mailboxes.models import AccountUsage, DomainUsage, ExpungedMessage, Flag, Folder, Message
from mailboxes.verify import verify


@pytest.fixture
def inbox(deliver, new_delivery, account):
    """Five messages, the third of them seen; UIDs 1 to 5."""
    deliver(*(new_delivery(flags=Flag.SEEN * (n == 3)) for n in range(1, 6)))
    return Folder.objects.get(account=account, name="INBOX")


@pytest.fixture
def do():
    """Write jobs in a transaction of this thread; the result of the last one."""

    def write(*jobs):
        with transaction.atomic(), connection.cursor() as cursor:
            type(jobs[0]).write_rows(jobs, cursor)
        if jobs[-1].error is not None:
            raise jobs[-1].error
        return jobs[-1].result

    return write


@pytest.fixture(autouse=True)
def counters_stay_right(transactional_db):
    yield
    assert verify() == []


def store(folder, uids, how=How.ADD, **values):
    return ChangeFlags(folder_id=folder.pk, uids=uids, how=how, **values)


def test_flags_are_added_removed_and_replaced(do, inbox):
    done = do(store(inbox, [2, 3, 9], flags=Flag.SEEN | Flag.FLAGGED, keywords=("$Work",)))
    assert done.marked == (Marked(2, 5, "$Work"), Marked(3, 5, "$Work"))
    assert (done.change.kind, done.change.modseq) == (Kind.FLAGS, 3)
    inbox.refresh_from_db()
    assert (inbox.unseen, inbox.deleted, inbox.highest_modseq) == (3, 0, 3)
    done = do(store(inbox, [2], How.REMOVE, flags=Flag.SEEN, keywords=("$WORK",)))
    assert done.marked == (Marked(2, Flag.FLAGGED, ""),)
    done = do(store(inbox, [3], How.REPLACE, flags=Flag.DELETED, keywords=("a", "b", "A")))
    assert done.marked == (Marked(3, Flag.DELETED, "a b"),)
    inbox.refresh_from_db()
    assert (inbox.unseen, inbox.deleted, inbox.highest_modseq) == (5, 1, 5)


def test_nothing_changed_raises_no_modseq(do, inbox):
    assert do(store(inbox, [3], flags=Flag.SEEN)).change is None
    inbox.refresh_from_db()
    assert inbox.highest_modseq == 2


def test_messages_changed_since_are_left_alone(do, inbox):
    do(store(inbox, [2], flags=Flag.SEEN))
    done = do(store(inbox, [1, 2], flags=Flag.FLAGGED, unchanged_since=2))
    assert (done.refused, [m.uid for m in done.marked]) == ((2,), [1])


def test_several_stores_of_one_transaction_have_a_modseq_each(do, inbox):
    jobs = [store(inbox, [n], flags=Flag.SEEN) for n in (1, 2, 4)]
    do(*jobs)
    assert [job.result.change.modseq for job in jobs] == [3, 4, 5]
    inbox.refresh_from_db()
    assert (inbox.highest_modseq, inbox.unseen) == (5, 1)


@pytest.mark.parametrize("keywords", [("a b",), ("",), ("\\Seen",), ("x" * 65,), ("k",) * 65])
def test_impossible_keywords_are_refused(do, inbox, keywords):
    with pytest.raises(KeywordsRefused):
        do(store(inbox, [1], keywords=keywords))


def test_a_folder_that_is_gone_is_not_found(do, inbox):
    inbox.pk += 1000
    for job in (
        store(inbox, [1], flags=1),
        Expunge(folder_id=inbox.pk, domain_id=1),
    ):
        with pytest.raises(FolderNotFound):
            do(job)


def test_expunge_removes_what_is_flagged_and_gives_back_room(do, inbox, account, blob):
    domain_id = account.domain_id
    do(store(inbox, [2, 3, 5], flags=Flag.DELETED))
    do(Expunge(folder_id=inbox.pk, domain_id=domain_id, uids=[1, 5]))
    change = do(Expunge(folder_id=inbox.pk, domain_id=domain_id))
    assert (change.kind, change.uids) == (Kind.EXPUNGED, (2, 3))
    inbox.refresh_from_db()
    assert (inbox.messages, inbox.unseen, inbox.deleted, inbox.bytes) == (2, 2, 0, 200)
    assert inbox.uid_next == 6
    assert AccountUsage.objects.get(account=account).messages == 2
    assert DomainUsage.objects.get(domain=domain_id).bytes == 200
    assert Blob.objects.get(pk=blob.pk).references == 997
    gone = ExpungedMessage.objects.filter(folder=inbox).values_list("uid", "modseq")
    assert sorted(gone) == [(2, 5), (3, 5), (5, 4)]
    assert do(Expunge(folder_id=inbox.pk, domain_id=domain_id)) is None
    do(Expunge(folder_id=inbox.pk, domain_id=domain_id, uids=[1], even_unflagged=True))
    assert list(Message.objects.values_list("uid", flat=True)) == [4]


def copy(source, target, uids, account, **values):
    return Copy(
        source_id=source.pk,
        source_domain_id=account.domain_id,
        uids=uids,
        target_id=target.pk,
        target_account_id=account.pk,
        target_domain_id=account.domain_id,
        **values,
    )


def test_copies_share_the_blob_and_keep_flags_and_dates(do, inbox, account, blob):
    target = Folder.objects.get(account=account, name="Sent")
    do(store(inbox, [2], flags=Flag.ANSWERED, keywords=("$x",)))
    done = do(copy(inbox, target, [2, 3, 77], account))
    assert (done.source_uids, done.target_uids) == ((2, 3), (1, 2))
    assert done.uidvalidity == target.uidvalidity
    rows = Message.objects.filter(folder=target).order_by("uid")
    assert [(row.flags, row.keywords, row.blob_id) for row in rows] == [
        (Flag.ANSWERED, "$x", blob.pk), (Flag.SEEN, "", blob.pk),
    ]  # fmt: skip
    assert Blob.objects.get(pk=blob.pk).references == 1002
    assert AccountUsage.objects.get(account=account).messages == 7


def test_a_copy_that_does_not_fit_copies_nothing(do, deliver, new_delivery, make_account):
    account = make_account(mailbox_size_mb=1)
    deliver(*(new_delivery(owner=account, size_bytes=300 * 1024) for _ in range(2)))
    inbox = Folder.objects.get(account=account, name="INBOX")
    sent = Folder.objects.get(account=account, name="Sent")
    with pytest.raises(QuotaExceeded):
        do(copy(inbox, sent, [1, 2], account))
    assert Message.objects.filter(folder=sent).count() == 0
    done = do(copy(inbox, sent, [1, 2], account, is_move=True))  # needs no room
    assert done.target_uids == (1, 2)


def test_a_move_gives_new_uids_and_leaves_none_behind(do, inbox, account, blob):
    target = Folder.objects.get(account=account, name="Junk")
    before = Message.objects.get(folder=inbox, uid=4).pk
    done = do(copy(inbox, target, [4, 5], account, is_move=True))
    assert (done.source_uids, done.target_uids) == ((4, 5), (1, 2))
    assert (done.expunged.uids, done.expunged.modseq, done.added.modseq) == ((4, 5), 3, 2)
    assert Message.objects.get(folder=target, uid=1).pk == before
    inbox.refresh_from_db()
    target.refresh_from_db()
    assert (inbox.messages, inbox.unseen, target.messages, target.unseen) == (3, 2, 2, 2)
    assert Blob.objects.get(pk=blob.pk).references == 1000
    assert AccountUsage.objects.get(account=account).messages == 5


def test_a_move_within_the_folder_itself_is_a_move(do, inbox, account):
    done = do(copy(inbox, inbox, [1, 2], account, is_move=True))
    assert done.target_uids == (6, 7)
    uids = Message.objects.filter(folder=inbox).order_by("uid").values_list("uid", flat=True)
    assert list(uids) == [3, 4, 5, 6, 7]


def test_a_move_to_another_account_moves_its_room_too(do, inbox, account, make_account, blob):
    other = make_account()
    from clock.moments import utc_now
    from mailboxes import folders

    folders.ensure_standard(account_id=other.pk, now=utc_now())
    target = Folder.objects.get(account=other, name="INBOX")
    job = copy(inbox, target, [1, 2], other, is_move=True)
    job.source_domain_id = account.domain_id
    done = do(job)
    assert done.expunged.uids == (1, 2)
    assert AccountUsage.objects.get(account=account).messages == 3
    assert DomainUsage.objects.get(domain=other.domain).bytes == 200
    assert Blob.objects.get(pk=blob.pk).references == 1000


def test_concurrent_verbs_keep_every_counter_right(do, inbox, account, store, new_delivery):
    target = Folder.objects.get(account=account, name="Junk")
    failures = []

    def work(number):
        try:
            for turn in range(6):
                uid = number * 6 + turn
                job = ChangeFlags(folder_id=inbox.pk, uids=[uid], how=How.ADD, flags=Flag.DELETED)
                store.commit_now(job)
                store.commit_now(copy(inbox, target, [uid + 1], account, is_move=turn % 2 == 0))
                store.commit_now(copy(target, inbox, [turn], account))
                store.commit_now(Expunge(folder_id=inbox.pk, domain_id=account.domain_id))
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    with transaction.atomic(), connection.cursor() as cursor:
        from mailboxes.delivery import deliver

        deliver(cursor, [new_delivery() for _ in range(40)], now=1)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_stored_messages_are_read_with_their_prefix(append, account, new_delivery, deliver, blob):
    from blobs.store import locate, read_body

    body = read_body(locate([blob.pk])[blob.pk])
    prefix = "Return-Path: <a@b>\r\n"
    deliver(new_delivery(prefix=prefix, size_bytes=len(prefix) + len(body)))
    inbox = Folder.objects.get(account=account, name="INBOX")
    assert selectors.known(inbox.pk, [1]) == [None]
    message = selectors.read_messages(inbox.pk, [1, 5])[1]
    whole = prefix.encode() + body
    assert message.read() == whole
    assert (message.size_bytes, message.read_range(5, 30)) == (len(whole), whole[5:30])
    assert message.read_range(0, 4) == b"Retu"
    header, text = message.section((), "HEADER"), message.section((), "TEXT")
    assert whole[slice(*header)] == whole[: whole.index(b"Dear")]
    assert whole[slice(*text)] == b"Dear Bob\r\n"
    assert whole[slice(*message.section((1,)))] == b"Dear Bob\r\n"
    assert message.section((2,)) is None
    assert b'"Hello"' in message.facts.envelope
    assert selectors.known(inbox.pk, [1, 2]) == [message, None]


@pytest.mark.bench
def test_storing_one_flag_costs_at_most_100_microseconds(inbox, do):
    spent = 0.0
    for turn in range(300):
        job = store(inbox, [1 + turn % 5], How.ADD if turn // 5 % 2 else How.REMOVE, flags=2)
        with transaction.atomic(), connection.cursor() as cursor:
            started = time.thread_time()
            ChangeFlags.write_rows([job], cursor)
            spent += time.thread_time() - started
    print(f"{spent / 300 * 1e6:.0f} us per STORE")
    assert spent / 300 < 100e-6
