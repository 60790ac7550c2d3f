"""What selected folders are read from: all of a folder, what is new, which have moved on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from mailboxes import selectors
from mailboxes.directory import Counters, read_counters


class Read(NamedTuple):
    """What was read from the database: all of a folder, or what is newer than known."""

    counters: Counters | None  # None: the folder is gone
    rows: Sequence[tuple[int, int, str, int]]  # uid, flags, keywords, modseq
    expunged: Sequence[int] = ()


def read_all(folder_id: int) -> Read:
    """Blocks: to be called in a thread."""
    # Counters first: changes that come between are applied again, which does no harm.
    counters = read_counters(folder_id)
    return Read(counters, selectors.all_uids(folder_id) if counters else ())


def read_news(folder_id: int, modseq: int) -> Read:
    """What has happened since `modseq`. Blocks: to be called in a thread."""
    counters = read_counters(folder_id)
    if counters is None:
        return Read(None, ())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT uid, flags, keywords, modseq FROM mailboxes_message"
            " WHERE folder_id = %s AND modseq > %s ORDER BY uid",
            (folder_id, modseq),
        )
        rows = cursor.fetchall()
        cursor.execute(
            "SELECT uid FROM mailboxes_expungedmessage WHERE folder_id = %s AND modseq > %s",
            (folder_id, modseq),
        )
        return Read(counters, rows, [uid for (uid,) in cursor.fetchall()])


def find_changed(known: dict[int, int]) -> list[int]:
    """Which of these folders (known MODSEQ by key) have moved on, or are gone. Blocks."""
    keys = sorted(known)
    now: dict[int, int] = {}
    with connection.cursor() as cursor:
        for start in range(0, len(keys), 400):
            piece = keys[start : start + 400]
            marks = ", ".join(["%s"] * len(piece))
            cursor.execute(
                f"SELECT id, highest_modseq FROM mailboxes_folder WHERE id IN ({marks})",
                piece,
            )
            now.update(cursor.fetchall())
    return [key for key in keys if now.get(key) != known[key]]
