"""What FETCH may ask for: attributes, sections and partials. RFC 3501 §6.4.5, RFC 3516."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Final

from protocols.imap.errors import Malformed
from protocols.imap.grammar import Cursor

MAX_PART_DEPTH: Final = 64
MAX_ITEMS: Final = 256

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*")
_PART = re.compile(rb"\d{1,9}(?:\.\d{1,9})*")
_PLAIN_FIELD = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')


class Attribute(Enum):
    """What is known of a message without reading its body."""

    UID = b"UID"
    FLAGS = b"FLAGS"
    INTERNALDATE = b"INTERNALDATE"
    SIZE = b"RFC822.SIZE"
    ENVELOPE = b"ENVELOPE"
    BODY = b"BODY"  # BODYSTRUCTURE without the extension data
    BODYSTRUCTURE = b"BODYSTRUCTURE"
    MODSEQ = b"MODSEQ"  # RFC 7162 §3.1.5


class Text(Enum):
    """Which text of a part a section names. RFC 3501 §6.4.5 `section-text`."""

    WHOLE = b""
    HEADER = b"HEADER"
    HEADER_FIELDS = b"HEADER.FIELDS"
    HEADER_FIELDS_NOT = b"HEADER.FIELDS.NOT"
    TEXT = b"TEXT"
    MIME = b"MIME"


@dataclass(frozen=True, slots=True)
class Partial:
    """`<offset.length>`: at most `length` octets from `offset`."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Section:
    """A text of the message or of one of its parts; () is the message itself."""

    label: bytes  # its name in the response, `BODY[1.TEXT]<0>`
    part: tuple[int, ...] = ()
    text: Text = Text.WHOLE
    fields: tuple[str, ...] = ()  # in capitals
    partial: Partial | None = None
    is_peek: bool = False  # leaves \Seen as it is
    is_decoded: bool = False  # BINARY: without the Content-Transfer-Encoding


@dataclass(frozen=True, slots=True)
class DecodedSize:
    """BINARY.SIZE[part]: the octets of a part once decoded. RFC 3516 §4.3."""

    label: bytes
    part: tuple[int, ...]


