from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from blobs import references
from blobs.models import Blob
from blobs.store import locate, read_body
from clock.moments import utc_now
from mailboxes import expunging, folders, selectors, settler
from mailboxes.expunging import Expunge
from mailboxes.models import Folder, Message
from mailboxes.settler import Settler
from mailboxes.verify import verify, verify_references
from tests.mailboxes.conftest import MESSAGE
from tests.races import beside


@pytest.fixture
def settle(store):
    # Also what has an id of this very millisecond.
    settler = Settler(settle_after=timedelta(seconds=-1))

    def run():
        total = 0
        while count := settler.run_once():
            total += count
        return total

    yield run
    settler.close()


def area_of(message_id):
    return Blob.objects.get(pk=Message.objects.get(pk=message_id).blob_id).segment.area


def body_of(message_id):
    blob_id = Message.objects.get(pk=message_id).blob_id
    return read_body(locate([blob_id])[blob_id])


def refer(blob_id, delta):
    with transaction.atomic(), connection.cursor() as cursor:
        references.change(cursor, {blob_id: delta})


@pytest.fixture(autouse=True)
def everything_stays_right(transactional_db):
    yield
    assert verify() == []


@pytest.mark.spec("D-034")
def test_delivered_mail_moves_into_its_domains_folder(append, settle, account, make_account):
    mine = [append(MESSAGE + b"%d" % n) for n in range(3)]
    other = make_account()
    theirs = append(owner=other)
    before = Message.objects.get(pk=mine[0].message_id).blob_id
    assert area_of(mine[0].message_id).name == "spool"
    assert settle() == 4
    assert {area_of(m.message_id).pk for m in mine} == {account.domain.area_id}
    assert area_of(theirs.message_id).pk == other.domain.area_id
    assert len({Message.objects.get(pk=m.message_id).blob.segment_id for m in mine}) == 1
    assert Message.objects.get(pk=mine[0].message_id).blob_id == before
    assert body_of(mine[2].message_id) == MESSAGE + b"2"
    assert Message.objects.filter(is_settled=False).count() == 0
    assert settle() == 0
    assert verify_references(lambda first, last: {}) == []


def test_mail_for_two_domains_lies_in_both_folders(
    append, settle, account, make_account, new_delivery, deliver, blob
):
    mine = append()
    blob_id = Message.objects.get(pk=mine.message_id).blob_id
    other = make_account()
    [theirs, also] = deliver(
        new_delivery(owner=other, blob_id=blob_id), new_delivery(blob_id=blob_id)
    )
    refer(blob_id, 2)
    assert settle() == 3
    assert area_of(mine.message_id).pk == area_of(also.message_id).pk == account.domain.area_id
    assert area_of(theirs.message_id).pk == other.domain.area_id
    assert body_of(theirs.message_id) == body_of(mine.message_id) == MESSAGE
    assert verify_references(lambda first, last: {blob.pk: blob.references}) == []


def test_what_the_spool_still_needs_stays_there_and_is_copied(append, settle, account):
    one = append()
    blob_id = Message.objects.get(pk=one.message_id).blob_id
    refer(blob_id, 1)
    assert settle() == 1
    assert area_of(one.message_id).pk == account.domain.area_id
    old = Blob.objects.get(pk=blob_id)
    assert (old.references, old.segment.area.name) == (1, "spool")
    assert body_of(one.message_id) == MESSAGE
    assert verify_references(lambda first, last: {blob_id: 1}) == []


def test_copies_of_settled_mail_are_settled_without_moving(
    append, settle, account, deliver, new_delivery
):
    one = append()
    settle()
    blob_id = Message.objects.get(pk=one.message_id).blob_id
    [two] = deliver(new_delivery(blob_id=blob_id))
    refer(blob_id, 1)
    assert settle() == 1
    assert Message.objects.get(pk=two.message_id).blob_id == blob_id


def test_a_crash_before_the_transaction_is_made_good(append, settle, account, monkeypatch):
    from blobs.moving import Mover

    one = append()

    def crash(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Mover, "_repoint", crash)
    with pytest.raises(KeyboardInterrupt):
        settle()
    monkeypatch.undo()
    assert area_of(one.message_id).name == "spool"
    assert Settler(settle_after=timedelta(0)).run_once() == 1
    assert area_of(one.message_id).pk == account.domain.area_id
    assert body_of(one.message_id) == MESSAGE


def test_expunged_while_it_is_copied_the_message_stays_gone(append, settle, account, monkeypatch):
    one, two = append(), append()
    blob_id = Message.objects.get(pk=one.message_id).blob_id
    refer(blob_id, 1)
    like = settler._record_like

    def expunge_meanwhile(*args):
        job = Expunge(
            folder_id=one.folder_id, domain_id=account.domain_id, uids=[1], even_unflagged=True
        )
        with transaction.atomic(), connection.cursor() as cursor:
            Expunge.write_rows([job], cursor)
        return like(*args)

    monkeypatch.setattr(settler, "_record_like", expunge_meanwhile)
    settle()
    assert [m.pk for m in Message.objects.all()] == [two.message_id]
    assert verify_references(lambda first, last: {blob_id: 1}) == []


