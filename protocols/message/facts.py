"""What is computed once at delivery and kept beside the body, in one compact record."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

from protocols.message import dates
from protocols.message.envelope import Envelope, envelope, read
from protocols.message.headers import unfold
from protocols.message.mime import Part, scan
from protocols.message.parameters import ContentType
from protocols.message.structure import structures

VERSION = 1
MOST_STRUCTURE_BYTES = 1024 * 1024  # a message whose parts need more is described as one part

# version, marks, parts, bytes of header, ENVELOPE, BODYSTRUCTURE, BODY, sent at, its zone
_HEAD = struct.Struct("<BBHIIIIqh")
# kind, encoding, unused, header start, body start, end, index behind the last part below
_PART = struct.Struct("<BBHIIII")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_IS_DATED = 1
_HAS_ATTACHMENTS = 2

LEAF, TEXT, MULTIPART, MESSAGE = range(4)
IDENTITY, QUOTED_PRINTABLE, BASE64, UNKNOWN_ENCODING = range(4)
_ENCODINGS = {
    b"7bit": IDENTITY,
    b"8bit": IDENTITY,
    b"binary": IDENTITY,
    b"quoted-printable": QUOTED_PRINTABLE,
    b"base64": BASE64,
}


class FactsUnreadable(ValueError):
    """The record is not one of this version: it is to be computed again from the message."""


def facts(message: bytes | memoryview) -> bytes:
    """The record of `message`. Takes any bytes and never raises."""
    if not isinstance(message, bytes):
        message = bytes(message)
    root = scan(message)
    extended, plain = structures(root)
    if len(extended) > MOST_STRUCTURE_BYTES:
        root = _as_one_part(root)
        extended, plain = structures(root)
    its_envelope = envelope(root.fields)
    written = root.fields.get(b"date")
    sent_at = dates.parse(unfold(written[:200])) if written else None
    zone = sent_at.utcoffset() if sent_at else None
    table: list[bytes] = []
    has_attachments = _tabulate(root, table)
    return b"".join(
        (
            _HEAD.pack(
                VERSION,
                (sent_at is not None) * _IS_DATED | has_attachments * _HAS_ATTACHMENTS,
                len(table),
                root.body_start,
                len(its_envelope),
                len(extended),
                len(plain),
                _epoch_seconds(sent_at),
                int(zone.total_seconds()) // 60 if zone else 0,
            ),
            *table,
            its_envelope,
            extended,
            plain,
        )
    )


def _epoch_seconds(moment: datetime | None) -> int:
    return 0 if moment is None else int((moment - _EPOCH).total_seconds())


def _as_one_part(root: Part) -> Part:
    content = ContentType(b"application", b"octet-stream")
    part = Part(root.header_start, root.body_start, content, root.fields)
    for name in [name for name in part.fields if name.startswith(b"content-")]:
        del part.fields[name]
    part.end = root.end
    return part


def _tabulate(part: Part, table: list[bytes]) -> bool:
    """Append this part and all below; whether any of them is an attachment."""
    index = len(table)
    table.append(b"")
    disposition = part.fields.get(b"content-disposition")
    found = disposition is not None and disposition[:10].lower() == b"attachment"
    kind = LEAF
    if part.children:
        kind = MULTIPART if part.is_multipart else MESSAGE
        for child in part.children:
            found = _tabulate(child, table) or found
    elif part.content.type == b"text":
        kind = TEXT
    encoding = part.fields.get(b"content-transfer-encoding")
    code = IDENTITY
    if encoding is not None:
        code = _ENCODINGS.get(unfold(encoding[:40]).lower(), UNKNOWN_ENCODING)
    table[index] = _PART.pack(
        kind, code, 0, part.header_start, part.body_start, part.end, len(table)
    )
    return found


@dataclass(frozen=True, slots=True)
class PartRange:
    """One part of the message as offsets into its bytes."""

    kind: int  # LEAF, TEXT, MULTIPART, MESSAGE
    encoding: int  # IDENTITY, QUOTED_PRINTABLE, BASE64, UNKNOWN_ENCODING
    header_start: int
    body_start: int
    end: int
    below: int  # index behind the last part below this one


class Facts:
    """A record, read on demand: nothing is decoded before it is asked for."""

    __slots__ = ("_bodystructure_at", "_head", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._head = _HEAD.unpack_from(data)
        self._bodystructure_at = _HEAD.size + self._head[2] * _PART.size + self._head[4]

    @classmethod
    def decode(cls, data: bytes) -> Facts:
        """Raises FactsUnreadable if the record is cut short or of another version."""
        if len(data) < _HEAD.size or data[0] != VERSION:
            raise FactsUnreadable
        read_facts = cls(data)
        head = read_facts._head
        if read_facts._bodystructure_at + head[5] + head[6] != len(data) or head[2] == 0:
            raise FactsUnreadable
        return read_facts

    @property
    def header_bytes(self) -> int:
        """Length of the message's header block with its blank line: where the body begins."""
        return int(self._head[3])

    @property
    def envelope(self) -> bytes:
        end = self._bodystructure_at
        return self.data[end - self._head[4] : end]

    @property
    def bodystructure(self) -> bytes:
        start = self._bodystructure_at
        return self.data[start : start + self._head[5]]

    @property
    def body(self) -> bytes:
        return self.data[self._bodystructure_at + self._head[5] :]

    @property
    def has_attachments(self) -> bool:
        return bool(self._head[1] & _HAS_ATTACHMENTS)

    @property
    def sent_at(self) -> datetime | None:
        """The Date field, in the zone it was written in; None if there is no readable one."""
        if not self._head[1] & _IS_DATED:
            return None
        return (_EPOCH + timedelta(seconds=self._head[7])).astimezone(
            timezone(timedelta(minutes=self._head[8]))
        )

    @property
    def sent_on(self) -> date | None:
        """The day in the Date field, whatever its zone: what SENTSINCE compares."""
        if not self._head[1] & _IS_DATED:
            return None
        return (_EPOCH + timedelta(seconds=self._head[7] + self._head[8] * 60)).date()

    @property
    def envelope_values(self) -> Envelope:
        return read(self.envelope)

    def __len__(self) -> int:
        """How many parts there are, the message itself included."""
        return int(self._head[2])

    def part(self, index: int) -> PartRange:
        """The part at `index`, in the order of the bytes; 0 is the message itself."""
        kind, encoding, _, *offsets = _PART.unpack_from(self.data, _HEAD.size + index * _PART.size)
        return PartRange(kind, encoding, *offsets)

    def section(self, path: tuple[int, ...], kind: str = "") -> tuple[int, int] | None:
        """The range of BODY[path.kind]; `kind` is "", "HEADER", "TEXT" or "MIME".

        None: there is no such part. RFC 3501 §6.4.5.
        """
        if not path:
            root = self.part(0)
            starts = {"": 0, "HEADER": 0, "TEXT": root.body_start}
            if kind not in starts:
                return None
            return starts[kind], root.body_start if kind == "HEADER" else root.end
        index = self.find(path)
        if index is None:
            return None
        part = self.part(index)
        if kind == "":
            return part.body_start, part.end
        if kind == "MIME":
            return part.header_start, part.body_start
        if part.kind != MESSAGE:
            return None
        inside = self.part(index + 1)
        if kind == "HEADER":
            return inside.header_start, inside.body_start
        return inside.body_start, inside.end

    def find(self, path: tuple[int, ...]) -> int | None:
        """Index of the part that IMAP calls by `path`; None if there is none."""
        inside: int | None = 0  # what a step descends into: a multipart, or a message's content
        found: int | None = None
        for number in path:
            if inside is None:
                return None
            part = self.part(inside)
            if part.kind == MULTIPART:
                found = self._child(inside, part.below, number)
            else:  # RFC 3501 §6.4.5: the only part of any other message is part 1
                found = inside if number == 1 else None
            if found is None:
                return None
            chosen = self.part(found)
            if chosen.kind == MESSAGE:
                inside = found + 1
            else:
                inside = found if chosen.kind == MULTIPART else None
        return found

    def _child(self, parent: int, below: int, number: int) -> int | None:
        child = parent + 1
        while child < below and number > 1:
            child = self.part(child).below
            number -= 1
        return child if child < below and number == 1 else None
