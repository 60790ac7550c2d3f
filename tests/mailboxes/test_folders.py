from __future__ import annotations

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from blobs import references
from blobs.models import Blob
from clock.moments import utc_now
from mailboxes import directory, folders
from mailboxes.errors import (
    FolderExists,
    FolderLimitReached,
    FolderNameInvalid,
    FolderNotFound,
    FolderProtected,
)
from mailboxes.models import (
    AccountUsage,
    ExpungedMessage,
    Flag,
    Folder,
    Message,
    SpecialUse,
    Subscription,
)
from mailboxes.rows import lock_folders
from mailboxes.verify import verify
from tests.races import beside

NOW = utc_now()


def names(account):
    found = Folder.objects.filter(account=account).values_list("name", flat=True)
    standard = {"Drafts", "Sent", "Deleted", "Junk"}
    return sorted(set(found) - standard)


def make(account, name, **values):
    return folders.create(account_id=account.pk, name=name, now=NOW, **values)


def test_a_folder_is_made_with_those_above_it(account):
    assert make(account, "a/b/c/") == ["a", "a/b", "a/b/c"]
    assert make(account, "a/x", special_use=SpecialUse.ARCHIVE) == ["a/x"]
    assert make(account, "inbox/sub") == ["INBOX/sub"]
    assert names(account) == ["INBOX", "INBOX/sub", "a", "a/b", "a/b/c", "a/x"]
    assert Folder.objects.get(account=account, name="a/x").special_use == "archive"
    assert Subscription.objects.filter(account=account, name="a/b/c").exists()
    for name in ("a", "Inbox", "a/b/"):
        with pytest.raises(FolderExists):
            make(account, name)


@pytest.mark.parametrize(
    "name", ["", "/", "a//b", "/a", "a\0", "a\n", "50%", "*", "x" * 251, "a/" * 40 + "b", "\ud800"]
)
def test_impossible_names_are_refused(name):
    with pytest.raises(FolderNameInvalid):
        folders.check_name(name)


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_is_refused(name):
    try:
        normal = folders.check_name(name)
    except FolderNameInvalid:
        return
    assert folders.check_name(normal) == normal


def test_renaming_takes_along_what_is_below(account):
    make(account, "a/b/c")
    make(account, "A/b")  # another folder: case counts
    make(account, "ab")
    folders.rename(account_id=account.pk, name="a", new_name="x/y", now=NOW)
    assert names(account) == ["A", "A/b", "INBOX", "ab", "x", "x/y", "x/y/b", "x/y/b/c"]
    assert Subscription.objects.filter(account=account, name="x/y/b/c").exists()
    assert not Subscription.objects.filter(account=account, name="a/b").exists()
    for name, new_name, error in (
        ("gone", "z", FolderNotFound),
        ("ab", "INBOX", FolderExists),
        ("ab", "x/y", FolderExists),
        ("x", "x/z", FolderNameInvalid),
    ):
        with pytest.raises(error):
            folders.rename(account_id=account.pk, name=name, new_name=new_name, now=NOW)


def test_renaming_inbox_moves_its_messages_and_leaves_it_empty(account, deliver, new_delivery):
    deliver(new_delivery(), new_delivery(flags=Flag.SEEN | Flag.DELETED))
    make(account, "INBOX/sub")
    folders.rename(account_id=account.pk, name="inbox", new_name="Old/2026", now=NOW)
    inbox = Folder.objects.get(account=account, name="INBOX")
    old = Folder.objects.get(account=account, name="Old/2026")
    assert (inbox.messages, old.messages, old.unseen, old.deleted) == (0, 2, 1, 1)
    assert inbox.special_use == "inbox"
    assert list(Message.objects.filter(folder=old).values_list("uid", flat=True)) == [1, 2]
    assert ExpungedMessage.objects.filter(folder=inbox).count() == 2
    assert "INBOX/sub" in names(account)
    [next_one] = deliver(new_delivery())
    assert next_one.uid == 3
    assert verify() == []


def test_deleting_gives_back_room_and_references_and_keeps_children(
    account, deliver, new_delivery, blob
):
    make(account, "a/b")
    folder = Folder.objects.get(account=account, name="a")
    deliver(new_delivery(folder_id=folder.pk), new_delivery())
    folders.delete(account_id=account.pk, domain_id=account.domain_id, name="a")
    assert names(account) == ["INBOX", "a/b"]
    assert AccountUsage.objects.get(account=account).messages == 1
    assert Blob.objects.get(pk=blob.pk).references == 999
    assert verify() == []
    with pytest.raises(FolderNotFound):
        folders.delete(account_id=account.pk, domain_id=account.domain_id, name="a")
    with pytest.raises(FolderProtected):
        folders.delete(account_id=account.pk, domain_id=account.domain_id, name="Inbox")


