"""The header block of a message: found, taken apart and built, in bytes. RFC 5322 §2.2."""

from __future__ import annotations

import re
from collections.abc import Iterable

from protocols.message import words

# A block longer than this is cut for reading: nothing real comes near it.
SCANNED_BYTES = 256 * 1024
LINE_WIDTH = 78  # RFC 5322 §2.1.1: should; the law is 998

_BLANK_LINE = re.compile(rb"\n\r?\n")
# Lines that are no field (mbox "From ", garbage) match nothing and are skipped.
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:[ \t]*+(.*+(?:\n[ \t].*+)*+)", re.MULTILINE)
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


class FieldNameInvalid(ValueError):
    """A header field cannot have this name. RFC 5322 §2.2."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} cannot name a header field")
        self.name = name


def body_start(message: bytes) -> int:
    """Where the body begins: behind the first blank line, or at the end if there is none."""
    if message.startswith(b"\n"):
        return 1
    if message.startswith(b"\r\n"):
        return 2
    blank = _BLANK_LINE.search(message)
    return blank.end() if blank else len(message)


def fields(message: bytes, start: int = 0, end: int | None = None) -> list[tuple[bytes, bytes]]:
    """All fields of the block message[start:end] in order: name as written, value still folded.

    `start` stands at the beginning of a line. Without `end` the block ends at the blank line.
    """
    if end is None:
        end = start + body_start(message[start:] if start else message)
    return _FIELD.findall(message, start, min(end, start + SCANNED_BYTES))


def first_fields(message: bytes, start: int, end: int) -> dict[bytes, bytes]:
    """The first field of each lower-case name; values still folded."""
    found: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(message, start, min(end, start + SCANNED_BYTES)):
        found.setdefault(name.lower(), value)
    return found


def first(message: bytes, name: bytes) -> bytes | None:
    """The unfolded value of the first field called `name` (any case), or None."""
    wanted = name.lower()
    for found, value in fields(message):
        if found.lower() == wanted:
            return unfold(value)
    return None


def every(message: bytes, name: bytes) -> list[bytes]:
    """The unfolded values of all fields called `name` (any case), from the top."""
    return named(fields(message), name)


def named(listed: Iterable[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    """The same out of `fields`, for whoever wants several of them."""
    wanted = name.lower()
    return [unfold(value) for found, value in listed if found.lower() == wanted]


def count_hops(listed: Iterable[tuple[bytes, bytes]]) -> int:
    """How many Received fields there are: a loop shows itself here. RFC 5321 §6.3."""
    return sum(name.lower() == b"received" for name, _ in listed)


def unfold(value: bytes) -> bytes:
    """The value on one line without outer blanks. RFC 5322 §2.2.3."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip(b" \t\r")


def selected(message: bytes, names: Iterable[bytes], *, others: bool = False) -> bytes:
    """The fields named (or, with `others`, those not named) as written, and the blank line.

    This is IMAP's HEADER.FIELDS and HEADER.FIELDS.NOT. `message` is a header block.
    """
    wanted = {name.lower() for name in names}
    end = body_start(message)
    kept = []
    for match in _FIELD.finditer(message, 0, end):
        if (match[1].lower() in wanted) is not others:
            kept.append(match[0].rstrip(b"\r") + b"\r\n")
    kept.append(b"\r\n")
    return b"".join(kept)


def field(name: str, value: str, *, utf8: bool = False) -> bytes:
    """One field, folded, with CRLF. What is not ASCII becomes encoded words unless `utf8`.

    Line ends and other controls in `value` become blanks, so that no value can add a field.
    Raises FieldNameInvalid.
    """
    return structured_field(name, words.encode(_CONTROLS.sub(" ", value), utf8=utf8))


def structured_field(name: str, value: bytes) -> bytes:
    """One field of a value that is encoded already, folded at its blanks, with CRLF.

    Raises FieldNameInvalid.
    """
    if not _FIELD_NAME.fullmatch(name):
        raise FieldNameInvalid(name)
    head = name.encode("ascii") + b":"
    value = value.replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b"").strip()
    if len(head) + len(value) < LINE_WIDTH:
        return head + b" " + value + b"\r\n" if value else head + b"\r\n"
    return _fold(head, value)


def _fold(head: bytes, value: bytes) -> bytes:
    lines = []
    line = head
    for word in value.split(b" "):
        # A line of blanks alone would end the header block for some readers.
        if len(line) + 1 + len(word) > LINE_WIDTH and line is not head and line.strip():
            lines.append(line)
            line = b""
        line += b" " + word
    lines.append(line)
    return b"\r\n".join(lines) + b"\r\n"
