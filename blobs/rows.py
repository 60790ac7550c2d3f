"""The rows of segments and blobs, written in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from django.utils import timezone

from blobs.models import Area, Segment
from blobs.segment import NewRecord, OpenSegment

INSERT_BLOB = (
    "INSERT INTO blobs_blob"
    ' (id, segment_id, "offset", length, size_bytes, digest, "references")'
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
GROW_SEGMENT = (
    "UPDATE blobs_segment SET size_bytes = %s, live_bytes = live_bytes + %s WHERE id = %s"
)
DELETE_BLOB = "DELETE FROM blobs_blob WHERE id = %s"
SHRINK_SEGMENT = "UPDATE blobs_segment SET live_bytes = live_bytes - %s WHERE id = %s"


class Cursor(Protocol):
    """What is used of a database cursor."""

    @property
    def rowcount(self) -> int: ...

    def execute(self, sql: str, params: Sequence[Any] | None = None) -> Any: ...

    def executemany(self, sql: str, param_list: Sequence[Sequence[Any]]) -> Any: ...

    def fetchone(self) -> tuple[Any, ...] | None: ...

    def fetchall(self) -> list[tuple[Any, ...]]: ...


def insert_blobs(
    cursor: Cursor, area: Area, segment: OpenSegment, records: Sequence[NewRecord]
) -> None:
    """Rows for records of one segment, and the segment's own row grown by them."""
    rows = []
    live_bytes = end = 0
    for record in records:
        location = record.location
        assert location is not None
        rows.append(
            (
                record.blob_id,
                location.segment_id,
                location.offset,
                location.length,
                location.size_bytes,
                record.digest,
                record.references,
            )
        )
        live_bytes += location.length
        end = max(end, location.offset + location.length)
    if segment.is_recorded:
        cursor.execute(GROW_SEGMENT, (end, live_bytes, segment.segment_id))
    else:
        Segment.objects.create(
            id=segment.segment_id,
            area=area,
            size_bytes=end,
            live_bytes=live_bytes,
            created_at=timezone.now(),
        )
    cursor.executemany(INSERT_BLOB, rows)


def delete_blobs(cursor: Cursor, records: Sequence[NewRecord]) -> None:
    """Take back the rows of records whose job was refused."""
    for record in records:
        assert record.location is not None
        cursor.execute(SHRINK_SEGMENT, (record.location.length, record.location.segment_id))
        cursor.execute(DELETE_BLOB, (record.blob_id,))
