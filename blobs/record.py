"""The form of a record in a segment: a header, meta, facts and a body, each checked.

A record describes itself, so a segment can be read without the database. Every record begins with
the segment's own mark, half of which is random: bytes inside a mail body can never pass for one.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

NONCE_BYTES = 8
MAX_META_BYTES = 1 << 20
MAX_FACTS_BYTES = 16 << 20
MAX_BODY_BYTES = 1 << 40

FLAG_COPIED = 1  # written by a move or a compaction: the blob has had its row before

_SEGMENT_MAGIC = b"MHseg\x001\n"
_SEGMENT = struct.Struct("<8sQ8sI")  # magic, segment id, nonce, crc of these
SEGMENT_HEADER_BYTES = 32  # the rest is zero

_RECORD_MAGIC = b"\x8bMH1"  # the last byte is the version
_MARK_BYTES = len(_RECORD_MAGIC) + NONCE_BYTES
# mark, flags, blob id, bytes of meta, of facts, of body, digest of body, crc of body
_RECORD = struct.Struct("<12sIQIIQ16sI")
_CRC = struct.Struct("<I")  # of the header before it, meta and facts
RECORD_HEADER_BYTES = _RECORD.size + _CRC.size
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before meta, facts and body."""

    blob_id: int
    flags: int
    meta_bytes: int
    facts_bytes: int
    body_bytes: int
    digest: bytes
    body_crc: int

    @property
    def body_start(self) -> int:
        """Where the body begins, counted from the beginning of the record."""
        return RECORD_HEADER_BYTES + self.meta_bytes + self.facts_bytes

    @property
    def length(self) -> int:
        return self.body_start + self.body_bytes

    @property
    def is_copy(self) -> bool:
        return bool(self.flags & FLAG_COPIED)


@dataclass(frozen=True, slots=True)
class Found:
    """A sound record that a scan met; its body lies at `offset + header.body_start`."""

    offset: int
    header: Header
    meta: bytes
    facts: bytes

    @property
    def end(self) -> int:
        return self.offset + self.header.length


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes from `offset` to `end` that are no sound record, and why."""

    offset: int
    end: int
    reason: str


def encode_segment_header(segment_id: int, nonce: bytes) -> bytes:
    start = _SEGMENT.pack(_SEGMENT_MAGIC, segment_id, nonce, 0)[: -_CRC.size]
    return (start + _CRC.pack(crc32(start))).ljust(SEGMENT_HEADER_BYTES, b"\0")


def decode_segment_header(raw: bytes) -> tuple[int, bytes] | None:
    """The segment's id and nonce; None if this is not a segment's header."""
    if len(raw) < SEGMENT_HEADER_BYTES:
        return None
    magic, segment_id, nonce, crc = _SEGMENT.unpack_from(raw)
    if magic != _SEGMENT_MAGIC or crc != crc32(raw[: _SEGMENT.size - _CRC.size]):
        return None
    return segment_id, nonce


def mark_of(nonce: bytes) -> bytes:
    """What every record of the segment with this nonce begins with."""
    return _RECORD_MAGIC + nonce


def encode_head(
    mark: bytes,
    *,
    blob_id: int,
    meta: bytes,
    facts: bytes,
    body_bytes: int,
    digest: bytes,
    body_crc: int,
    flags: int = 0,
) -> bytes:
    """Everything of a record that comes before its body."""
    start = _RECORD.pack(mark, flags, blob_id, len(meta), len(facts), body_bytes, digest, body_crc)
    crc = crc32(facts, crc32(meta, crc32(start)))
    return b"".join((start, _CRC.pack(crc), meta, facts))


def decode_header(raw: bytes | memoryview) -> Header | None:
    """Read a record's header without judging its checksum; None if it can't be one."""
    if len(raw) < RECORD_HEADER_BYTES:
        return None
    mark, flags, blob_id, meta, facts, body, digest, body_crc = _RECORD.unpack_from(raw)
    if mark[: len(_RECORD_MAGIC)] != _RECORD_MAGIC:
        return None
    if meta > MAX_META_BYTES or facts > MAX_FACTS_BYTES or body > MAX_BODY_BYTES:
        return None
    return Header(blob_id, flags, meta, facts, body, digest, body_crc)


def head_is_sound(raw: bytes | memoryview, header: Header) -> bool:
    """Does the checksum over header, meta and facts hold? `raw` holds at least these."""
    (crc,) = _CRC.unpack_from(raw, _RECORD.size)
    seen = crc32(raw[RECORD_HEADER_BYTES : header.body_start], crc32(raw[: _RECORD.size]))
    return bool(seen == crc)


def scan(path: Path, *, start: int = 0, check_bodies: bool = True) -> Iterator[Found | Broken]:
    """Walk a segment from `start`: its sound records in order, and what lies broken between.

    Whatever the bytes are, nothing is raised; a file that can't be read is one Broken.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        yield Broken(0, 0, f"cannot be opened: {error.strerror}")
        return
    try:
        yield from _Scan(fd, os.fstat(fd).st_size, check_bodies).walk(start)
    finally:
        os.close(fd)


