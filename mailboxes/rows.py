"""Folders locked in order, and the rows of messages by UID: what the verbs share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import connection

from mailboxes.delivery import Counts

_MOST_MARKS = 400

_TAKE_OUT = (
    "UPDATE mailboxes_folder SET messages = messages - %s, unseen = unseen - %s,"
    " deleted = deleted - %s, bytes = bytes - %s, highest_modseq = highest_modseq + 1"
    " WHERE id = %s RETURNING highest_modseq"
)
_INSERT_EXPUNGED = (
    "INSERT INTO mailboxes_expungedmessage (folder_id, uid, modseq) VALUES (%s, %s, %s)"
)


class LockedFolder(NamedTuple):
    """What the verbs need to know of a folder."""

    account_id: int
    uidvalidity: int
    highest_modseq: int
    deleted: int  # messages flagged \\Deleted


def lock_folders(cursor: Any, folder_ids: Iterable[int]) -> dict[int, LockedFolder]:
    """Those that exist, locked by rising id until the transaction ends.

    Where several kinds of rows are locked the order is folders, blobs, messages, usage.
    """
    wanted = sorted(set(folder_ids))
    if not wanted:
        return {}
    marks = ", ".join(["%s"] * len(wanted))
    # On SQLite the whole transaction has the write lock already.
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    cursor.execute(
        "SELECT id, account_id, uidvalidity, highest_modseq, deleted FROM mailboxes_folder"
        f" WHERE id IN ({marks}) ORDER BY id{lock}",
        wanted,
    )
    return {row[0]: LockedFolder(*row[1:]) for row in cursor.fetchall()}


def keep_folders(cursor: Any, folder_ids: Iterable[int]) -> None:
    """Wait for whoever has locked them, and let nobody lock them until the transaction ends.

    Mail comes in meanwhile. By rising id, and before all else, as `lock_folders` does it.
    """
    wanted = sorted(set(folder_ids))
    if connection.vendor == "postgresql" and wanted:
        marks = ", ".join(["%s"] * len(wanted))
        cursor.execute(
            f"SELECT 1 FROM mailboxes_folder WHERE id IN ({marks}) ORDER BY id FOR KEY SHARE",
            wanted,
        )


def select_by_uid(
    cursor: Any, columns: str, folder_id: int, uids: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Rows (uid first, then `columns`) of the messages that exist, by rising UID."""
    if not uids:
        return []
    low, high = min(uids), max(uids)
    is_range = high - low + 1 == len(uids)
    condition, parameters = "uid BETWEEN %s AND %s", [low, high]
    if not is_range and len(uids) <= _MOST_MARKS:
        condition, parameters = f"uid IN ({', '.join(['%s'] * len(uids))})", list(uids)
    cursor.execute(
        f"SELECT uid, {columns} FROM mailboxes_message"
        f" WHERE folder_id = %s AND {condition} ORDER BY uid",
        (folder_id, *parameters),
    )
    found: list[tuple[Any, ...]] = cursor.fetchall()
    if is_range or len(uids) <= _MOST_MARKS:
        return found
    wanted = set(uids)
    return [row for row in found if row[0] in wanted]


def take_out(cursor: Any, folder_id: int, uids: Sequence[int], counts: Counts) -> int:
    """Count messages out of a folder and remember their UIDs as expunged; the MODSEQ of that."""
    cursor.execute(_TAKE_OUT, (*counts, folder_id))
    modseq = int(cursor.fetchone()[0])
    cursor.executemany(_INSERT_EXPUNGED, [(folder_id, uid, modseq) for uid in uids])
    return modseq


def references_by_blob(blob_ids: Iterable[int], step: int) -> Mapping[int, int]:
    """How the references of each blob change when each row adds `step`."""
    deltas: dict[int, int] = {}
    for blob_id in blob_ids:
        deltas[blob_id] = deltas.get(blob_id, 0) + step
    return deltas
