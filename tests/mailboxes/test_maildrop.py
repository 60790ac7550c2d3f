from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction

from clock.moments import utc_now
from mailboxes import maildrop
from mailboxes.errors import FolderNotFound, MaildropLocked
from mailboxes.maildrop import LOCK, ReleaseLock, RenewLock, TakeLock
from mailboxes.models import Folder, MaildropLock

pytestmark = pytest.mark.spec("N-030")
NOW = utc_now()


def do(*jobs):
    with transaction.atomic(), connection.cursor() as cursor:
        type(jobs[0]).write_rows(jobs, cursor)
    if jobs[-1].error is not None:
        raise jobs[-1].error
    return jobs[-1].result


def take(account, session, now=NOW):
    return do(TakeLock(account_id=account.pk, session=session, now=now))


def test_one_session_has_the_maildrop_until_it_lets_go(account, make_account):
    inbox = take(account, 1)
    assert Folder.objects.get(pk=inbox).name == "INBOX"
    assert take(account, 1) == inbox
    with pytest.raises(MaildropLocked):
        take(account, 2)
    take(make_account(), 2)
    do(ReleaseLock(account_id=account.pk, session=2))
    with pytest.raises(MaildropLocked):
        take(account, 2)
    do(ReleaseLock(account_id=account.pk, session=1))
    assert take(account, 2) == inbox


def test_a_lock_without_its_session_lapses(account):
    take(account, 1)
    later = NOW + LOCK - timedelta(seconds=1)
    with pytest.raises(MaildropLocked):
        take(account, 2, later)
    do(RenewLock(account_id=account.pk, session=1, now=later))
    with pytest.raises(MaildropLocked):
        take(account, 2, NOW + LOCK)
    take(account, 2, later + LOCK)
    do(RenewLock(account_id=account.pk, session=1, now=NOW + 9 * LOCK))  # lost it: no effect
    assert MaildropLock.objects.get().session == 2


def test_of_many_asked_at_once_one_gets_it(account):
    jobs = [TakeLock(account_id=account.pk, session=n, now=NOW) for n in range(3)]
    with pytest.raises(MaildropLocked):
        do(*jobs)
    assert [job.error is None for job in jobs] == [True, False, False]


def test_a_maildrop_is_the_inbox_as_it_stood(account, deliver, new_delivery, blob):
    deliver(new_delivery(prefix="Return-Path: <>\r\n", size_bytes=10), new_delivery())
    inbox = take(account, 1)
    seen = maildrop.snapshot(inbox)
    deliver(new_delivery())
    assert seen.uidvalidity == Folder.objects.get(pk=inbox).uidvalidity
    assert [tuple(entry) for entry in seen.entries] == [
        (1, 10, blob.pk, "Return-Path: <>\r\n"),
        (2, 100, blob.pk, ""),
    ]
    with pytest.raises(FolderNotFound):
        maildrop.snapshot(10**9)


def test_an_account_that_is_gone_has_no_maildrop(account, make_account):
    gone = make_account()
    key = gone.pk
    gone.delete()
    jobs = [TakeLock(account_id=n, session=1, now=NOW) for n in (key, account.pk)]
    do(*jobs)
    assert isinstance(jobs[0].error, FolderNotFound)
    assert jobs[1].error is None