@pytest.mark.parametrize("deletes_folder", [False, True])
def test_taken_out_in_the_moment_in_which_it_is_copied_no_reference_is_lost(
    append, settle, account, monkeypatch, deletes_folder
):
    append()
    folders.create(account_id=account.pk, name="a", now=utc_now())
    folder = Folder.objects.get(account=account, name="a")
    one = append(folder=folder)
    blob_id = Message.objects.get(pk=one.message_id).blob_id
    refer(blob_id, 1)  # the spool's, whose mail must not be lost
    room = folders if deletes_folder else expunging
    count = room.references_by_blob

    def take_out(pause):
        def count_later(*args):
            pause()
            return count(*args)

        monkeypatch.setattr(room, "references_by_blob", count_later)
        if deletes_folder:
            folders.delete(account_id=account.pk, domain_id=account.domain_id, name="a")
            return
        job = Expunge(
            folder_id=folder.pk, domain_id=account.domain_id, uids=[1], even_unflagged=True
        )
        with connection.cursor() as cursor:
            Expunge.write_rows([job], cursor)

    with beside(take_out):
        settle()
    assert not Message.objects.filter(pk=one.message_id).exists()
    assert Blob.objects.get(pk=blob_id).references == 1
    assert verify_references(lambda first, last: {blob_id: 1}) == []


def test_a_broken_record_stays_and_holds_nobody_up(append, settle, account, store):
    one, two = append(), append(MESSAGE + b"more")
    blob = Message.objects.get(pk=one.message_id).blob
    with blob.segment.path.open("r+b") as file:
        file.seek(blob.offset + blob.length - 3)
        file.write(b"\0\0")
    selectors.forget_messages()
    assert settle() == 1
    assert area_of(two.message_id).pk == account.domain.area_id
    assert area_of(one.message_id).name == "spool"
    found = selectors.read_messages(one.folder_id, [1, 2])
    assert len(found) == 2


def test_young_mail_waits_to_share_its_sync(append, account, store):
    append()
    assert Settler(settle_after=timedelta(hours=1)).run_once() == 0


def test_what_comes_of_age_meanwhile_shares_the_sync_of_the_next_pass(append, account, store):
    settler = Settler(settle_after=timedelta(seconds=0.2))
    append()
    time.sleep(0.3)
    for _ in range(2):
        append()
    assert settler.run_once() == 1
    time.sleep(0.3)
    assert settler.run_once() == 0
    assert settler.run_once() == 2
    settler.close()


def test_a_renamed_folder_is_followed(append, settle, account, tmp_path):
    first = append()
    settle()
    area = account.domain.area
    old = area.directory
    area.path = "domains/renamed.example"
    old.rename(area.directory)
    area.save()
    second = append()
    assert settle() == 1
    assert not old.exists()
    from blobs.reading import forget_all

    forget_all()
    assert body_of(first.message_id) == body_of(second.message_id) == MESSAGE


def test_remembered_messages_are_readable_after_settling_and_sweeping(
    append, settle, account, store
):
    from blobs.reading import forget_all
    from blobs.sweep import sweep

    one = append()
    blob_id = Message.objects.get(pk=one.message_id).blob_id
    refer(blob_id, 1)
    message = selectors.read_messages(one.folder_id, [1])[1]
    settle()  # copied, because the spool had it too
    refer(blob_id, -1)
    store.stop(20)
    for days in (1, 2, 3):
        sweep(now=utc_now() + timedelta(days=days))
    forget_all()
    assert message.read() == MESSAGE
    assert message.read_range(0, 4) == MESSAGE[:4]


def test_mail_is_settled_while_it_is_moved_about(append, settle, account, store, make_account):
    from mailboxes.copying import Copy
    from mailboxes.models import Folder

    other = make_account(account.domain)
    append(owner=other)
    for n in range(30):
        append(MESSAGE + b"%d" % n)
    inbox = Folder.objects.get(account=account, name="INBOX").pk
    junk = Folder.objects.get(account=account, name="Junk").pk
    theirs = Folder.objects.get(account=other, name="INBOX").pk
    failures = []

    def move_about(step):
        try:
            for uid in range(step, 30, 2):
                for target, owner, is_move in ((theirs, other, False), (junk, account, True)):
                    job = Copy(
                        source_id=inbox,
                        source_domain_id=account.domain_id,
                        uids=[uid],
                        target_id=target,
                        target_account_id=owner.pk,
                        target_domain_id=owner.domain_id,
                        is_move=is_move,
                    )
                    store.commit_now(job)
                gone = Expunge(
                    folder_id=theirs, domain_id=other.domain_id, uids=[uid], even_unflagged=True
                )
                store.commit_now(gone)
        except Exception as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=move_about, args=(step,)) for step in (1, 2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        settle()
    for thread in threads:
        thread.join()
    settle()
    assert failures == []
    assert not Message.objects.filter(is_settled=False).exists()
    assert verify_references(lambda first, last: {}) == []
    for message in Message.objects.all():
        assert body_of(message.pk).startswith(MESSAGE)
