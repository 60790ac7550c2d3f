"""Writing records: append to a segment of one's own, then one sync for all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from blobs.body import Body, StoredBody
from blobs.failures import store_error
from blobs.ids import encode_id, new_id
from blobs.models import Area
from blobs.record import (
    MAX_FACTS_BYTES,
    MAX_META_BYTES,
    NONCE_BYTES,
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    encode_head,
    encode_segment_header,
    mark_of,
)

SEGMENT_BYTES = 64 << 20
_IOV_MAX = 1024
SUFFIX = ".seg"
UNFINISHED = ".new"  # a segment before it is locked


class Location(NamedTuple):
    """Where a record lies: the columns of its Blob row."""

    blob_id: int
    segment_id: int
    offset: int
    length: int  # of the whole record
    size_bytes: int  # of the body, which ends the record

    @property
    def body_offset(self) -> int:
        return self.offset + self.length - self.size_bytes


@dataclass(slots=True, eq=False)
class NewRecord:
    """A record to be written. `references` is where its count starts."""

    blob_id: int
    meta: bytes
    facts: bytes
    body: Body | StoredBody
    references: int = 1
    flags: int = 0
    location: Location | None = None  # known once it has been appended
    digest: bytes = b""  # of the body; filled in with the location

    def __post_init__(self) -> None:
        if len(self.meta) > MAX_META_BYTES or len(self.facts) > MAX_FACTS_BYTES:
            raise ValueError("meta or facts are too long")

    @property
    def length(self) -> int:
        """Bytes in the segment."""
        return RECORD_HEADER_BYTES + len(self.meta) + len(self.facts) + self.body.size_bytes


def segment_name(segment_id: int) -> str:
    return encode_id(segment_id) + SUFFIX


class OpenSegment:
    """The file being written: its id, its mark, where its end is. Locked while it is open."""

    __slots__ = (
        "__weakref__",
        "fd",
        "is_recorded",
        "mark",
        "path",
        "segment_id",
        "size_bytes",
        "synced_bytes",
    )

    def __init__(self, directory: Path) -> None:
        self.segment_id = new_id()
        self.path = directory / segment_name(self.segment_id)
        nonce = secrets.token_bytes(NONCE_BYTES)
        self.mark = mark_of(nonce)
        self.is_recorded = False  # has a Segment row
        # Under its final name it is never seen unlocked: the lock tells other processes that the
        # writer lives and that what has no row yet is not orphaned.
        fresh = self.path.with_suffix(UNFINISHED)
        self.fd = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(self.fd, encode_segment_header(self.segment_id, nonce), 0)
            fresh.rename(self.path)
            sync_directory(directory)
        except OSError:
            fresh.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            self.close()
            raise
        self.size_bytes = self.synced_bytes = SEGMENT_HEADER_BYTES
        _open_segments.add(self)

    def truncate(self, size_bytes: int) -> None:
        os.ftruncate(self.fd, size_bytes)
        self.size_bytes = size_bytes

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


_open_segments: weakref.WeakSet[OpenSegment] = weakref.WeakSet()


def _after_fork() -> None:
    for segment in list(_open_segments):
        segment.close()


os.register_at_fork(after_in_child=_after_fork)


def sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class SegmentWriter:
    """Appends records to segments of `area` which no other process or thread writes.

    Not thread-safe: each thread has its own. Nothing is durable before sync().
    """

    def __init__(self, area: Area, *, next_area: Callable[[], Area] | None = None) -> None:
        """`next_area` chooses the area of each new segment; None: they all go to `area`."""
        self.area = area
        self._next_area = next_area
        self.segment: OpenSegment | None = None
        self.finished: list[OpenSegment] = []  # recorded and full: to be sealed by the owner

    def append(self, records: Sequence[NewRecord]) -> list[Location]:
        """Write all records into one segment, or none.

        Fills in `location` and `digest` of each. Raises StoreFull or StoreFailed.
        """
        needed_bytes = sum(record.length for record in records)
        try:
            segment = self._segment_for(needed_bytes)
        except OSError as error:
            raise store_error(error, needed_bytes) from error
        start = segment.size_bytes
        try:
            return self._append(segment, records)
        except OSError as error:
            self._take_back(segment, start)
            raise store_error(error, needed_bytes) from error

    def sync(self) -> None:
        """Bring everything appended to the disk. Raises StoreFailed; then nothing may be trusted
        that was appended since the last sync, and a new segment is begun."""
        if self.segment is None:
            return
        try:
            os.fdatasync(self.segment.fd)
            self.segment.synced_bytes = self.segment.size_bytes
        except OSError as error:
            # After a failed sync the kernel has dropped the pages: syncing again would lie.
            self._take_back(self.segment, self.segment.synced_bytes)
            self.roll()
            raise store_error(error) from error

    def roll(self) -> None:
        """End the present segment; the next append begins a new one."""
        segment, self.segment = self.segment, None
        if segment is None:
            return
        if segment.is_recorded:
            self.finished.append(segment)
        else:
            segment.path.unlink(missing_ok=True)
        segment.close()

    close = roll

    def _segment_for(self, needed_bytes: int) -> OpenSegment:
        segment = self.segment
        # A record longer than a whole segment has one for itself.
        begun_bytes = segment.size_bytes if segment is not None else 0
        if begun_bytes > SEGMENT_HEADER_BYTES and begun_bytes + needed_bytes > SEGMENT_BYTES:
            self.roll()
        if self.segment is None:
            if self._next_area is not None:
                self.area = self._next_area()
            self.segment = OpenSegment(self.area.directory)
        return self.segment

    def _append(self, segment: OpenSegment, records: Sequence[NewRecord]) -> list[Location]:
        locations: list[Location] = []
        buffers: list[bytes] = []
        offset = written = segment.size_bytes
        for record in records:
            location, head = self._place(segment, record, offset)
            locations.append(location)
            buffers.append(head)
            if record.body.spilled_fd is not None:
                written = _write(segment.fd, buffers, written)
                written = _copy(record.body, segment.fd, written)
                buffers = []
            buffers += record.body.held_chunks
            offset += location.length
        written = _write(segment.fd, buffers, written)
        if written != offset:
            raise OSError(5, "bodies changed while they were written")
        segment.size_bytes = written
        return locations

    @staticmethod
    def _place(segment: OpenSegment, record: NewRecord, offset: int) -> tuple[Location, bytes]:
        body = record.body
        digest = body.digest
        head = encode_head(
            segment.mark,
            blob_id=record.blob_id,
            meta=record.meta,
            facts=record.facts,
            body_bytes=body.size_bytes,
            digest=digest,
            body_crc=body.crc,
            flags=record.flags,
        )
        location = Location(
            record.blob_id,
            segment.segment_id,
            offset,
            len(head) + body.size_bytes,
            body.size_bytes,
        )
        record.location = location
        record.digest = digest
        return location, head

    def _take_back(self, segment: OpenSegment, start: int) -> None:
        try:
            segment.truncate(start)
        except OSError:
            with contextlib.suppress(OSError):
                self.roll()


def _write(fd: int, buffers: list[bytes], offset: int) -> int:
    """Write all buffers at `offset`; returns where they end."""
    for first in range(0, len(buffers), _IOV_MAX):
        batch = buffers[first : first + _IOV_MAX]
        total = sum(map(len, batch))
        count = os.pwritev(fd, batch, offset)
        if count < total:
            _write_rest(fd, b"".join(batch), count, offset)
        offset += total
    return offset


def _write_rest(fd: int, data: bytes, done: int, offset: int) -> None:
    # A short write says "no room" only on the next call: go on until done or refused.
    view = memoryview(data)
    while done < len(data):
        done += os.pwrite(fd, view[done:], offset + done)


def _copy(body: Body | StoredBody, target: int, offset: int) -> int:
    """Copy the spilled part of a body inside the kernel; returns where it ends."""
    source, done, total = body.spilled_fd, 0, body.spilled_bytes
    assert source is not None
    while done < total:
        try:
            count = os.copy_file_range(
                source, target, total - done, body.start + done, offset + done
            )
        except OSError:
            break  # another file system, or a kernel that can't: by hand below
        if count == 0:
            break
        done += count
    while done < total:
        piece = os.pread(source, min(1 << 20, total - done), body.start + done)
        if not piece:
            break
        _write_rest(target, piece, 0, offset + done)
        done += len(piece)
    return offset + done
