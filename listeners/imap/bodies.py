"""What is kept of messages - facts, place, header - and reading their sections."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blobs.errors import BlobGone
from blobs.store import read_body
from listeners.imap.plan import Plan
from listeners.imap.sections import Kept, Piece, cut, filtered, is_filtered, piece
from protocols.imap.fetch import Section

CACHE_BYTES = 24 * 1024 * 1024
LARGE_BYTES = 512 * 1024  # a longer section is sent in pieces of this size


class Cache:
    """Least recently used first out; `load` is what fills it."""

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._kept: OrderedDict[int, Kept] = OrderedDict()

    def get(self, message_id: int) -> Kept | None:
        kept = self._kept.get(message_id)
        if kept is not None:
            self._kept.move_to_end(message_id)
        return kept

    def put(self, message_id: int, kept: Kept) -> None:
        if message_id not in self._kept:
            self._kept[message_id] = kept
            self._size_bytes += kept.size_bytes
            while self._size_bytes > self._limit_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._size_bytes -= dropped.size_bytes


@dataclass(frozen=True, slots=True)
class Large:
    """A section too long for memory: its octets are sent piece by piece."""

    kept: Kept
    start: int
    stop: int

    def pieces(self) -> Iterator[tuple[int, int]]:
        for start in range(self.start, self.stop, LARGE_BYTES):
            yield start, min(start + LARGE_BYTES, self.stop)


Octets = bytes | Large


def answers_in_memory(cache: Cache, message_ids: Sequence[int], plan: Plan) -> list[bytes] | None:
    """The items of each message, if nothing has to be read for any of them."""
    found: list[bytes] = []
    for message_id in message_ids:
        kept = cache.get(message_id)
        if kept is None or not _is_in_memory(kept, plan):
            return None
        found.append(b"".join([part for part in _answer(kept, plan) if isinstance(part, bytes)]))
    return found


def answers(cache: Cache, message_ids: Sequence[int], plan: Plan) -> list[list[Octets] | None]:
    """The same with reading what is needed, in a thread; None for a message that has gone."""
    missing = [message_id for message_id in message_ids if cache.get(message_id) is None]
    loaded = load(missing) if missing else {}
    for message_id, kept in loaded.items():
        cache.put(message_id, kept)
    found: list[list[Octets] | None] = []
    for message_id in message_ids:
        one = loaded.get(message_id) or cache.get(message_id)
        try:
            found.append(None if one is None else _answer(one, plan))
        except BlobGone:
            found.append(None)
    return found


def _is_in_memory(kept: Kept, plan: Plan) -> bool:
    for section in plan.sections:
        whole = piece(kept, section)
        if whole is not None and whole.stop > len(kept.header) and whole.start < whole.stop:
            return False
    return True


def _answer(kept: Kept, plan: Plan) -> list[Octets]:
    """The items of one message that come from its facts and its body, ready to be joined."""
    items: list[list[Octets]] = [[text(kept)] for text in plan.texts]
    items.extend(_item(kept, section) for section in plan.sections)
    found = items[0]
    for item in items[1:]:
        found.append(b" ")
        found.extend(item)
    return found


def _item(kept: Kept, section: Section) -> list[Octets]:
    whole = piece(kept, section)
    if whole is None:
        return [section.label + b" NIL"]
    if is_filtered(section):
        octets = filtered(_read(kept, whole), section)
        return [b"%b {%d}\r\n%b" % (section.label, len(octets), octets)]
    part = cut(whole, section)
    head = b"%b {%d}\r\n%b" % (section.label, part.size_bytes, part.before)
    if part.stop - part.start > LARGE_BYTES:
        return [head, Large(kept, part.start, part.stop)]
    return [head + _read(kept, part._replace(before=b""))]


def _read(kept: Kept, part: Piece) -> bytes:
    if part.start == part.stop:
        return part.before
    if part.stop <= len(kept.header):
        return part.before + kept.header[part.start : part.stop]
    return part.before + read_body(kept.location, part.start, part.stop)
