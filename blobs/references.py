"""How many rows of other rooms point at a blob."""

from __future__ import annotations

from collections.abc import Mapping

from blobs.errors import BlobGone
from blobs.rows import Cursor

_CHANGE = 'UPDATE blobs_blob SET "references" = "references" + %s WHERE id = %s'


def change(cursor: Cursor, deltas: Mapping[int, int]) -> None:
    """Add to the references of blobs, in the caller's transaction.

    Raises BlobGone if one has been swept: the caller's transaction must then be rolled back.
    Raises IntegrityError if a count would fall below zero.
    """
    # Rows are locked in the order of their ids, so two such changes never wait for each other.
    rows = [(delta, blob_id) for blob_id, delta in sorted(deltas.items()) if delta]
    if not rows:
        return
    cursor.executemany(_CHANGE, rows)
    if cursor.rowcount != len(rows):
        raise BlobGone(_missing(cursor, [blob_id for _, blob_id in rows]))


def _missing(cursor: Cursor, blob_ids: list[int]) -> set[int]:
    missing = set()
    for blob_id in blob_ids:
        cursor.execute("SELECT 1 FROM blobs_blob WHERE id = %s", (blob_id,))
        if cursor.fetchone() is None:
            missing.add(blob_id)
    return missing
