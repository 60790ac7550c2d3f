"""The folders that every mailbox has (N-041): made when the first of them is needed."""

from __future__ import annotations

import threading
from typing import Any

from django.db import connection

from mailboxes import changes
from mailboxes.errors import FolderNotFound
from mailboxes.models import SpecialUse

INBOX = "INBOX"
STANDARD_FOLDERS = (
    (INBOX, SpecialUse.INBOX),
    ("Drafts", SpecialUse.DRAFTS),
    ("Sent", SpecialUse.SENT),
    ("Deleted", SpecialUse.TRASH),
    ("Junk", SpecialUse.JUNK),
)

# Quarters of a second since 2024 fit into 32 bits until 2058.
_UIDVALIDITY_EPOCH = 1_704_067_200_000_000  # microseconds
_UIDVALIDITY_STEP = 250_000  # microseconds

_INSERT_FOLDER = (
    "INSERT INTO mailboxes_folder (account_id, name, special_use, uidvalidity, uid_next,"
    " highest_modseq, recent_uid, messages, unseen, deleted, bytes, created_at)"
    " VALUES (%s, %s, %s, %s, 1, 1, 0, 0, 0, 0, 0, %s) ON CONFLICT DO NOTHING"
)
_INSERT_SUBSCRIPTION = (
    "INSERT INTO mailboxes_subscription (account_id, name) VALUES (%s, %s) ON CONFLICT DO NOTHING"
)
_SELECT_INBOX = "SELECT id FROM mailboxes_folder WHERE account_id = %s AND special_use = %s"

_lock = threading.Lock()
_last_uidvalidity = 0
_inboxes: dict[int, int] = {}
_MOST_REMEMBERED = 1_000_000


def new_uidvalidity(now: int) -> int:
    """A 32-bit number greater than all before, so that a name used again differs.

    `now` in microseconds. RFC 3501 §2.3.1.1.
    """
    global _last_uidvalidity
    with _lock:
        value = max((now - _UIDVALIDITY_EPOCH) // _UIDVALIDITY_STEP, _last_uidvalidity + 1, 1)
        _last_uidvalidity = value
    return value & 0xFFFFFFFF or 1


def insert_folder(
    cursor: Any, account_id: int, name: str, *, now: int, special_use: str = ""
) -> bool:
    """Add a folder and subscribe to it; False if the name or the use is taken already."""
    cursor.execute(_INSERT_FOLDER, (account_id, name, special_use, new_uidvalidity(now), now))
    is_new = bool(cursor.rowcount)
    cursor.execute(_INSERT_SUBSCRIPTION, (account_id, name))
    return is_new


def inbox(cursor: Any, account_id: int, *, now: int) -> int:
    """The key of the account's INBOX; makes the standard folders if there are none yet.

    The key is remembered, so use it with the account's: the folder may have gone since.
    Raises FolderNotFound if there is no such account (any more).
    """
    known = _inboxes.get(account_id)
    if known is not None:
        return known
    row = _find_inbox(cursor, account_id)
    if row is None:
        _require_account(cursor, account_id)
        make_standard_folders(cursor, account_id, now=now)
        row = _find_inbox(cursor, account_id)
        assert row is not None
    if len(_inboxes) >= _MOST_REMEMBERED:
        _inboxes.clear()
    _inboxes[account_id] = row[0]
    return int(row[0])


def forget_inbox(account_id: int) -> None:
    """The remembered key was wrong."""
    _inboxes.pop(account_id, None)


def make_standard_folders(cursor: Any, account_id: int, *, now: int) -> None:
    """Add those that are missing, in the caller's transaction; safe against doing it twice."""
    made = [
        insert_folder(cursor, account_id, name, now=now, special_use=use.value)
        for name, use in STANDARD_FOLDERS
    ]
    if any(made):
        changes.publish_folders(account_id)


def _require_account(cursor: Any, account_id: int) -> None:
    """Foreign keys are checked at COMMIT, where a whole group of deliveries would fail."""
    lock = " FOR KEY SHARE" if connection.vendor == "postgresql" else ""
    cursor.execute(f"SELECT 1 FROM accounts_user WHERE id = %s{lock}", (account_id,))
    if cursor.fetchone() is None:
        raise FolderNotFound(INBOX)


def _find_inbox(cursor: Any, account_id: int) -> tuple[int] | None:
    cursor.execute(_SELECT_INBOX, (account_id, SpecialUse.INBOX.value))
    row: tuple[int] | None = cursor.fetchone()
    return row
