"""Message bytes on disk, each stored once: the names that other rooms use."""

from blobs.areas import ensure_area, ensure_spool_area, new_body
from blobs.body import Body
from blobs.reading import locate, open_body, read_body, read_cached, read_facts, read_meta
from blobs.segment import Location, NewRecord, SegmentWriter

__all__ = [
    "Body",
    "Location",
    "NewRecord",
    "SegmentWriter",
    "ensure_area",
    "ensure_spool_area",
    "locate",
    "new_body",
    "open_body",
    "read_body",
    "read_cached",
    "read_facts",
    "read_meta",
]
