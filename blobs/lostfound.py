"""Single records in the files of `lost+found`: found, read, and blotted out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from blobs.errors import BlobDamaged, BlobGone
from blobs.models import Blob
from blobs.record import Broken, Found, scan
from blobs.segment import sync_directory

_CHUNK = 1 << 20
_BATCH = 500


@dataclass(slots=True)
class Contents:
    """What lies in one file."""

    records: list[Found] = field(default_factory=list)  # sound, and never had a row
    broken: list[Broken] = field(default_factory=list)


def contents(path: Path) -> Contents:
    """Read all of it; copies of a move that was not finished are passed over."""
    found = Contents()
    for seen in scan(path):
        if isinstance(seen, Broken):
            found.broken.append(seen)
        elif not seen.header.is_copy:
            found.records.append(seen)
    keys = [record.header.blob_id for record in found.records]
    known: set[int] = set()
    for first in range(0, len(keys), _BATCH):
        some = Blob.objects.filter(pk__in=keys[first : first + _BATCH])
        known.update(some.values_list("id", flat=True))
    found.records = [one for one in found.records if one.header.blob_id not in known]
    return found


def record_at(path: Path, offset: int, blob_id: int) -> Found:
    """The record, its body checked. Raises BlobGone or BlobDamaged."""
    if not path.exists():
        raise BlobGone([blob_id])
    seen = next(scan(path, start=offset), None)
    if not isinstance(seen, Found) or seen.offset != offset or seen.header.blob_id != blob_id:
        reason = seen.reason if isinstance(seen, Broken) else "another record, or none, lies there"
        raise BlobDamaged(blob_id, reason)
    return seen


def body_of(path: Path, found: Found) -> Iterator[bytes]:
    """Its bytes in pieces. Raises BlobDamaged at the end if they are not those that were written,
    so nothing may be done with them before that."""
    crc, left = 0, found.header.body_bytes
    with path.open("rb") as file:
        file.seek(found.offset + found.header.body_start)
        while left and (piece := file.read(min(_CHUNK, left))):
            crc = crc32(piece, crc)
            left -= len(piece)
            yield piece
    if left or crc != found.header.body_crc:
        raise BlobDamaged(found.header.blob_id, "body checksum")


def blot_out(path: Path, start: int, end: int) -> None:
    """Nobody can read these bytes again; the others stay where they are."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        end = min(end, os.fstat(fd).st_size)
        for position in range(start, end, _CHUNK):
            os.pwrite(fd, bytes(min(_CHUNK, end - position)), position)
        os.fdatasync(fd)
    finally:
        os.close(fd)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync_directory(path.parent)
