"""After a crash: records without a row, rows without a record, broken bytes. Never fatal."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from blobs.errors import BadId
from blobs.ids import decode_id, time_of
from blobs.models import Area, Blob, Segment
from blobs.reading import forget_segment
from blobs.record import SEGMENT_HEADER_BYTES, Broken, Found, scan
from blobs.segment import SUFFIX, UNFINISHED, Location, sync_directory
from blobs.sweep import is_being_written, seal_abandoned

log = logging.getLogger(__name__)

LOST_AND_FOUND = "lost+found"
# A younger one may belong to a transaction whose end the database has yet to see.
LEFTOVER_AGE = timedelta(hours=1)
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Orphan:
    """A sound record that never had a row: a crash came between its sync and its commit.

    Its submitter was never told that it is safe: `bury` it, so that the start need not think.
    """

    area_id: int
    segment_id: int
    path: Path
    found: Found

    @property
    def blob_id(self) -> int:
        return self.found.header.blob_id

    @property
    def meta(self) -> bytes:
        return self.found.meta

    @property
    def location(self) -> Location:
        header = self.found.header
        return Location(
            header.blob_id,
            self.segment_id,
            self.found.offset,
            header.length,
            header.body_bytes,
        )


@dataclass(frozen=True, slots=True)
class MissingRecord:
    """A row whose record is not where it should be."""

    blob_id: int
    segment_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes in a segment that are no sound record."""

    path: Path
    broken: Broken


@dataclass(slots=True)
class Report:
    """What was found."""

    orphans: list[Orphan] = field(default_factory=list)
    missing: list[MissingRecord] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)


def reconcile(*, now: datetime) -> Report:
    """Compare files with rows, at start: reads only what was written last, and no body twice.

    Segments that a living process writes are left alone.
    """
    report = Report()
    segments = {segment.pk: segment for segment in Segment.objects.all()}
    for area in Area.objects.order_by("id"):
        try:
            _reconcile_area(area, segments, now, report)
        except OSError as error:
            log.error("area %s cannot be looked through: %s", area, error)
    seal_abandoned(now=now)
    return report


def _reconcile_area(
    area: Area, segments: dict[int, Segment], now: datetime, report: Report
) -> None:
    seen: dict[int, int] = {}
    for path in sorted(area.directory.glob(f"*{SUFFIX}")):
        try:
            segment_id = decode_id(path.stem)
        except BadId:
            report.damages.append(Damage(path, Broken(0, 0, "no segment's name")))
            continue
        seen[segment_id] = path.stat().st_size
        segment = segments.get(segment_id)
        if segment is None or segment.sealed_at is None:
            _look_through(area, segment_id, path, now, report)
    for segment in segments.values():
        if segment.area_id == area.pk:
            report.missing += _missing_in(segment, seen.get(segment.pk))
    for path in area.directory.glob(f"*{UNFINISHED}"):
        if _is_old(path, now) and not is_being_written(path):
            path.unlink()


def _look_through(area: Area, segment_id: int, path: Path, now: datetime, report: Report) -> None:
    """Report what lies behind the part of a segment that has been committed."""
    if is_being_written(path):
        return
    # Asked for after the lock was found free: whatever its writer committed is there by now.
    segment = Segment.objects.filter(pk=segment_id).first()
    start = segment.size_bytes if segment is not None else 0
    tail: list[Found] = []
    is_clean = True
    for seen in scan(path, start=start):
        if isinstance(seen, Found):
            tail.append(seen)
        else:
            is_clean = False
            report.damages.append(Damage(path, seen))
    if segment is None and area.kind == Area.Kind.DOMAIN and tail and not _is_any_known(tail):
        return  # somebody has copied it here, for Reload to take in
    orphans = [
        Orphan(area.pk, segment_id, path, found)
        for found in _without_row(tail)
        if not found.header.is_copy
    ]
    report.orphans += orphans
    if segment is None and is_clean and not orphans and _is_old(path, now):
        # Nothing but copies of a move that was not finished, or nothing at all.
        path.unlink()


def _is_old(path: Path, now: datetime) -> bool:
    try:
        return now - time_of(decode_id(path.stem)) > LEFTOVER_AGE
    except BadId:
        return False


def _is_any_known(tail: Sequence[Found]) -> bool:
    keys = [found.header.blob_id for found in tail]
    return any(
        Blob.objects.filter(pk__in=keys[first : first + _BATCH]).exists()
        for first in range(0, len(keys), _BATCH)
    )


def _without_row(tail: Sequence[Found]) -> Iterator[Found]:
    for first in range(0, len(tail), _BATCH):
        batch = tail[first : first + _BATCH]
        known = set(
            Blob.objects.filter(pk__in=[found.header.blob_id for found in batch]).values_list(
                "id", flat=True
            )
        )
        for found in batch:
            if found.header.blob_id not in known:
                yield found


def _missing_in(segment: Segment, file_bytes: int | None) -> list[MissingRecord]:
    if file_bytes is not None and file_bytes >= segment.size_bytes:
        return []
    reason = "the segment is missing" if file_bytes is None else "the segment is cut short"
    return [
        MissingRecord(blob_id, segment.pk, reason)
        for blob_id, offset, length in segment.blobs.values_list("id", "offset", "length")
        if file_bytes is None or offset + length > file_bytes
    ]


def bury(paths: Sequence[Path]) -> list[Path]:
    """Put what has no rows in these segments into their areas' `lost+found`; returns where."""
    buried = []
    for path in dict.fromkeys(paths):
        if path.exists() and not is_being_written(path):
            target = _bury(path)
            if target is not None:
                buried.append(target)
    return buried


def buried(areas: Iterable[Area]) -> Iterator[Path]:
    """The files in `lost+found` of these areas."""
    for area in areas:
        yield from sorted((area.directory / LOST_AND_FOUND).glob(f"*{SUFFIX}"))


def forget_buried(
    areas: Iterable[Area], *, before: datetime, keep: Container[str] = frozenset()
) -> int:
    """Remove what was last written before that moment; how many files.

    `keep`: names of files that stay whatever their age.
    """
    forgotten = 0
    for path in buried(areas):
        if path.name not in keep and path.stat().st_mtime < before.timestamp():
            path.unlink(missing_ok=True)
            forgotten += 1
    return forgotten


def _bury(path: Path) -> Path | None:
    segment = Segment.objects.filter(pk=decode_id(path.stem)).first()
    directory = path.parent / LOST_AND_FOUND
    directory.mkdir(exist_ok=True, mode=0o700)
    target = directory / path.name
    if segment is None:
        path.rename(target)
    else:
        if path.stat().st_size <= segment.size_bytes:
            return None
        _copy_tail(path, segment.size_bytes, target)
        os.truncate(path, segment.size_bytes)
    sync_directory(directory)
    sync_directory(path.parent)
    forget_segment(decode_id(path.stem))
    return target


def _copy_tail(path: Path, start: int, target: Path) -> None:
    """With the segment's header in front the tail can be scanned like any segment.

    Nobody sees it before it is whole: who looks through `lost+found` must not call it torn.
    """
    fresh = target.with_suffix(UNFINISHED)
    with path.open("rb") as source, fresh.open("wb") as copy:
        copy.write(source.read(SEGMENT_HEADER_BYTES))
        source.seek(start)
        shutil.copyfileobj(source, copy)
        copy.flush()
        os.fsync(copy.fileno())
    fresh.rename(target)
