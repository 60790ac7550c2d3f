"""Moving records to another segment or area: copy, sync, repoint the rows in one transaction.

A crash before the transaction leaves copies that no row knows and that say so themselves; a crash
after it leaves the old bytes dead. Either way every row points at a whole record.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.utils import timezone

from blobs.body import StoredBody
from blobs.errors import BlobDamaged, BlobGone
from blobs.models import Area, Blob, Segment
from blobs.reading import find, locate, read_head
from blobs.record import FLAG_COPIED, RECORD_HEADER_BYTES
from blobs.rows import GROW_SEGMENT, SHRINK_SEGMENT, Cursor
from blobs.segment import Location, NewRecord, SegmentWriter

log = logging.getLogger(__name__)

BATCH_BYTES = 16 << 20
BATCH_BLOBS = 500
_REPOINT = 'UPDATE blobs_blob SET segment_id = %s, "offset" = %s, length = %s WHERE id = %s'

Also = Callable[[Cursor, Sequence[int]], None]


@dataclass(slots=True)
class Moved:
    """What a move did."""

    blobs: int = 0
    size_bytes: int = 0
    damaged: int = 0  # left where they are


class Mover:
    """Moves blobs into one area; keeps its segment open for the next move until closed.

    Belongs to one thread.
    """

    def __init__(self, area: Area) -> None:
        self._writer = SegmentWriter(area)

    def move(self, blob_ids: Iterable[int], also: Also | None = None) -> Moved:
        """Move these blobs; unknown ones are passed over.

        `also(cursor, moved_ids)` writes further rows in the transaction of each batch.
        Raises StoreFull or StoreFailed; then the blobs of that batch stay where they were.
        """
        total = Moved()
        locations = sorted(locate(blob_ids).values(), key=lambda at: (at.segment_id, at.offset))
        for batch in batches(locations):
            copies = self._copy(batch, total)
            if not copies:
                continue
            try:
                self._repoint(copies, also, total)
            except DatabaseError:
                self._leave_segment()
                raise
        return total

    @property
    def is_cut_off(self) -> bool:
        """Whether the segment has no name any more: nobody would find what is added to it."""
        segment = self._writer.segment
        return segment is not None and os.fstat(segment.fd).st_nlink == 0

    def close(self) -> None:
        """Seal the segment."""
        self._writer.close()
        self._seal_finished()

    def __enter__(self) -> Mover:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _copy(self, batch: Sequence[Location], total: Moved) -> dict[int, _Copy]:
        copies = {}
        for location in batch:
            try:
                copies[location.blob_id] = _Copy(location, record_at(location))
            except BlobGone:
                continue
            except (BlobDamaged, OSError) as error:
                log.error("blob not moved: %s", error)
                total.damaged += 1
        if copies:
            self._writer.append([copy.record for copy in copies.values()])
            self._writer.sync()
        return copies

    def _repoint(self, copies: dict[int, _Copy], also: Also | None, total: Moved) -> None:
        connection = connections[DEFAULT_DB_ALIAS]
        with transaction.atomic(), connection.cursor() as cursor:
            rows = self._still_there(copies)
            self._write_rows(cursor, rows, len(copies))
            if also is not None:
                also(cursor, [copy.old.blob_id for copy in rows])
        assert self._writer.segment is not None
        self._writer.segment.is_recorded = True
        self._seal_finished()
        total.blobs += len(rows)
        total.size_bytes += sum(copy.old.length for copy in rows)

    def _still_there(self, copies: dict[int, _Copy]) -> list[_Copy]:
        """The copies whose blob has not been swept or moved by somebody else; their rows locked.

        Segments are locked before blobs, in the order of ids, as everywhere: the one that the
        copies are in, too, whose row is written next.
        """
        own = self._writer.segment
        segment_ids = {copy.old.segment_id for copy in copies.values()}
        segment_ids |= {own.segment_id} if own is not None else set()
        list(Segment.objects.select_for_update().filter(pk__in=segment_ids).order_by("id"))
        rows = (
            Blob.objects.select_for_update()
            .filter(pk__in=list(copies))
            .order_by("id")
            .values_list("id", "segment_id", "offset")
        )
        return [
            copies[blob_id]
            for blob_id, segment_id, offset in rows
            if (segment_id, offset) == (copies[blob_id].old.segment_id, copies[blob_id].old.offset)
        ]

    def _write_rows(self, cursor: Cursor, rows: Sequence[_Copy], copied: int) -> None:
        segment = self._writer.segment
        assert segment is not None
        live_bytes = sum(copy.old.length for copy in rows)
        if segment.is_recorded:
            cursor.execute(GROW_SEGMENT, (segment.size_bytes, live_bytes, segment.segment_id))
        else:
            Segment.objects.create(
                id=segment.segment_id,
                area=self._writer.area,
                size_bytes=segment.size_bytes,
                live_bytes=live_bytes,
            )
        left: Counter[int] = Counter()
        for copy in rows:
            left[copy.old.segment_id] += copy.old.length
        cursor.executemany(SHRINK_SEGMENT, [(n, segment_id) for segment_id, n in left.items()])
        cursor.executemany(
            _REPOINT, [(at.segment_id, at.offset, at.length, at.blob_id) for at in _new(rows)]
        )

    def _leave_segment(self) -> None:
        # Whether its rows are there is not known for sure: the file stays, nothing is added.
        if self._writer.segment is not None:
            self._writer.segment.is_recorded = True
        self._writer.roll()

    def _seal_finished(self) -> None:
        full = [segment.segment_id for segment in self._writer.finished]
        if full:
            Segment.objects.filter(pk__in=full).update(sealed_at=timezone.now())
            self._writer.finished.clear()


@dataclass(frozen=True, slots=True)
class _Copy:
    old: Location
    record: NewRecord


def _new(rows: Sequence[_Copy]) -> Iterator[Location]:
    for copy in rows:
        assert copy.record.location is not None
        yield copy.record.location


def batches(locations: Iterable[Location]) -> Iterator[list[Location]]:
    batch: list[Location] = []
    size_bytes = 0
    for location in locations:
        if batch and (size_bytes + location.length > BATCH_BYTES or len(batch) == BATCH_BLOBS):
            yield batch
            batch, size_bytes = [], 0
        batch.append(location)
        size_bytes += location.length
    if batch:
        yield batch


def record_at(location: Location) -> NewRecord:
    """The record as it is to be written again. Raises BlobDamaged if a checksum fails."""
    file, location = find(location)
    header, raw = read_head(location)
    body = StoredBody(
        file,
        location.body_offset,
        size_bytes=header.body_bytes,
        digest=header.digest,
        crc=header.body_crc,
    )
    if not body.is_sound():
        raise BlobDamaged(location.blob_id, "body checksum")
    facts_start = RECORD_HEADER_BYTES + header.meta_bytes
    meta, facts = raw[RECORD_HEADER_BYTES:facts_start], raw[facts_start : header.body_start]
    return NewRecord(location.blob_id, meta, facts, body, flags=FLAG_COPIED)
