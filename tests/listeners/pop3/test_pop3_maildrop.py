"""What a POP3 session sees of a mailbox, and what it leaves behind."""

import poplib
from datetime import timedelta

import pytest

from blobs.committer import process_committer
from blobs.ids import first_id_at
from blobs.models import Blob
from clock.moments import utc_now
from mailboxes import folders
from mailboxes.expunging import Expunge
from mailboxes.models import Folder, MaildropLock, Message, SpecialUse
from operations.models import Connection, Process
from tests.listeners.pop3.conftest import FIRST, SECOND, THIRD

pytestmark = pytest.mark.spec("N-030", "M-012")


def stored(user):
    return Message.objects.filter(folder__account=user).count()


def test_messages_are_listed_read_and_left_where_they_are(world, put, enter):
    put(FIRST, SECOND)
    session = enter()
    assert session.stat() == (2, len(FIRST) + len(SECOND))
    assert session.list()[1] == [b"1 %d" % len(FIRST), b"2 %d" % len(SECOND)]
    assert b"\r\n".join(session.retr(1)[1]) + b"\r\n" == FIRST
    session.quit()
    assert stored(world.alice) == 2


def test_a_message_of_many_chunks_comes_whole(put, enter):
    large = b"Subject: large\r\n\r\n" + b".a line that begins with a dot\r\n" * 50_000
    put(large)
    assert b"\r\n".join(enter().retr(1)[1]) + b"\r\n" == large


def test_top_of_a_large_message_ends_early(put, enter):
    put(b"Subject: large\r\n\r\n" + b"line\r\n" * 200_000)
    assert enter().top(1, 2)[1] == [b"Subject: large", b"", b"line", b"line"]


def test_deletes_become_true_at_quit(world, put, enter):
    put(FIRST, SECOND, THIRD)
    session = enter()
    session.dele(1)
    session.dele(3)
    assert stored(world.alice) == 3
    session.quit()
    (left,) = Message.objects.filter(folder__account=world.alice)
    assert left.size_bytes == len(SECOND)
    inbox = Folder.objects.get(account=world.alice, special_use=SpecialUse.INBOX)
    assert (inbox.messages, inbox.bytes) == (1, len(SECOND))


def test_without_quit_nothing_is_deleted(world, put, enter):
    put(FIRST)
    session = enter()
    session.dele(1)
    session.close()
    assert len(enter_when_free(enter).uidl()[1]) == 1
    assert stored(world.alice) == 1


def enter_when_free(enter):
    """The lock is let go when the server has seen the connection end."""
    for _ in range(200):
        try:
            return enter()
        except poplib.error_proto as error:
            assert b"[IN-USE]" in error.args[0]
    raise AssertionError("the maildrop stayed locked")


def test_unique_ids_stay_the_same_and_are_never_given_again(put, enter):
    put(FIRST, SECOND)
    session = enter()
    first, second = (line.split()[1] for line in session.uidl()[1])
    session.dele(2)
    session.quit()
    put(THIRD)
    again, third = (line.split()[1] for line in enter_when_free(enter).uidl()[1])
    assert again == first
    assert third not in (first, second)


def test_one_session_at_a_time_has_the_maildrop(put, enter, connect):
    put(FIRST)
    session = enter()
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        enter()
    assert enter("bob@example.com").stat() == (0, 0)
    session.quit()
    assert enter_when_free(enter).stat()[0] == 1


def test_the_lock_of_a_dead_process_is_taken_that_of_a_living_one_is_not(put, enter, world):
    put(FIRST)
    old = first_id_at(utc_now() - timedelta(minutes=1))
    MaildropLock.objects.create(
        account_id=world.alice.pk, session=old, lapses_at=utc_now() + timedelta(minutes=1)
    )
    process = Process.objects.create(
        id=1, node=0, pid=1, started_at=utc_now(), seen_at=utc_now() - timedelta(seconds=5)
    )
    Connection.objects.create(
        id=old, process=process, service="pop", client_address="192.0.2.1", client_port=1,
        local_address="127.0.0.1", local_port=110, started_at=utc_now(),
    )  # fmt: skip
    with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
        enter()
    Process.objects.update(seen_at=utc_now() - timedelta(seconds=21))
    assert enter().stat()[0] == 1


def test_the_lock_is_gone_after_quit(put, enter):
    enter().quit()
    assert not MaildropLock.objects.exists()


def test_what_arrives_during_a_session_is_seen_by_the_next_one(put, enter):
    put(FIRST)
    session = enter()
    put(SECOND)
    assert session.stat()[0] == 1
    session.dele(1)
    session.quit()
    (line,) = enter_when_free(enter).retr(1)[1][:1]
    assert line == b"Subject: second"


def test_only_the_inbox_is_there(world, put, enter):
    folders.create(account_id=world.alice.pk, name="Other", now=utc_now())
    put(FIRST, folder_id=Folder.objects.get(account=world.alice, name="Other").pk)
    put(SECOND)
    assert enter().stat() == (1, len(SECOND))


def test_a_message_expunged_elsewhere_meanwhile_is_refused(world, put, enter):
    put(FIRST, SECOND)
    session = enter()
    expunge_all(world.alice)
    with pytest.raises(poplib.error_proto, match=r"\[SYS/PERM\]"):
        session.retr(1)
    session.dele(2)
    assert session.quit().startswith(b"+OK")


def expunge_all(user):
    inbox = Folder.objects.get(account=user, special_use=SpecialUse.INBOX)
    uids = list(Message.objects.filter(folder=inbox).values_list("uid", flat=True))
    process_committer().commit_now(
        Expunge(folder_id=inbox.pk, domain_id=user.domain_id, uids=uids, even_unflagged=True)
    )
    Blob.objects.all().delete()
