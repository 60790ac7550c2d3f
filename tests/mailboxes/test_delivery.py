from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, connections, transaction

from accounts import services
from accounts.models import User
from accounts.settings import DELETION
from blobs.models import Blob
from clock.moments import to_micros, utc_now
from mailboxes import changes, delivery, quota, standard
from mailboxes.changes import Change, Kind, Marked
from mailboxes.errors import FolderNotFound, QuotaExceeded, QuotaScope
from mailboxes.models import AccountUsage, DomainUsage, Flag, Folder, Message, Subscription
from mailboxes.verify import verify
from switchboard.carriers import local
from switchboard.topics import Topic
from tests.races import beside

NOW = to_micros(utc_now())


class Notes(list):
    def receive(self, notes):
        self.extend(notes)


@pytest.fixture
def notes():
    heard = Notes()
    local.join(heard)
    yield heard
    local.leave(heard)


@pytest.mark.spec("N-041")
def test_the_first_mail_makes_the_standard_folders(deliver, new_delivery, account):
    deliver(new_delivery())
    folders = Folder.objects.filter(account=account).order_by("pk")
    assert [(f.name, f.special_use) for f in folders] == [
        ("INBOX", "inbox"), ("Drafts", "drafts"), ("Sent", "sent"),
        ("Deleted", "trash"), ("Junk", "junk"),
    ]  # fmt: skip
    assert Subscription.objects.filter(account=account).count() == 5
    assert len({folder.uidvalidity for folder in folders}) == 5


def test_an_account_that_is_deleted_while_its_first_mail_comes_in_leaves_nothing(
    new_delivery, account, blob
):
    DELETION.change({"recycle_days": 0}, by=None)

    def deliver_first(pause):
        with connection.cursor() as cursor:
            delivery.deliver(cursor, [new_delivery()], now=NOW)
            pause()

    with beside(deliver_first):
        services.delete_user(user=account, by=None)
    assert not User.everything.filter(pk=account.pk).exists()
    assert not Message.objects.exists()
    assert Blob.objects.get(pk=blob.pk).references == 999
    assert verify() == []


def test_a_batch_gets_rising_uids_one_modseq_and_right_counters(
    deliver, new_delivery, account, blob
):
    first, second, third = deliver(
        new_delivery(), new_delivery(flags=Flag.SEEN | Flag.DELETED), new_delivery(size_bytes=7)
    )
    assert [d.uid for d in (first, second, third)] == [1, 2, 3]
    assert {d.modseq for d in (first, second, third)} == {2}
    folder = Folder.objects.get(pk=first.folder_id)
    assert (folder.uid_next, folder.highest_modseq) == (4, 2)
    assert (folder.messages, folder.unseen, folder.deleted, folder.bytes) == (3, 2, 1, 207)
    usage = AccountUsage.objects.get(account=account)
    assert (usage.bytes, usage.messages) == (207, 3)
    assert DomainUsage.objects.get(domain=account.domain).bytes == 207
    row = Message.objects.get(pk=second.message_id)
    assert (row.uid, row.flags, row.blob_id, row.is_settled) == (2, 9, blob.pk, False)


def test_folders_and_keywords_are_taken_as_given(deliver, new_delivery, account):
    [inbox] = deliver(new_delivery())
    sent = Folder.objects.get(account=account, name="Sent")
    [here] = deliver(new_delivery(folder_id=sent.pk, keywords="$Label1 x"))
    assert (here.folder_id, here.uid) == (sent.pk, 1)
    assert Message.objects.get(pk=here.message_id).keywords == "$Label1 x"
    assert inbox.folder_id != sent.pk


def test_somebody_elses_folder_is_not_found(deliver, new_delivery, make_account):
    [mine] = deliver(new_delivery())
    stranger = make_account()
    [refused, taken] = deliver(
        new_delivery(owner=stranger, folder_id=mine.folder_id), new_delivery()
    )
    assert isinstance(refused.error, FolderNotFound)
    assert taken.error is None
    assert not AccountUsage.objects.filter(account=stranger).exists()


@pytest.mark.spec("U-013", "D-082")
def test_full_mailboxes_refuse_the_message_that_does_not_fit(
    deliver, new_delivery, make_account, make_domain
):
    account = make_account(mailbox_size_mb=1)
    half = 600 * 1024
    first, second, small = deliver(
        *(new_delivery(owner=account, size_bytes=size) for size in (half, half, 10))
    )
    assert (first.error, small.error) == (None, None)
    assert isinstance(second.error, QuotaExceeded)
    assert (second.error.scope, second.error.used) == (QuotaScope.ACCOUNT, half)
    full = make_account(make_domain(disk_space_mb=1))
    [refused] = deliver(new_delivery(owner=full, size_bytes=2 << 20))
    assert refused.error.scope == QuotaScope.DOMAIN
    assert Folder.objects.get(pk=refused.folder_id).messages == 0


def test_a_rollback_leaves_nothing_and_may_be_repeated(new_delivery, account, store):
    one = new_delivery()
    with connection.cursor() as cursor:
        with pytest.raises(RuntimeError), transaction.atomic():
            delivery.deliver(cursor, [one], now=NOW)
            raise RuntimeError
        assert not Message.objects.exists()
        with transaction.atomic():
            delivery.deliver(cursor, [one], now=NOW)
    assert one.error is None
    assert Message.objects.get().folder_id == Folder.objects.get(account=account, name="INBOX").pk


