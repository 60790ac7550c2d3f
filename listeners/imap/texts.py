"""Text of messages as SEARCH compares it: decoded, without case. RFC 3501 §6.4.4."""

from __future__ import annotations

import binascii
import threading
from collections import OrderedDict

from blobs.errors import StoreError
from listeners.imap.bodies import header_of
from mailboxes.selectors import StoredMessage
from protocols.message import headers, words
from protocols.message.facts import BASE64, QUOTED_PRINTABLE, TEXT, PartRange
from protocols.message.parameters import content_type, text

REMEMBERED_FIELDS = 50_000
LONGEST_REMEMBERED = 500  # characters of a field
MOST_TEXT_BYTES = 8 * 1024 * 1024  # of one part


class _Fields:
    """Fields compared lately, by message id and name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, str], str | None] = OrderedDict()

    def get(self, message: StoredMessage, field: str) -> str | None:
        key = (message.message_id, field)
        if key in self._known:
            return self._known[key]
        values = headers.every(header_of(message), field.encode("ascii", "replace"))
        found = "\n".join([fold(words.decode(value)) for value in values]) if values else None
        if found is None or len(found) <= LONGEST_REMEMBERED:
            with self._lock:
                self._known[key] = found
                while len(self._known) > REMEMBERED_FIELDS:
                    self._known.popitem(last=False)
        return found


_fields = _Fields()


def fold(text: str) -> str:
    return text.casefold()


def field_holds(message: StoredMessage, field: str, text: str) -> bool:
    """`field` in lower case, `text` folded; "" asks only whether the field is there."""
    try:
        found = _fields.get(message, field)
    except StoreError:
        return False
    return found is not None and text in found


def header_holds(message: StoredMessage, text: str) -> bool:
    try:
        header = header_of(message)
    except StoreError:
        return False
    return text in fold(words.decode_raw(header)) or (
        b"=?" in header and text in fold(words.decode(header))
    )


def body_holds(message: StoredMessage, text: str) -> bool:
    """Looks into every text part, decoded; other parts are not searched."""
    facts = message.facts
    parts = [facts.part(index) for index in range(len(facts))]
    return any(part.kind == TEXT and _part_holds(message, part, text) for part in parts)


def _part_holds(message: StoredMessage, part: PartRange, wanted: str) -> bool:
    shift = len(message.prefix)
    stop = min(part.end, part.body_start + MOST_TEXT_BYTES)
    try:
        octets = message.read_range(part.body_start + shift, stop + shift)
        if part.encoding not in (QUOTED_PRINTABLE, BASE64) and octets.isascii():
            return wanted.isascii() and wanted in octets.decode("ascii").lower()
        header = message.read_range(part.header_start + shift, part.body_start + shift)
    except StoreError:
        return False
    return wanted in fold(words.decode_charset(_decoded(octets, part.encoding), _charset(header)))


def _decoded(octets: bytes, encoding: int) -> bytes:
    if encoding == QUOTED_PRINTABLE:
        return binascii.a2b_qp(octets)
    return words.decode_base64(octets) if encoding == BASE64 else octets


def _charset(header: bytes) -> str:
    declared = content_type(headers.first(header, b"content-type"))
    return (text(declared.parameters, b"charset") or "utf-8").lower()
