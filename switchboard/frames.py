"""Notes as bytes, the same on every carrier."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from switchboard.topics import Note, Topic

MAX_PAYLOAD_BYTES = 4_000
FRAME_BYTES = 8_000  # of one frame, unless one note alone is longer

_MAGIC = b"N1"
_HEADER = struct.Struct(">2sB")  # magic, node
_NOTE = struct.Struct(">BqqH")  # topic, key, change id, bytes of payload
_TOPICS = {int(topic): topic for topic in Topic}


class BadFrame(ValueError):
    """The bytes are no frame of notes."""


def encode(notes: Sequence[Note], *, node: int, limit_bytes: int = FRAME_BYTES) -> list[bytes]:
    """As few frames as the limit allows, in order."""
    header = _HEADER.pack(_MAGIC, node)
    frames: list[bytes] = []
    parts = [header]
    size = len(header)
    for topic, key, payload, change_id in notes:
        piece = _NOTE.pack(topic, key, change_id, len(payload)) + payload
        if size + len(piece) > limit_bytes and len(parts) > 1:
            frames.append(b"".join(parts))
            parts, size = [header], len(header)
        parts.append(piece)
        size += len(piece)
    frames.append(b"".join(parts))
    return frames


def node_of(frame: bytes) -> int:
    """Which machine sent the frame. Raises BadFrame."""
    if len(frame) < _HEADER.size or not frame.startswith(_MAGIC):
        raise BadFrame("no header")
    return frame[len(_MAGIC)]


def decode(frame: bytes) -> list[Note]:
    """The notes of a frame; those of topics unknown here are left out. Raises BadFrame."""
    node_of(frame)
    return list(_notes(frame))


def _notes(frame: bytes) -> Iterator[Note]:
    position = _HEADER.size
    while position < len(frame):
        start = position + _NOTE.size
        if start > len(frame):
            raise BadFrame("cut short")
        number, key, change_id, length = _NOTE.unpack_from(frame, position)
        position = start + length
        if position > len(frame):
            raise BadFrame("cut short")
        # A newer process may know more topics.
        topic = _TOPICS.get(number)
        if topic is not None:
            yield Note(topic, key, frame[start:position], change_id)