def test_a_remembered_inbox_of_a_deleted_account_is_not_used(deliver, new_delivery, make_account):
    gone, other = make_account(), make_account()
    deliver(new_delivery(owner=gone))
    standard._inboxes[other.pk] = standard._inboxes[gone.pk]
    [here] = deliver(new_delivery(owner=other))
    assert Folder.objects.get(pk=here.folder_id).account_id == other.pk


def test_mail_for_an_account_that_is_gone_holds_nobody_up(
    deliver, new_delivery, make_account, account
):
    gone, never = make_account(), make_account()
    deliver(new_delivery(owner=gone))
    for user in (gone, never):
        Message.objects.filter(folder__account=user).delete()
        user.__class__.objects.filter(pk=user.pk).delete()
    lost, also_lost, kept = deliver(
        new_delivery(owner=gone), new_delivery(owner=never), new_delivery()
    )
    assert isinstance(lost.error, FolderNotFound)
    assert isinstance(also_lost.error, FolderNotFound)
    assert kept.error is None
    assert not Folder.objects.filter(account_id__in=[gone.pk, never.pk]).exists()


def test_accounts_take_their_mail_with_them(deliver, new_delivery, make_account, account, blob):
    from mailboxes.closing import give_up_accounts

    gone = make_account(account.domain)
    deliver(new_delivery(owner=gone), new_delivery(owner=gone), new_delivery())
    with transaction.atomic():
        give_up_accounts([gone.pk])
        gone.delete()
    assert Blob.objects.get(pk=blob.pk).references == 998
    assert DomainUsage.objects.get(domain=account.domain).messages == 1
    assert Message.objects.count() == 1


def test_whoever_looks_is_told_after_the_commit(new_delivery, deliver, notes):
    with transaction.atomic():
        [one, two] = deliver(new_delivery(), new_delivery(flags=Flag.SEEN, keywords="$x"))
        assert not notes
    [note] = [note for note in notes if note.topic == Topic.FOLDER]
    assert note.key == one.folder_id
    assert changes.decode(note.payload) == Change(
        Kind.ADDED, 2, (Marked(1, 0, ""), Marked(2, Flag.SEEN, "$x"))
    )
    assert [note.key for note in notes if note.topic == Topic.MAILBOX] == [two.account_id]


def test_concurrent_writers_never_share_a_uid(new_delivery, account, make_account, blob):
    other = make_account(account.domain)
    batches = [
        [new_delivery(owner=(account, other)[i % 2]) for i in range(n, n + 4)] for n in range(24)
    ]

    def write(mine):
        try:
            for batch in mine:
                with transaction.atomic(), connection.cursor() as cursor:
                    delivery.deliver(cursor, batch, now=NOW)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(batches[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for owner in (account, other):
        inbox = Folder.objects.get(account=owner, name="INBOX")
        uids = sorted(Message.objects.filter(folder=inbox).values_list("uid", flat=True))
        assert uids == list(range(1, 49))
        assert (inbox.messages, inbox.uid_next, inbox.highest_modseq) == (48, 49, 25)
    assert DomainUsage.objects.get(domain=account.domain).messages == 96


def test_append_stores_body_facts_and_row_together(append, account):
    done = append(flags=Flag.SEEN)
    row = Message.objects.get(pk=done.message_id)
    assert Blob.objects.get(pk=row.blob_id).references == 1
    assert (row.size_bytes, row.uid) == (Blob.objects.get(pk=row.blob_id).size_bytes, 1)


def test_a_refused_append_leaves_no_blob(append, make_account):
    full = make_account(mailbox_size_mb=1)
    with pytest.raises(QuotaExceeded):
        append(b"x" * (2 << 20), owner=full)
    assert not Blob.objects.exists()


def test_the_door_may_ask_for_room_first(make_account, deliver, new_delivery):
    from accounts import directory
    from domains.directory import Cold

    account = make_account(mailbox_size_mb=1)
    policy = directory.account(account.pk)
    with pytest.raises(Cold):
        quota.require_room(policy, 10, cached_only=True)
    quota.require_room(policy, 10)
    quota.require_room(policy, 10, cached_only=True)
    deliver(new_delivery(owner=account, size_bytes=1 << 20))
    with pytest.raises(QuotaExceeded):
        quota.require_room(policy, 0)
    assert quota.usage(policy) == (1 << 20, 1 << 20)


@pytest.mark.bench
def test_delivery_costs_at_most_100_microseconds_a_message(new_delivery, store, make_account):
    accounts = [make_account() for _ in range(10)]
    for round_ in range(60):
        batch = [new_delivery(owner=owner) for owner in accounts]
        with transaction.atomic(), connection.cursor() as cursor:
            if round_ == 10:
                spent = 0.0
            started = time.thread_time()
            delivery.deliver(cursor, batch, now=NOW)
            if round_ >= 10:
                spent += time.thread_time() - started
    print(f"{spent / 500 * 1e6:.0f} us per message")
    assert spent / 500 < 100e-6