FetchItem = Attribute | Section | DecodedSize


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of FETCH after the message set."""

    items: tuple[FetchItem, ...]
    changed_since: int | None = None  # RFC 7162 §3.1.4.1
    with_vanished: bool = False  # RFC 7162 §3.2.6

    def with_flags(self) -> Wanted:
        if Attribute.FLAGS in self.items:
            return self
        return replace(self, items=(*self.items, Attribute.FLAGS))

    @property
    def sets_seen(self) -> bool:
        return any(isinstance(item, Section) and not item.is_peek for item in self.items)


_FAST = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE)
_MACROS: dict[bytes, tuple[FetchItem, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Attribute.ENVELOPE),
    b"FULL": (*_FAST, Attribute.ENVELOPE, Attribute.BODY),
}
_ATTRIBUTES: dict[bytes, FetchItem] = {
    **{attribute.value: attribute for attribute in Attribute},
    b"RFC822": Section(b"RFC822"),
    b"RFC822.HEADER": Section(b"RFC822.HEADER", text=Text.HEADER, is_peek=True),
    b"RFC822.TEXT": Section(b"RFC822.TEXT", text=Text.TEXT),
}
_BODY_SECTIONS = {b"BODY": False, b"BODY.PEEK": True}
_BINARY_SECTIONS = {b"BINARY": False, b"BINARY.PEEK": True}
_TEXTS = {text.value: text for text in Text if text is not Text.WHOLE}


def parse_wanted(cursor: Cursor) -> Wanted:
    """Read items and modifiers up to the end of the command. Raises Malformed."""
    rest = cursor.buffer[cursor.position :]
    # A client repeats a few lists of items for ever; those with literals or of odd length do not.
    if len(rest) <= 512:
        cursor.position = len(cursor.buffer)
        return _remembered(rest)
    return _parse_wanted(cursor)


@lru_cache(maxsize=512)
def _remembered(text: bytes) -> Wanted:
    return _parse_wanted(Cursor(text))


def _parse_wanted(cursor: Cursor) -> Wanted:
    items = _items(cursor)
    changed_since, with_vanished = None, False
    if not cursor.at_end():
        cursor.space()
        changed_since, with_vanished = _modifiers(cursor)
        cursor.end()
    return Wanted(items, changed_since, with_vanished)


def _items(cursor: Cursor) -> tuple[FetchItem, ...]:
    if cursor.peek() == b"(":
        items = cursor.listed(lambda: _item(cursor, _name(cursor)))
        if len(items) > MAX_ITEMS:
            raise Malformed("Too many FETCH items")
        return tuple(dict.fromkeys(items))
    name = _name(cursor)
    return _MACROS.get(name) or (_item(cursor, name),)


def _name(cursor: Cursor) -> bytes:
    return cursor.take(_NAME, "a FETCH item").upper()


def _item(cursor: Cursor, name: bytes) -> FetchItem:
    if cursor.peek() != b"[":
        if name in _ATTRIBUTES:
            return _ATTRIBUTES[name]
    elif name in _BODY_SECTIONS:
        return _body_section(cursor, is_peek=_BODY_SECTIONS[name])
    elif name in _BINARY_SECTIONS:
        return _binary_section(cursor, is_peek=_BINARY_SECTIONS[name])
    elif name == b"BINARY.SIZE":
        part = _bracketed_part(cursor)
        return DecodedSize(b"BINARY.SIZE[%b]" % _encode_part(part), part)
    raise Malformed("Unknown FETCH item")


def _body_section(cursor: Cursor, *, is_peek: bool) -> Section:
    cursor.require(b"[")
    part = _part(cursor)
    text, spec = Text.WHOLE, _encode_part(part)
    fields: list[bytes] = []
    if cursor.peek() != b"]" and (not part or cursor.skip(b".")):
        text = _text(cursor, part)
        spec = spec + b"." + text.value if part else text.value
        if text in (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT):
            cursor.space()
            fields = cursor.listed(cursor.astring)
            spec += b" (%b)" % b" ".join([_encode_field(field) for field in fields])
    cursor.require(b"]")
    partial, suffix = _partial(cursor)
    names = tuple([field.upper().decode("ascii", "replace") for field in fields])
    return Section(b"BODY[%b]%b" % (spec, suffix), part, text, names, partial, is_peek)


def _text(cursor: Cursor, part: tuple[int, ...]) -> Text:
    name = cursor.take(_NAME, "a section").upper()
    text = _TEXTS.get(name)
    # RFC 3501 §6.4.5: MIME needs a part number before it.
    if text is None or (text is Text.MIME and not part):
        raise Malformed("Unknown section")
    return text


def _binary_section(cursor: Cursor, *, is_peek: bool) -> Section:
    part = _bracketed_part(cursor)
    partial, suffix = _partial(cursor)
    label = b"BINARY[%b]%b" % (_encode_part(part), suffix)
    return Section(label, part, partial=partial, is_peek=is_peek, is_decoded=True)


def _bracketed_part(cursor: Cursor) -> tuple[int, ...]:
    cursor.require(b"[")
    part = _part(cursor)
    cursor.require(b"]")
    return part


def _part(cursor: Cursor) -> tuple[int, ...]:
    if not cursor.peek().isdigit():
        return ()
    part = tuple(map(int, cursor.take(_PART, "a part number").split(b".")))
    if 0 in part or len(part) > MAX_PART_DEPTH:
        raise Malformed("Bad part number")
    return part


def _partial(cursor: Cursor) -> tuple[Partial | None, bytes]:
    """`<0.2048>`, and what the response's label says of it: `<0>`."""
    if not cursor.skip(b"<"):
        return None, b""
    offset = cursor.number()
    cursor.require(b".")
    length = cursor.number()
    cursor.require(b">")
    if not length:
        raise Malformed("A partial has at least one octet")
    return Partial(offset, length), b"<%d>" % offset


def _modifiers(cursor: Cursor) -> tuple[int | None, bool]:
    changed_since, with_vanished = None, False
    cursor.require(b"(")
    while True:
        if cursor.skip(b"CHANGEDSINCE "):
            changed_since = cursor.modseq()
        elif cursor.skip(b"VANISHED"):
            with_vanished = True
        else:
            raise Malformed("Unknown FETCH modifier")
        if cursor.skip(b")"):
            break
        cursor.space()
    if with_vanished and changed_since is None:
        raise Malformed("VANISHED needs CHANGEDSINCE")  # RFC 7162 §3.2.6
    return changed_since, with_vanished


def _encode_part(part: tuple[int, ...]) -> bytes:
    return b".".join([b"%d" % number for number in part])


def _encode_field(field: bytes) -> bytes:
    if _PLAIN_FIELD.fullmatch(field):
        return field
    return b'"%b"' % re.sub(rb'[^\x20-\x7e]|["\\]', b"?", field)
