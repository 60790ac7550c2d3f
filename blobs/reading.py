"""Reading records: by location, through a few files kept open. Any thread may read."""

from __future__ import annotations

import io
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from django.db import connection

from blobs.errors import BlobDamaged, BlobGone
from blobs.models import Segment
from blobs.record import RECORD_HEADER_BYTES, Header, decode_header, head_is_sound, pread
from blobs.segment import Location, segment_name

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

OPEN_FILES = 32
LOCATE_AT_ONCE = 500  # blobs in one query
_SELECT_PLACES = 'SELECT id, segment_id, "offset", length, size_bytes FROM blobs_blob WHERE id IN'
_LOOK_FOR_REMOVED_SECONDS = 60


class OpenFile:
    """A segment opened for reading; closed when the last reader lets go of it."""

    __slots__ = ("fd",)

    def __init__(self, path: Path) -> None:
        self.fd = -1
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)

    @property
    def is_removed(self) -> bool:
        return os.fstat(self.fd).st_nlink == 0


class _OpenFiles:
    """The segments read last, least recently used first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.files: OrderedDict[int, OpenFile] = OrderedDict()
        self.directories: dict[int, Path] = {}
        self.looked_at = time.monotonic()

    def get(self, segment_id: int) -> OpenFile:
        """Raises FileNotFoundError if there is no such segment."""
        with self.lock:
            file = self.files.get(segment_id)
            if file is not None:
                self.files.move_to_end(segment_id)
                return file
        file = self._open(segment_id)
        with self.lock:
            self.files[segment_id] = file
            while len(self.files) > OPEN_FILES:
                self.files.popitem(last=False)
            self._drop_removed()
        return file

    def forget(self, segment_id: int) -> None:
        with self.lock:
            self.files.pop(segment_id, None)
            self.directories.pop(segment_id, None)

    def clear(self) -> None:
        with self.lock:
            self.files.clear()
            self.directories.clear()

    def _open(self, segment_id: int) -> OpenFile:
        directory = self.directories.get(segment_id)
        if directory is not None:
            try:
                return OpenFile(directory / segment_name(segment_id))
            except FileNotFoundError:
                pass  # the area may have moved: ask the database
        segment = Segment.objects.select_related("area").filter(pk=segment_id).first()
        if segment is None:
            self.directories.pop(segment_id, None)
            raise FileNotFoundError(segment_name(segment_id))
        directory = self.directories[segment_id] = segment.area.directory
        if len(self.directories) > 100_000:
            self.directories.clear()
        return OpenFile(directory / segment_name(segment_id))

    def _drop_removed(self) -> None:
        # A removed segment takes up its room on the disk as long as somebody has it open.
        now = time.monotonic()
        if now - self.looked_at > _LOOK_FOR_REMOVED_SECONDS:
            self.looked_at = now
            for segment_id in [n for n, file in self.files.items() if file.is_removed]:
                del self.files[segment_id]


_open_files = _OpenFiles()


def _after_fork() -> None:
    # Another thread may have held the lock; the open files themselves may be shared.
    _open_files.lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)


def forget_segment(segment_id: int) -> None:
    """Close the file of a segment that has been removed or moved."""
    _open_files.forget(segment_id)


def forget_all() -> None:
    """Close every file, as after a whole area has moved."""
    _open_files.clear()


def locate(blob_ids: Iterable[int]) -> dict[int, Location]:
    """Where these blobs lie now; unknown ones are left out."""
    wanted = list(blob_ids)
    places: dict[int, Location] = {}
    with connection.cursor() as cursor:
        for start in range(0, len(wanted), LOCATE_AT_ONCE):
            some = wanted[start : start + LOCATE_AT_ONCE]
            marks = ", ".join(["%s"] * len(some))
            cursor.execute(f"{_SELECT_PLACES} ({marks})", some)
            places.update((row[0], Location(*row)) for row in cursor.fetchall())
    return places


def read_body(location: Location, start: int = 0, stop: int | None = None) -> bytes:
    """The body, or its bytes from `start` to `stop`.

    The checksum is verified when the whole body is asked for. Raises BlobDamaged, BlobGone.
    """
    size = location.size_bytes
    start = min(max(start, 0), size)
    stop = size if stop is None else min(max(stop, start), size)
    file, location = find(location)
    if start == 0 and stop == size:
        return _read_whole(file, location)
    piece = _pread(file, location, stop - start, location.body_offset + start)
    if len(piece) < stop - start:
        raise BlobDamaged(location.blob_id, "the file ends too early")
    return piece


def read_cached(location: Location, start: int, stop: int) -> bytes | None:
    """The same if it needs no waiting: the segment is open and its pages are in memory.

    None: ask `read_body`, in a thread. Raises BlobDamaged.
    """
    file = _open_files.files.get(location.segment_id)
    if file is None:
        return None
    if start > 0 or stop < location.size_bytes:
        return _pread_cached(file, stop - start, location.body_offset + start)
    raw = _pread_cached(file, location.length, location.offset)
    return None if raw is None else _checked_body(raw, location)


def read_meta(location: Location) -> bytes:
    """What the writer gave as meta. Raises BlobDamaged, BlobGone."""
    header, head = read_head(location)
    return head[RECORD_HEADER_BYTES : RECORD_HEADER_BYTES + header.meta_bytes]


def read_facts(location: Location) -> bytes:
    """What the writer gave as facts. Raises BlobDamaged, BlobGone."""
    header, head = read_head(location)
    return head[RECORD_HEADER_BYTES + header.meta_bytes : header.body_start]


def open_body(location: Location) -> BodyReader:
    """The body as a seekable file, not checked against its checksum. Raises BlobGone."""
    file, location = find(location)
    return BodyReader(file, location)


class BodyReader(io.RawIOBase):
    """A body as a file object; reading it needs no memory but the caller's buffer."""

    def __init__(self, file: OpenFile, location: Location) -> None:
        self._file = file
        self._location = location
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._location.size_bytes}
        self._position = max(0, base[whence] + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        with memoryview(buffer).cast("B") as view:
            count = min(len(view), max(0, self._location.size_bytes - self._position))
            if count == 0:
                return 0
            where = self._location.body_offset + self._position
            got = os.preadv(self._file.fd, [view[:count]], where)
        if got == 0:
            raise BlobDamaged(self._location.blob_id, "the file ends too early")
        self._position += got
        return got


def find(location: Location) -> tuple[OpenFile, Location]:
    """The open file for a location, and the location itself; follows a blob moved since.

    Raises BlobGone, or BlobDamaged if the segment is missing.
    """
    try:
        return _open_files.get(location.segment_id), location
    except FileNotFoundError:
        moved = locate([location.blob_id]).get(location.blob_id)
        if moved is None:
            raise BlobGone([location.blob_id]) from None
    try:
        return _open_files.get(moved.segment_id), moved
    except FileNotFoundError:
        raise BlobDamaged(location.blob_id, "its segment is missing") from None


def _pread(file: OpenFile, location: Location, count: int, offset: int) -> bytes:
    try:
        return pread(file.fd, count, offset)
    except OSError as error:
        raise BlobDamaged(location.blob_id, f"cannot be read: {error.strerror}") from error


def _header(raw: bytes, location: Location) -> Header:
    header = decode_header(raw)
    if (
        header is None
        or header.blob_id != location.blob_id
        or header.body_bytes != location.size_bytes
        or header.length != location.length
    ):
        raise BlobDamaged(location.blob_id, "another record, or none, lies there")
    return header


def _read_whole(file: OpenFile, location: Location) -> bytes:
    raw = _pread(file, location, location.length, location.offset)
    return _checked_body(raw, location)


def _pread_cached(file: OpenFile, count: int, offset: int) -> bytes | None:
    buffer = bytearray(count)
    try:
        got = os.preadv(file.fd, [buffer], offset, os.RWF_NOWAIT)
    except OSError:  # not in memory, or a file system that cannot say
        return None
    return bytes(buffer) if got == count else None


def _checked_body(raw: bytes, location: Location) -> bytes:
    header = _header(raw, location)
    if len(raw) < location.length:
        raise BlobDamaged(location.blob_id, "the file ends too early")
    body = raw[header.body_start :]
    if crc32(body) != header.body_crc:
        raise BlobDamaged(location.blob_id, "body checksum")
    return body


def read_head(location: Location) -> tuple[Header, bytes]:
    """The header, and the bytes of header, meta and facts. Raises BlobDamaged, BlobGone."""
    file, location = find(location)
    head_bytes = location.length - location.size_bytes
    raw = _pread(file, location, head_bytes, location.offset)
    header = _header(raw, location)
    if len(raw) < head_bytes or not head_is_sound(raw, header):
        raise BlobDamaged(location.blob_id, "header checksum")
    return header, raw
