"""The settler: brings delivered bodies out of the spool's segments into their domain's folder."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import DatabaseError, connection, transaction

from blobs import references
from blobs.committer import Job
from blobs.errors import BlobDamaged, BlobGone, StoreError
from blobs.group import Entry, GroupWriter
from blobs.holding import held
from blobs.ids import first_id_at, new_id
from blobs.models import Area, Blob
from blobs.moving import Mover
from blobs.segment import Location, NewRecord, SegmentWriter, sync_directory
from blobs.store import Body, read_body, read_facts, read_meta
from clock.moments import utc_now
from mailboxes.manifest import ManifestKeeper
from mailboxes.models import Message
from mailboxes.rows import keep_folders

log = structlog.get_logger(__name__)

BATCH_MESSAGES = 1_000
# Younger mail waits, so that more of it shares the one sync of its domain.
SETTLE_AFTER = timedelta(seconds=5)
MOST_OPEN_AREAS = 32

_MARK = "UPDATE mailboxes_message SET is_settled = %s WHERE id = %s AND blob_id = %s"
_REPOINT = (
    "UPDATE mailboxes_message SET blob_id = %s, is_settled = %s"
    " WHERE id = %s AND folder_id = %s AND blob_id = %s"
)


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A message row whose blob does not lie in its domain's area, or may not."""

    message_id: int
    blob_id: int
    folder_id: int
    area_id: int  # where it belongs


class Settler:
    """Works in batches, one call after the other; every step may be cut off and done again."""

    def __init__(self, *, settle_after: timedelta = SETTLE_AFTER) -> None:
        self._settle_after = settle_after
        self._after_id = 0
        self._before_id = 0  # of a pass: what comes of age meanwhile is for the next one
        self._movers: OrderedDict[int, tuple[str, Mover]] = OrderedDict()
        self._manifests = ManifestKeeper()

    def run_once(self) -> int:
        """Settle one batch of a pass; how many messages. 0: the pass is over. Blocks.

        A pass takes what is old enough at its beginning: while mail comes in all the time, there
        is always one more message of age, and each would get a sync of its own.
        """
        self._manifests.run_once()
        while True:
            batch = self._next_batch()
            if not batch:
                self._after_id = 0
                return 0
            self._after_id = batch[-1].message_id
            settled = self._settle(batch)
            if settled:
                return settled

    def close(self) -> None:
        """Seal the segments being written."""
        for _, mover in self._movers.values():
            mover.close()
        self._movers.clear()

    def _next_batch(self) -> list[_Unsettled]:
        if self._after_id == 0:
            self._before_id = first_id_at(utc_now() - self._settle_after)
        rows = Message.objects.filter(
            is_settled=False,
            id__gt=self._after_id,
            id__lt=self._before_id,
            folder__account__domain__is_deleting=False,
            folder__account__domain__renaming=None,
        )
        columns = ("id", "blob_id", "folder_id", "folder__account__domain__area_id")
        return [
            _Unsettled(*row) for row in rows.order_by("id").values_list(*columns)[:BATCH_MESSAGES]
        ]

    def _settle(self, batch: Sequence[_Unsettled]) -> int:
        by_area: defaultdict[int, list[_Unsettled]] = defaultdict(list)
        for row in batch:
            by_area[row.area_id].append(row)
        areas = Area.objects.in_bulk(by_area)
        settled = 0
        for area_id, rows in by_area.items():
            try:
                with held(areas[area_id]):
                    settled += self._settle_area(areas[area_id], rows)
            except (StoreError, DatabaseError) as error:
                log.warning("mail not settled", area=areas[area_id].name, reason=str(error))
                self._forget(area_id)
        return settled

    def _settle_area(self, area: Area, rows: Sequence[_Unsettled]) -> int:
        """One sync for what moves, and one more for the few that have to be copied."""
        blobs = {
            blob.pk: blob
            for blob in Blob.objects.filter(pk__in={row.blob_id for row in rows}).select_related(
                "segment"
            )
        }
        wanted = Counter(row.blob_id for row in rows)
        there, moving, copying = [], [], []
        for row in rows:
            blob = blobs.get(row.blob_id)
            if blob is None:
                continue  # expunged meanwhile
            if blob.segment.area_id == area.pk:
                there.append(row)
            elif blob.references == wanted[row.blob_id]:
                moving.append(row)
            else:
                # The spool or another domain has it, too: this domain gets bytes of its own,
                # so that deleting one domain's folder takes nothing from others.
                copying.append(row)
        return (
            (_mark(there) if there else 0)
            + (self._move(area, moving) if moving else 0)
            + (_copy(area, copying, blobs) if copying else 0)
        )

    def _move(self, area: Area, rows: Sequence[_Unsettled]) -> int:
        by_blob = _by_blob(rows)

        def also(cursor: Any, moved: Sequence[int]) -> None:
            ids = [row.message_id for blob_id in moved for row in by_blob[blob_id]]
            blob_of = {row.message_id: row.blob_id for row in rows}
            cursor.executemany(_MARK, [(True, key, blob_of[key]) for key in sorted(ids)])
            settled.extend(ids)

        settled: list[int] = []
        self._mover(area).move(by_blob, also)
        return len(settled)

    def _mover(self, area: Area) -> Mover:
        known = self._movers.get(area.pk)
        # Another path: the domain has been renamed, and its directory with it. Cut off: its files
        # were moved elsewhere and back.
        if known is not None and (known[0] != area.path or known[1].is_cut_off):
            self._forget(area.pk)
            known = None
        if known is None:
            while len(self._movers) >= MOST_OPEN_AREAS:
                self._forget(next(iter(self._movers)))
            _make_directory(area)
            known = self._movers[area.pk] = area.path, Mover(area)
        self._movers.move_to_end(area.pk)
        return known[1]

    def _forget(self, area_id: int) -> None:
        known = self._movers.pop(area_id, None)
        if known is not None:
            known[1].close()


