"""The text of a message as searches compare it: decoded, without case."""

from __future__ import annotations

import binascii
import unicodedata
from collections.abc import Iterable

from blobs.errors import StoreError
from mailboxes.selectors import StoredMessage
from protocols.message import facts, headers, parameters, words
from protocols.message.addresses import ListedAddress
from protocols.message.facts import PartRange

MOST_TEXT_BYTES = 1 << 20  # of one message; what follows is not searched

_LISTS = {"FROM": "author", "TO": "to", "CC": "cc", "BCC": "bcc"}
_TEXTS = {"SUBJECT": "subject", "MESSAGE-ID": "message_id", "IN-REPLY-TO": "in_reply_to"}


def folded(text: str) -> str:
    """How both sides of a comparison are written."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", text.casefold())


def header(message: StoredMessage, field: str) -> str | None:
    """All values of the field (its name in capitals); None: it is not there."""
    if field in _TEXTS:
        value = getattr(message.facts.envelope_values, _TEXTS[field])
        return None if value is None else folded(words.decode(value))
    if field in _LISTS:
        listed = getattr(message.facts.envelope_values, _LISTS[field])
        return folded(_people(listed)) if listed else None
    found = headers.every(_header_block(message), field.encode("utf-8", "replace"))
    return folded("\n".join(map(words.decode, found))) if found else None


def whole_header(message: StoredMessage) -> str:
    """The header block with its encoded words decoded."""
    block = _header_block(message)
    return folded("\n".join(words.decode(line) for line in block.split(b"\r\n")))


def body(message: StoredMessage) -> str:
    """The decoded text parts and the headers of attached messages."""
    try:
        whole = message.read()[len(message.prefix) :]
    except StoreError:
        return ""
    pieces: list[str] = []
    size = 0
    for index in range(len(message.facts)):
        part = message.facts.part(index)
        if part.kind == facts.TEXT:
            pieces.append(_part_text(whole, part))
        elif part.kind == facts.MESSAGE:
            inside = message.facts.part(index + 1)
            pieces.append(words.decode(whole[inside.header_start : inside.body_start]))
        else:
            continue
        size += len(pieces[-1])
        if size > MOST_TEXT_BYTES:
            break
    return folded("\n".join(pieces))


def _header_block(message: StoredMessage) -> bytes:
    found = message.section((), "HEADER")
    assert found is not None  # every message has one
    try:
        return message.read_range(*found)
    except StoreError:
        return message.prefix


def _people(listed: Iterable[ListedAddress]) -> str:
    return ", ".join(f"{entry.display_name} <{entry.address}>" for entry in listed)


def _part_text(whole: bytes, part: PartRange) -> str:
    octets = whole[part.body_start : min(part.end, part.body_start + MOST_TEXT_BYTES)]
    if part.encoding == facts.BASE64:
        octets = words.decode_base64(octets)
    elif part.encoding == facts.QUOTED_PRINTABLE:
        octets = binascii.a2b_qp(octets)
    fields = headers.first_fields(whole, part.header_start, part.body_start)
    content = parameters.content_type(fields.get(b"content-type"))
    charset = (content.parameter(b"charset") or b"utf-8").decode("latin-1").lower()
    if charset == "us-ascii":
        return words.decode_raw(octets)
    return words.decode_charset(octets, charset)
