"""What a POP3 session has of a mailbox: a lock, and the INBOX as it stood. RFC 1939 §3, §8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from blobs.committer import Job
from clock.moments import to_micros
from mailboxes import standard
from mailboxes.errors import FolderNotFound, MaildropLocked

# How long a lock outlives its session if the process dies; a living session renews it.
LOCK = timedelta(minutes=2)

_TAKE = (
    "INSERT INTO mailboxes_maildroplock (account_id, session, lapses_at) VALUES (%s, %s, %s)"
    " ON CONFLICT (account_id) DO UPDATE"
    " SET session = excluded.session, lapses_at = excluded.lapses_at"
    " WHERE mailboxes_maildroplock.lapses_at <= %s"
    " OR mailboxes_maildroplock.session = excluded.session RETURNING session"
)
_HOLDER = "SELECT session FROM mailboxes_maildroplock WHERE account_id = %s"
_RENEW = "UPDATE mailboxes_maildroplock SET lapses_at = %s WHERE account_id = %s AND session = %s"
_RELEASE = "DELETE FROM mailboxes_maildroplock WHERE account_id = %s AND session = %s"

_SELECT_ENTRIES = (
    "SELECT uid, size_bytes, blob_id, prefix FROM mailboxes_message WHERE folder_id = %s"
    " ORDER BY uid"
)


class MaildropEntry(NamedTuple):
    """One message of the maildrop; its bytes are `prefix` and the blob's body."""

    uid: int
    size_bytes: int
    blob_id: int
    prefix: str


@dataclass(frozen=True, slots=True)
class Maildrop:
    """The INBOX at one moment, by rising UID."""

    folder_id: int
    uidvalidity: int
    entries: tuple[MaildropEntry, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class TakeLock(Job):
    """Opens the maildrop for one session; its result is the INBOX's key.

    Its error is MaildropLocked (another session has it) or FolderNotFound.
    """

    waits_for_disk = False

    account_id: int
    session: int
    now: datetime

    @staticmethod
    def write_rows(jobs: Sequence[TakeLock], cursor: Any) -> None:
        for job in sorted(jobs, key=lambda job: job.account_id):
            now, lapses_at = to_micros(job.now), to_micros(job.now + LOCK)
            # Not from memory: nothing else would notice that the remembered key is wrong.
            standard.forget_inbox(job.account_id)
            try:
                inbox = standard.inbox(cursor, job.account_id, now=now)
            except FolderNotFound as error:
                job.error = error
                continue
            cursor.execute(_TAKE, (job.account_id, job.session, lapses_at, now))
            if cursor.fetchone() is None:
                cursor.execute(_HOLDER, (job.account_id,))
                job.error = MaildropLocked(*(cursor.fetchone() or ()))
            else:
                job.result = inbox


@dataclass(slots=True, kw_only=True, eq=False)
class RenewLock(Job):
    """Keeps the lock of a session that goes on; does nothing if it has been lost."""

    waits_for_disk = False

    account_id: int
    session: int
    now: datetime

    @staticmethod
    def write_rows(jobs: Sequence[RenewLock], cursor: Any) -> None:
        for job in sorted(jobs, key=lambda job: job.account_id):
            cursor.execute(_RENEW, (to_micros(job.now + LOCK), job.account_id, job.session))


@dataclass(slots=True, kw_only=True, eq=False)
class ReleaseLock(Job):
    """Lets the maildrop go; does nothing if another session has it by now."""

    waits_for_disk = False

    account_id: int
    session: int

    @staticmethod
    def write_rows(jobs: Sequence[ReleaseLock], cursor: Any) -> None:
        for job in sorted(jobs, key=lambda job: job.account_id):
            cursor.execute(_RELEASE, (job.account_id, job.session))


def snapshot(folder_id: int) -> Maildrop:
    """The folder as it stands now. Raises FolderNotFound. Blocks."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT uidvalidity FROM mailboxes_folder WHERE id = %s", (folder_id,))
        folder = cursor.fetchone()
        if folder is None:
            raise FolderNotFound
        cursor.execute(_SELECT_ENTRIES, (folder_id,))
        entries = tuple(MaildropEntry(*row) for row in cursor.fetchall())
    return Maildrop(folder_id, folder[0], entries)