@dataclass(slots=True, kw_only=True, eq=False)
class _CopyIn(Job):
    """New blobs for rows of a domain whose old blobs others need, too."""

    rows: dict[int, list[_Unsettled]]  # by old blob
    new_blobs: dict[int, int]  # by old blob

    @staticmethod
    def write_rows(jobs: Sequence[_CopyIn], cursor: Any) -> None:
        for job in jobs:
            job.result = job._repoint(cursor)

    def _repoint(self, cursor: Any) -> int:
        """Rows expunged, moved or settled meanwhile match nothing, and their references stay."""
        # Whoever takes messages out of a folder holds its row, and counts down the references of
        # the blobs that he has read there: they must not become others meanwhile.
        keep_folders(cursor, {row.folder_id for rows in self.rows.values() for row in rows})
        # Blobs are locked before messages, as everywhere.
        list(Blob.objects.select_for_update().filter(pk__in=self.rows).order_by("pk"))
        deltas: dict[int, int] = {}
        settled = 0
        for blob_id, rows in sorted(self.rows.items()):
            new_blob = self.new_blobs[blob_id]
            matched = 0
            for row in rows:
                values = (new_blob, True, row.message_id, row.folder_id, blob_id)
                cursor.execute(_REPOINT, values)
                matched += cursor.rowcount
            deltas[blob_id], deltas[new_blob] = -matched, matched - len(rows)
            settled += matched
        references.change(cursor, deltas)
        return settled


def _copy(area: Area, rows: Sequence[_Unsettled], blobs: dict[int, Blob]) -> int:
    by_blob = _by_blob(rows)
    job = _CopyIn(rows=by_blob, new_blobs={})
    for blob_id in list(by_blob):
        try:
            record = _record_like(area, blobs[blob_id], len(by_blob[blob_id]))
        except BlobGone:
            del by_blob[blob_id]
        except BlobDamaged as error:
            log.error("mail not settled", blob=blob_id, reason=str(error))
            del by_blob[blob_id]
        else:
            job.records.append(record)
            job.new_blobs[blob_id] = record.blob_id
    if not by_blob:
        return 0
    _make_directory(area)
    writer = GroupWriter(lambda: SegmentWriter(area))
    done: Future[int] = Future()
    try:
        writer.write([Entry(job, done, None, 0)])
    finally:
        writer.close()
    return done.result()


def _record_like(area: Area, blob: Blob, count: int) -> NewRecord:
    """The same bytes under a new id. Raises BlobGone, BlobDamaged."""
    at = Location(blob.pk, blob.segment_id, blob.offset, blob.length, blob.size_bytes)
    body = Body(area, read_body(at))
    return NewRecord(new_id(), read_meta(at), read_facts(at), body, references=count)


def _mark(rows: Sequence[_Unsettled]) -> int:
    """Their blobs are in place already, as those of copies within a mailbox are."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_MARK, [(True, row.message_id, row.blob_id) for row in rows])
    return len(rows)


def _make_directory(area: Area) -> None:
    area.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    sync_directory(area.directory.parent)


def _by_blob(rows: Iterable[_Unsettled]) -> dict[int, list[_Unsettled]]:
    found: defaultdict[int, list[_Unsettled]] = defaultdict(list)
    for row in rows:
        found[row.blob_id].append(row)
    return found