def test_deleting_a_folder_waits_its_turn_beside_a_process_that_waits_for_it(
    account, deliver, new_delivery, blob
):
    make(account, "a")
    folder = Folder.objects.get(account=account, name="a")
    deliver(new_delivery(folder_id=folder.pk))

    def blob_before_folder(pause):
        with connection.cursor() as cursor:
            references.change(cursor, {blob.pk: 1})
            pause()
            lock_folders(cursor, [folder.pk])

    with beside(blob_before_folder):
        folders.delete(account_id=account.pk, domain_id=account.domain_id, name="a")
    assert not Folder.objects.filter(pk=folder.pk).exists()
    assert Blob.objects.get(pk=blob.pk).references == 1000


def test_a_name_used_again_has_another_uidvalidity(account):
    seen = set()
    for _ in range(5):
        make(account, "x")
        seen.add(Folder.objects.get(account=account, name="x").uidvalidity)
        folders.delete(account_id=account.pk, domain_id=account.domain_id, name="x")
    assert len(seen) == 5


def test_an_account_has_so_many_folders_and_no_more(account, monkeypatch):
    monkeypatch.setattr(folders, "MOST_FOLDERS", 7)
    make(account, "a/b")
    with pytest.raises(FolderLimitReached):
        make(account, "c/d")
    assert "c" not in names(account)
    with pytest.raises(FolderLimitReached):
        folders.subscribe(account_id=account.pk, name="elsewhere")


def test_subscriptions_may_outlive_their_folder(account):
    folders.subscribe(account_id=account.pk, name="elsewhere")
    folders.subscribe(account_id=account.pk, name="elsewhere")
    assert Subscription.objects.get(account=account).name == "elsewhere"
    folders.unsubscribe(account_id=account.pk, name="elsewhere")
    with pytest.raises(FolderNotFound):
        folders.unsubscribe(account_id=account.pk, name="elsewhere")


def test_the_directory_knows_folders_parents_and_counters(account, deliver, new_delivery):
    make(account, "a/b/c")
    folders.delete(account_id=account.pk, domain_id=account.domain_id, name="a/b")
    [one] = deliver(new_delivery())
    directory.clear()
    tree = directory.tree(account.pk)
    assert tree.folders["INBOX"].folder_id == one.folder_id
    assert tree.folders["Sent"].special_use == "sent"
    assert tree.parents == {"a", "a/b"}
    assert "a/b/c" in tree.subscriptions
    counters = directory.counters(one.folder_id)
    assert (counters.messages, counters.uid_next, counters.account_id) == (1, 2, account.pk)
    assert directory.counters(10**9) is None


def test_verify_finds_and_repairs(account, deliver, new_delivery, blob):
    from mailboxes.verify import verify_references

    [one, _] = deliver(new_delivery(), new_delivery(flags=Flag.SEEN))
    Folder.objects.filter(pk=one.folder_id).update(unseen=7, bytes=1, uid_next=1)
    AccountUsage.objects.filter(account=account).update(messages=9)
    found = sorted(str(difference) for difference in verify(repair=True))
    assert found == [
        f"account usage {account.pk} messages: kept 9, counted 2",
        f"folder {one.folder_id} bytes: kept 1, counted 200",
        f"folder {one.folder_id} uid_next: kept 1, counted 3",
        f"folder {one.folder_id} unseen: kept 7, counted 1",
    ]
    assert verify() == []
    [difference] = verify_references(lambda first, last: {blob.pk: 5}, repair=True)
    assert (difference.kept, difference.counted) == (1000, 7)
    assert verify_references(lambda first, last: {blob.pk: 5}) == []


def test_only_the_latest_expunged_messages_are_remembered(account, deliver, new_delivery):
    from mailboxes.expunging import Expunge
    from mailboxes.pruning import forget_expunged

    [one, *_] = deliver(*(new_delivery() for _ in range(5)))
    for uid in range(1, 6):
        job = Expunge(
            folder_id=one.folder_id, domain_id=account.domain_id, uids=[uid], even_unflagged=True
        )
        with transaction.atomic(), connection.cursor() as cursor:
            Expunge.write_rows([job], cursor)
    assert forget_expunged() == 0
    assert forget_expunged(kept_changes=2) == 3
    left = ExpungedMessage.objects.order_by("uid").values_list("uid", flat=True)
    assert list(left) == [4, 5]


@pytest.mark.spec("N-041")
def test_the_verify_command_says_what_is_wrong_and_repairs_it(account, append, capsys):
    from django.core.management import call_command

    one = append()
    call_command("verify")
    assert "right" in capsys.readouterr().out
    Folder.objects.filter(pk=one.folder_id).update(unseen=9)
    Blob.objects.update(references=4)
    with pytest.raises(SystemExit):
        call_command("verify")
    assert f"folder {one.folder_id} unseen: kept 9, counted 1" in capsys.readouterr().out
    call_command("verify", "--repair")
    call_command("verify")
    assert Blob.objects.get().references == 1
