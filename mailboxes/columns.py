"""What views of a folder hold in memory: the columns of its messages, and their changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from django.db import connection

from mailboxes.directory import Counters, read_counters

_BATCH = 10_000
_MOST_PARAMETERS = 500
_ROWS = (
    "SELECT uid, flags, keywords, modseq, size_bytes, received_at FROM mailboxes_message"
    " WHERE folder_id = %s AND modseq > %s ORDER BY uid"
)
_ALL_ROWS = (
    "SELECT uid, flags, keywords, modseq, size_bytes, received_at FROM mailboxes_message"
    " WHERE folder_id = %s ORDER BY uid"
)
_EXPUNGED = "SELECT uid FROM mailboxes_expungedmessage WHERE folder_id = %s AND modseq > %s"
_MODSEQS = "SELECT id, highest_modseq FROM mailboxes_folder WHERE id IN ({marks})"
_CLAIM = "UPDATE mailboxes_folder SET recent_uid = %s WHERE id = %s AND recent_uid < %s"


class Row(NamedTuple):
    """What the columns hold of a message."""

    uid: int
    flags: int
    keywords: str  # separated by one space
    modseq: int
    size_bytes: int
    received_at: int  # microseconds


def read_all(folder_id: int) -> Iterator[list[Row]]:
    """Every message by rising UID, in batches."""
    with connection.cursor() as cursor:
        cursor.execute(_ALL_ROWS, (folder_id,))
        while batch := cursor.fetchmany(_BATCH):
            yield [Row(*row) for row in batch]


def read_changes(folder_id: int, since: int) -> tuple[Counters | None, list[Row], list[int]]:
    """Counters, new or changed messages, and UIDs that are gone, after the MODSEQ `since`.

    The counters are read first: what is committed meanwhile may show among the rows and again later,
    but nothing up to their MODSEQ is missing, because MODSEQs are committed in their order.
    """
    counters = read_counters(folder_id)
    if counters is None:
        return None, [], []
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, (folder_id, since))
        rows = [Row(*row) for row in cursor.fetchall()]
        cursor.execute(_EXPUNGED, (folder_id, since))
        expunged = [uid for (uid,) in cursor.fetchall()]
    return counters, rows, expunged


def read_modseqs(folder_ids: Sequence[int]) -> dict[int, int]:
    """The highest MODSEQ of each folder that exists."""
    found: dict[int, int] = {}
    with connection.cursor() as cursor:
        for some in _chunks(folder_ids):
            cursor.execute(_MODSEQS.format(marks=", ".join(["%s"] * len(some))), some)
            found.update(cursor.fetchall())
    return found


def claim_recent(folder_id: int, uid: int) -> None:
    """Messages up to `uid` have been shown to a session as \\Recent. RFC 3501 §2.3.2."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, (uid, folder_id, uid))


def _chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _MOST_PARAMETERS):
        yield list(ids[start : start + _MOST_PARAMETERS])
