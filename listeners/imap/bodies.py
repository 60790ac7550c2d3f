"""What FETCH reads of messages: facts and headers from memory, bodies from the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from blobs.errors import BlobGone
from blobs.store import read_cached
from listeners.imap.headers import LONGEST_HEADER_BYTES, fields, headers
from listeners.imap.plan import Plan
from listeners.imap.sections import cut, filtered, is_filtered, span
from mailboxes import selectors
from mailboxes.selectors import StoredMessage
from protocols.imap.fetch import Section

AT_ONCE_BYTES = 1024 * 1024  # of messages read on the loop, from memory
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


def answers_at_once(folder_id: int, uids: Sequence[int], plan: Plan) -> list[bytes] | None:
    """The items of each message, if nothing has to be waited for."""
    messages = [message for message in selectors.known(folder_id, uids) if message is not None]
    if len(messages) < len(uids):
        return None
    columns = [_texts(messages, plan)] if plan.texts else []
    for section in plan.sections:
        column = _fields if is_filtered(section) else _bodies
        items = column(messages, section)
        if items is None:
            return None
        columns.append(items)
    if len(columns) == 1:
        return columns[0]
    return [b" ".join(row) for row in zip(*columns, strict=True)]


def _texts(messages: Sequence[StoredMessage], plan: Plan) -> list[bytes]:
    if len(plan.texts) == 1:
        text = plan.texts[0]
        return [text(message) for message in messages]
    return [b" ".join([text(message) for text in plan.texts]) for message in messages]


def _fields(messages: Sequence[StoredMessage], section: Section) -> list[bytes] | None:
    """The items of one section that names fields; None: something has to be waited for."""
    known = fields.of(section)
    found: list[bytes] = []
    read_bytes = 0
    for message in messages:
        item = known.get(message.message_id)
        if item is None:
            read_bytes += message.facts.header_bytes
            fresh = _item(message, section, _read_at_once) if read_bytes <= AT_ONCE_BYTES else None
            if not isinstance(fresh, bytes):
                return None
            item = fresh
        found.append(item)
    return found


def _bodies(messages: Sequence[StoredMessage], section: Section) -> list[bytes] | None:
    """The same for any other section."""
    if sum([message.size_bytes for message in messages]) > AT_ONCE_BYTES:
        return None
    found: list[bytes] = []
    for message in messages:
        item = _item(message, section, _read_at_once)
        if not isinstance(item, bytes):
            return None
        found.append(item)
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


def _answer(message: StoredMessage, plan: Plan) -> list[Octets]:
    """The items of one message that come from its facts and its bytes, ready to be joined."""
    found: list[Octets] = [b" ".join([text(message) for text in plan.texts])]
    for number, section in enumerate(plan.sections):
        if number or plan.texts:
            found.append(b" ")
        item = _item(message, section, _read)
        if isinstance(item, Large):
            found.append(_head(section, item.stop - item.start))
        assert item is not None
        found.append(item)
    return found


def _item(
    message: StoredMessage,
    section: Section,
    read: Callable[[StoredMessage, int, int], bytes | None],
) -> Octets | None:
    """The section with its label; None: `read` has nothing. A Large comes without its label."""
    whole = span(message, section)
    if whole is None:
        return section.label + b" NIL"
    if is_filtered(section):
        header = read(message, *whole)
        return None if header is None else _fields_item(message, section, header)
    start, stop = cut(whole, section)
    if stop - start > LARGE_BYTES:
        return Large(message, start, stop)
    octets = read(message, start, stop)
    return None if octets is None else _head(section, len(octets)) + octets


def _fields_item(message: StoredMessage, section: Section, header: bytes) -> bytes:
    octets = filtered(header, section)
    item = _head(section, len(octets)) + octets
    fields.put(section, message.message_id, item)
    return item


def _head(section: Section, size_bytes: int) -> bytes:
    return b"%b {%d}\r\n" % (section.label, size_bytes)


def _read(message: StoredMessage, start: int, stop: int) -> bytes:
    """Blocks."""
    header_bytes = len(message.prefix) + message.facts.header_bytes
    if not stop <= header_bytes <= LONGEST_HEADER_BYTES:
        return message.read_range(start, stop)
    header = headers.get(message.message_id)
    if header is None:
        header = message.read_range(0, header_bytes)
        headers.put(message.message_id, header)
    return header[start:stop]


def _read_at_once(message: StoredMessage, start: int, stop: int) -> bytes | None:
    """None: it would have to be waited for."""
    shift = len(message.prefix)
    if stop <= shift + message.facts.header_bytes:
        header = headers.get(message.message_id)
        if header is not None:
            return header[start:stop]
    if stop <= shift:
        return message.prefix[start:stop]
    body = read_cached(message.location, max(start - shift, 0), stop - shift)
    return None if body is None else message.prefix[start:shift] + body
