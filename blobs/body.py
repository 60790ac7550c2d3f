"""The body of a message while it arrives: in memory while small, in a temporary file beyond."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Protocol
from zlib import crc32

from blobs.errors import StoreError
from blobs.failures import store_error
from blobs.record import pread

DIGEST_BYTES = 16
SPILL_BYTES = 256 << 10
_CHUNK = 1 << 20
_NO_TMPFILE = (errno.EISDIR, errno.EOPNOTSUPP, errno.EINVAL)  # as the file system says it


class HasDirectory(Protocol):
    """An area."""

    @property
    def directory(self) -> Path: ...


class Body:
    """Collects chunks; knows its size, digest and checksum at any time.

    `area` says on which disk it spills, so that the copy into the segment stays inside one file
    system. A spilled file has no name: whatever happens, nothing of it stays.
    """

    start = 0  # of the body in its spilled file
    __slots__ = ("_chunks", "_crc", "_directory", "_fd", "_hash", "_held_bytes", "size_bytes")

    def __init__(self, area: HasDirectory | Path, content: bytes = b"") -> None:
        self._directory = area if isinstance(area, Path) else area.directory
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._fd = -1
        self._hash = blake2b(digest_size=DIGEST_BYTES)
        self._crc = 0
        self.size_bytes = 0
        if content:
            self.write(content)

    def write(self, chunk: bytes) -> None:
        """Append bytes. Raises StoreFull or StoreFailed if they can't be spilled."""
        self._hash.update(chunk)
        self._crc = crc32(chunk, self._crc)
        self.size_bytes += len(chunk)
        self._chunks.append(chunk)
        self._held_bytes += len(chunk)
        if self._held_bytes > SPILL_BYTES:
            self._spill()

    @property
    def digest(self) -> bytes:
        """BLAKE2b of what has been written so far, 16 bytes."""
        return self._hash.digest()

    @property
    def crc(self) -> int:
        return self._crc

    @property
    def spilled_fd(self) -> int | None:
        """The temporary file that holds `size_bytes - held bytes` first bytes; None if none."""
        return None if self._fd < 0 else self._fd

    @property
    def spilled_bytes(self) -> int:
        return self.size_bytes - self._held_bytes

    @property
    def held_chunks(self) -> list[bytes]:
        """What is in memory: everything, or what follows the spilled bytes."""
        return self._chunks

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order; may be asked for any number of times until closed."""
        position, end = 0, self.spilled_bytes
        while position < end:
            piece = pread(self._fd, min(_CHUNK, end - position), position)
            yield piece
            position += len(piece)
        yield from self._chunks

    def read(self) -> bytes:
        """All bytes at once."""
        return b"".join(self.chunks())

    def close(self) -> None:
        """Let go of memory and file. May be called again."""
        fd, self._fd = self._fd, -1
        self._chunks = []
        self._held_bytes = self.size_bytes
        if fd >= 0:
            os.close(fd)

    discard = close

    def __del__(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    def __enter__(self) -> Body:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _spill(self) -> None:
        try:
            if self._fd < 0:
                self._fd = _nameless_file(self._directory)
            for chunk in self._chunks:
                view = memoryview(chunk)
                while view:
                    view = view[os.write(self._fd, view) :]
        except OSError as error:
            raise self._fail(error) from error
        self._chunks = []
        self._held_bytes = 0

    def _fail(self, error: OSError) -> StoreError:
        self.close()
        return store_error(error, self.size_bytes)


class HasFd(Protocol):
    """An open file; closed when nobody holds it any more."""

    fd: int


class StoredBody:
    """The body of a record that lies in a segment, as the source of a copy."""

    __slots__ = ("_file", "crc", "digest", "held_chunks", "size_bytes", "spilled_bytes", "start")

    def __init__(
        self, file: HasFd, start: int, *, size_bytes: int, digest: bytes, crc: int
    ) -> None:
        self._file = file
        self.start = start
        self.size_bytes = size_bytes
        self.digest = digest
        self.crc = crc
        self.held_chunks: list[bytes] = []
        self.spilled_bytes = 0
        if size_bytes <= SPILL_BYTES:
            self.held_chunks.append(pread(file.fd, size_bytes, start))
        else:
            self.spilled_bytes = size_bytes

    @property
    def spilled_fd(self) -> int | None:
        return self._file.fd if self.spilled_bytes else None

    def is_sound(self) -> bool:
        """Does the checksum hold? Reads all of it."""
        crc = 0
        for chunk in self.held_chunks:
            crc = crc32(chunk, crc)
        for done in range(0, self.spilled_bytes, _CHUNK):
            count = min(_CHUNK, self.spilled_bytes - done)
            crc = crc32(pread(self._file.fd, count, self.start + done), crc)
        return crc == self.crc


def _nameless_file(directory: Path) -> int:
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        directory.mkdir(parents=True, mode=0o700)
        return _nameless_file(directory)
    except OSError as error:
        if error.errno not in _NO_TMPFILE:
            raise
        fd, name = tempfile.mkstemp(prefix=".body-", dir=directory)
        Path(name).unlink()
        return fd
