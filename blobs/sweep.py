"""Getting room back: blobs nobody refers to, empty segments, segments that are mostly dead."""

from __future__ import annotations

import fcntl
import logging
import os
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from django.db.models import F, Sum

from blobs import keeping
from blobs.errors import StoreError
from blobs.holding import held
from blobs.ids import first_id_at
from blobs.models import Blob, Segment
from blobs.moving import Mover
from blobs.reading import forget_segment
from blobs.rows import SHRINK_SEGMENT

log = logging.getLogger(__name__)

# A blob may be written before the row that refers to it.
UNREFERENCED_GRACE = timedelta(hours=1)
# Somebody may be about to read at a location that he looked up before.
READERS_GRACE = timedelta(minutes=5)
MOSTLY_DEAD_PERCENT = 60
COMPACTION_BYTES = 256 << 20  # of one run
SMALL_BYTES = 1 << 20
MANY_SMALL = 16

# Short transactions: on SQLite nobody else can write meanwhile.
_BATCH = 500
_DELETE = 'DELETE FROM blobs_blob WHERE id = %s AND "references" = 0'


@dataclass(slots=True)
class Swept:
    """What one sweep did."""

    blobs: int = 0  # rows deleted
    segments: int = 0  # files removed
    moved_bytes: int = 0  # by compaction


def sweep(
    *,
    now: datetime,
    unreferenced_grace: timedelta = UNREFERENCED_GRACE,
    readers_grace: timedelta = READERS_GRACE,
) -> Swept:
    """One round of all; may run in several processes at once. Blocks, in short transactions."""
    swept = Swept()
    delete_unreferenced(before=first_id_at(now - unreferenced_grace), swept=swept)
    seal_abandoned(now=now)
    compact(swept)
    mark_emptied(now=now)
    remove_emptied(before=now - readers_grace, swept=swept)
    return swept


def delete_unreferenced(*, before: int, swept: Swept) -> None:
    """Delete blobs with an id below `before` that no row refers to."""
    after = 0
    while True:
        batch = list(
            Blob.objects.filter(references=0, id__gt=after, id__lt=before)
            .order_by("id")
            .values_list("id", "segment_id", "length")[:_BATCH]
        )
        if not batch:
            return
        try:
            _delete(batch, swept)
        except IntegrityError:
            _delete_one_by_one(batch, swept)
        after = batch[-1][0]


def seal_abandoned(*, now: datetime) -> int:
    """Seal the segments whose writer has ended without doing so; returns how many."""
    sealed = 0
    for segment in Segment.objects.filter(sealed_at=None).select_related("area"):
        if segment.path.exists() and not is_being_written(segment.path):
            sealed += Segment.objects.filter(pk=segment.pk, sealed_at=None).update(sealed_at=now)
    return sealed


def mark_emptied(*, now: datetime) -> int:
    """Begin the grace time of sealed segments with nothing live in them."""
    return Segment.objects.filter(
        sealed_at__isnull=False, emptied_at=None, live_bytes__lte=0
    ).update(emptied_at=now)


def remove_emptied(*, before: datetime, swept: Swept) -> None:
    """Unlink segments that have been empty since `before`, then delete their rows.

    In this order a crash between leaves a row without a file, which the next run deletes.
    While a backup is made nothing is removed: a later run does it.
    """
    with keeping.removing() as may_remove:
        if may_remove:
            _remove_emptied(before, swept)


def _remove_emptied(before: datetime, swept: Swept) -> None:
    for segment in Segment.objects.filter(emptied_at__lte=before).select_related("area"):
        if _repair_live_bytes(segment):
            continue
        segment.path.unlink(missing_ok=True)
        forget_segment(segment.pk)
        segment.delete()
        swept.segments += 1


def compact(swept: Swept) -> None:
    """Copy what lives out of segments that are mostly dead, or many and small."""
    crowded = sorted(_mostly_dead() + _small_ones(), key=lambda s: (s.area_id, s.live_bytes))
    for _, of_area in groupby(crowded, key=lambda segment: segment.area_id):
        segments = list(of_area)
        area = segments[0].area
        with held(area), Mover(area) as mover:
            for segment in segments:
                if swept.moved_bytes + segment.live_bytes > COMPACTION_BYTES:
                    return
                _empty(segment, mover, swept)


def is_being_written(path: Path) -> bool:
    """Does a living process have the segment open for writing?"""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _delete(batch: list[tuple[int, int, int]], swept: Swept) -> None:
    connection = connections[DEFAULT_DB_ALIAS]
    with transaction.atomic(), connection.cursor() as cursor:
        # Locks in the order that the committer takes them: segments, then blobs, by id.
        segment_ids = {segment_id for _, segment_id, _ in batch}
        list(Segment.objects.select_for_update().filter(pk__in=segment_ids).order_by("id"))
        still = set(
            Blob.objects.select_for_update()
            .filter(pk__in=[blob_id for blob_id, _, _ in batch], references=0)
            .order_by("id")
            .values_list("id", "segment_id")
        )
        dead = [row for row in batch if row[:2] in still]
        left: Counter[int] = Counter()
        for _, segment_id, length in dead:
            left[segment_id] += length
        cursor.executemany(SHRINK_SEGMENT, [(n, segment_id) for segment_id, n in left.items()])
        cursor.executemany(_DELETE, [(blob_id,) for blob_id, _, _ in dead])
    swept.blobs += len(dead)


def _delete_one_by_one(batch: list[tuple[int, int, int]], swept: Swept) -> None:
    for row in batch:
        try:
            _delete([row], swept)
        except IntegrityError:
            # Worth a look, yet never worth losing the bytes.
            log.error("blob %d counts no references, yet a row refers to it", row[0])


def _repair_live_bytes(segment: Segment) -> bool:
    """Was the count of live bytes wrong? Then it is set right, and the segment stays."""
    live_bytes = segment.blobs.aggregate(sum=Sum("length"))["sum"]
    if not live_bytes:
        return False
    log.error("segment %s was taken for empty: %d bytes live in it", segment, live_bytes)
    Segment.objects.filter(pk=segment.pk).update(live_bytes=live_bytes, emptied_at=None)
    return True


def _mostly_dead() -> list[Segment]:
    full_enough = F("size_bytes") * (100 - MOSTLY_DEAD_PERCENT) / 100
    return list(
        Segment.objects.filter(
            sealed_at__isnull=False, live_bytes__gt=0, live_bytes__lt=full_enough
        ).select_related("area")
    )


def _small_ones() -> list[Segment]:
    """Each start of a process leaves a short segment: join them when an area has many."""
    small = Segment.objects.filter(
        sealed_at__isnull=False, live_bytes__gt=0, size_bytes__lt=SMALL_BYTES
    ).select_related("area")
    by_area: dict[int, list[Segment]] = {}
    for segment in small:
        by_area.setdefault(segment.area_id, []).append(segment)
    dead = {segment.pk for segment in _mostly_dead()}
    return [
        segment
        for segments in by_area.values()
        if len(segments) >= MANY_SMALL
        for segment in segments
        if segment.pk not in dead
    ]


def _empty(segment: Segment, mover: Mover, swept: Swept) -> None:
    try:
        moved = mover.move(segment.blobs.values_list("id", flat=True))
    except StoreError:
        log.exception("segment %s not compacted", segment)
        return
    swept.moved_bytes += moved.size_bytes