def pread(fd: int, count: int, offset: int) -> bytes:
    """Read `count` bytes, fewer only at the end of the file."""
    piece = os.pread(fd, count, offset)
    if len(piece) == count or not piece:
        return piece
    pieces = [piece]
    missing = count - len(piece)
    while missing and piece:  # Linux reads at most 2 GiB at once
        piece = os.pread(fd, missing, offset + count - missing)
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


class _Scan:
    """One walk over one open segment. Reads instead of mapping: a bad sector must not kill."""

    def __init__(self, fd: int, size: int, check_bodies: bool) -> None:
        self.fd = fd
        self.size = size
        self.check_bodies = check_bodies
        self.mark = b""

    def read(self, count: int, offset: int) -> bytes:
        try:
            return pread(self.fd, count, offset)
        except OSError:
            return bytes(count)  # no checksum will hold over them: the scan goes on behind

    def walk(self, start: int) -> Iterator[Found | Broken]:
        if self.size == 0:
            return
        opening = decode_segment_header(self.read(SEGMENT_HEADER_BYTES, 0))
        if opening is not None:
            self.mark = mark_of(opening[1])
        else:
            yield Broken(0, min(self.size, SEGMENT_HEADER_BYTES), "segment header")
            # Only the first record's place is trusted to show the mark: anywhere else it
            # could be the text of a mail.
            self.mark = self.read(_MARK_BYTES, SEGMENT_HEADER_BYTES)
        position = max(start, SEGMENT_HEADER_BYTES)
        while position < self.size:
            seen = self.look_at(position)
            yield seen
            position = seen.end

    def look_at(self, position: int) -> Found | Broken:
        raw = self.read(RECORD_HEADER_BYTES, position)
        header = decode_header(raw)
        if header is None or not raw.startswith(self.mark):
            return Broken(position, self.next_mark(position + 1), "no record")
        raw += self.read(header.body_start - RECORD_HEADER_BYTES, position + RECORD_HEADER_BYTES)
        if len(raw) < header.body_start or not head_is_sound(raw, header):
            return Broken(position, self.next_mark(position + 1), "header checksum")
        if position + header.length > self.size:
            return Broken(position, self.next_mark(position + header.body_start), "torn")
        if self.check_bodies and self.body_crc(position, header) != header.body_crc:
            return Broken(position, position + header.length, "body checksum")
        facts_start = RECORD_HEADER_BYTES + header.meta_bytes
        return Found(position, header, raw[RECORD_HEADER_BYTES:facts_start], raw[facts_start:])

    def body_crc(self, position: int, header: Header) -> int:
        crc = 0
        position += header.body_start
        end = position + header.body_bytes
        while position < end:
            piece = self.read(min(_CHUNK, end - position), position)
            if not piece:
                break
            crc = crc32(piece, crc)
            position += len(piece)
        return crc

    def next_mark(self, position: int) -> int:
        """Where the next record may begin: the next mark, or the end."""
        while position < self.size:
            piece = self.read(_CHUNK + _MARK_BYTES, position)
            at = piece.find(self.mark)
            if at >= 0:
                return position + at
            position += _CHUNK
        return self.size
