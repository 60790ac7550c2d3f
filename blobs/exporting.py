"""Copies of records in a folder of their own, which knows no database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from blobs.errors import BlobDamaged, BlobGone
from blobs.models import Area
from blobs.moving import batches, record_at
from blobs.segment import Location, NewRecord, SegmentWriter


@dataclass(slots=True)
class Exported:
    """What was copied, and the blobs that could not be."""

    records: int = 0
    size_bytes: int = 0
    damaged: dict[int, str] = field(default_factory=dict)  # why, by blob


def export(places: Iterable[Location], folder: Path) -> Exported:
    """Write these records into segments of `folder`, under the ids that they have.

    The segments that they lie in must stay meanwhile (`keeping.all_kept`). All is on the disk
    at the end. Raises StoreFull, StoreFailed.
    """
    done = Exported()
    writer = SegmentWriter(Area(name=str(folder), path=str(folder.absolute())))
    try:
        for batch in batches(places):
            records = list(_readable(batch, done))
            if not records:
                continue
            writer.append(records)
            assert writer.segment is not None
            writer.segment.is_recorded = True  # as good as that: no row will ever know it
            writer.sync()
            done.records += len(records)
            done.size_bytes += sum(record.length for record in records)
    finally:
        writer.close()
    return done


def _readable(batch: Sequence[Location], done: Exported) -> list[NewRecord]:
    records = []
    for place in batch:
        try:
            records.append(record_at(place))
        except (BlobDamaged, BlobGone, OSError) as error:
            done.damaged[place.blob_id] = str(error)
    return records
