"""What FETCH reads of messages: facts and headers from memory, bodies from the disk."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blobs.errors import BlobGone
from listeners.imap.plan import Plan
from listeners.imap.sections import cut, filtered, is_filtered, span
from mailboxes import selectors
from mailboxes.selectors import StoredMessage
from protocols.imap.fetch import Section

HEADERS_BYTES = 16 * 1024 * 1024
LONGEST_HEADER_BYTES = 32 * 1024
LARGE_BYTES = 512 * 1024  # a longer section is sent in pieces of this size


@dataclass(frozen=True, slots=True)
class Large:
    """A section too long to be held in memory: its octets are sent piece by piece."""

    message: StoredMessage
    start: int
    stop: int

    def pieces(self) -> Iterator[tuple[int, int]]:
        for start in range(self.start, self.stop, LARGE_BYTES):
            yield start, min(start + LARGE_BYTES, self.stop)


Octets = bytes | Large


class Headers:
    """Headers read lately, by message id; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[int, bytes] = OrderedDict()
        self._size_bytes = 0

    def get(self, message_id: int) -> bytes | None:
        return self._known.get(message_id)

    def put(self, message_id: int, header: bytes) -> None:
        if len(header) > LONGEST_HEADER_BYTES:
            return
        with self._lock:
            if message_id not in self._known:
                self._known[message_id] = header
                self._size_bytes += len(header) + 200
            while self._size_bytes > HEADERS_BYTES:
                _, dropped = self._known.popitem(last=False)
                self._size_bytes -= len(dropped) + 200


headers = Headers()


def answers_in_memory(folder_id: int, uids: Sequence[int], plan: Plan) -> list[bytes] | None:
    """The items of each message, if nothing has to be read for any of them."""
    found: list[bytes] = []
    for message in selectors.known(folder_id, uids):
        if message is None or not _is_in_memory(message, plan):
            return None
        found.append(b"".join([part for part in _answer(message, plan) if isinstance(part, bytes)]))
    return found


def answers(folder_id: int, uids: Sequence[int], plan: Plan) -> list[list[Octets] | None]:
    """The same, reading what is needed; None for a message that has gone. Blocks."""
    messages = selectors.read_messages(folder_id, uids)
    found: list[list[Octets] | None] = []
    for uid in uids:
        message = messages.get(uid)
        try:
            found.append(None if message is None else _answer(message, plan))
        except BlobGone:
            found.append(None)
    return found


def header_of(message: StoredMessage) -> bytes:
    """The header with its blank line. Blocks if it is not remembered."""
    header = headers.get(message.message_id)
    if header is None:
        header = message.read_range(0, len(message.prefix) + message.facts.header_bytes)
        headers.put(message.message_id, header)
    return header


def _is_in_memory(message: StoredMessage, plan: Plan) -> bool:
    for section in plan.sections:
        whole = span(message, section)
        if whole is not None and whole[0] != whole[1]:
            header = headers.get(message.message_id)
            if header is None or whole[1] > len(header):
                return False
    return True


def _answer(message: StoredMessage, plan: Plan) -> list[Octets]:
    """The items of one message that come from its facts and its bytes, ready to be joined."""
    items: list[list[Octets]] = [[text(message)] for text in plan.texts]
    items.extend(_item(message, section) for section in plan.sections)
    found = items[0]
    for item in items[1:]:
        found.append(b" ")
        found.extend(item)
    return found


def _item(message: StoredMessage, section: Section) -> list[Octets]:
    whole = span(message, section)
    if whole is None:
        return [section.label + b" NIL"]
    if is_filtered(section):
        octets = filtered(_read(message, *whole), section)
        return [b"%b {%d}\r\n%b" % (section.label, len(octets), octets)]
    start, stop = cut(whole, section)
    head = b"%b {%d}\r\n" % (section.label, stop - start)
    if stop - start > LARGE_BYTES:
        return [head, Large(message, start, stop)]
    return [head + _read(message, start, stop)]


def _read(message: StoredMessage, start: int, stop: int) -> bytes:
    if stop <= len(message.prefix) + message.facts.header_bytes <= LONGEST_HEADER_BYTES:
        return header_of(message)[start:stop]
    return message.read_range(start, stop)
