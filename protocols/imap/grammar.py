"""The words of a command: atoms, strings, literals, numbers, flags and lists. RFC 3501 §9."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Final, TypeVar

from protocols.imap import dates, foldername
from protocols.imap.errors import Malformed
from protocols.imap.sequence import SAVED_RESULT, SequenceSet

MAX_NUMBER: Final = (1 << 32) - 1
MAX_MODSEQ: Final = (1 << 63) - 1  # RFC 7162 §7

T = TypeVar("T")

_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_PATTERN_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')
_PLAIN_QUOTED = re.compile(rb'"([^"\\\r\n\x00]*)"')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_ESCAPED = re.compile(rb"\\(.)")
_LITERAL = re.compile(rb"\{(\d{1,10})\+?\}\r?\n")
_NUMBER = re.compile(rb"\d{1,19}")
_SET = re.compile(rb"[\d*:,]+")
_FLAG = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_END = re.compile(rb" *\Z")

SYSTEM_FLAGS: Final = {
    b"\\answered": "\\Answered",
    b"\\flagged": "\\Flagged",
    b"\\deleted": "\\Deleted",
    b"\\seen": "\\Seen",
    b"\\draft": "\\Draft",
}


class Cursor:
    """A place in one whole command whose literals stand in line, `{5}CRLF` before the octets.

    Every method reads one thing and moves on, or raises Malformed.
    """

    __slots__ = ("buffer", "position")

    def __init__(self, buffer: bytes, position: int = 0) -> None:
        self.buffer = buffer
        self.position = position

    def take(self, pattern: re.Pattern[bytes], expected: str) -> bytes:
        match = pattern.match(self.buffer, self.position)
        if match is None:
            raise Malformed(f"Expected {expected}")
        self.position = match.end()
        return match[0]

    def peek(self) -> bytes:
        """The next octet; empty at the end."""
        return self.buffer[self.position : self.position + 1]

    def skip(self, text: bytes) -> bool:
        """Pass over `text`, if it stands here in any case."""
        end = self.position + len(text)
        if self.buffer[self.position : end].upper() != text:
            return False
        self.position = end
        return True

    def require(self, text: bytes) -> None:
        if not self.skip(text):
            raise Malformed(f"Expected {text.decode('ascii')!r}")

    def space(self) -> None:
        # More than one space is not IMAP, yet clients written by hand send it: forgiven.
        start = position = self.position
        buffer = self.buffer
        while buffer[position : position + 1] == b" ":
            position += 1
        if position == start:
            raise Malformed("Expected a space")
        self.position = position

    def end(self) -> None:
        if self.position != len(self.buffer) and not _END.match(self.buffer, self.position):
            raise Malformed("Unexpected arguments")

    def at_end(self) -> bool:
        return _END.match(self.buffer, self.position) is not None

    def atom(self) -> bytes:
        return self.take(_ATOM, "an atom")

    def keyword(self) -> str:
        """An atom that is compared without case, in capitals."""
        return self.atom().decode("ascii").upper()

    def astring(self) -> bytes:
        match = _ASTRING_ATOM.match(self.buffer, self.position)
        if match is None:
            return self.string()
        self.position = match.end()
        return match[0]

    def string(self) -> bytes:
        if match := _PLAIN_QUOTED.match(self.buffer, self.position):
            self.position = match.end()
            return match[1]
        if match := _LITERAL.match(self.buffer, self.position):
            return self._literal(match.end(), int(match[1]))
        if match := _QUOTED.match(self.buffer, self.position):
            self.position = match.end()
            return _ESCAPED.sub(rb"\1", match[1])
        raise Malformed("Expected a string")

    def _literal(self, start: int, size: int) -> bytes:
        octets = self.buffer[start : start + size]
        # RFC 3501 §9: CHAR8 excludes NUL.
        if len(octets) != size or b"\0" in octets:
            raise Malformed("Bad literal")
        self.position = start + size
        return octets

    def nstring(self) -> bytes | None:
        return None if self.skip(b"NIL") else self.string()

    def folder(self) -> str:
        return foldername.decode(self.astring())

    def folder_pattern(self) -> str:
        match = _PATTERN_ATOM.match(self.buffer, self.position)
        if match is None:
            return foldername.decode(self.string())
        self.position = match.end()
        return foldername.decode(match[0])

    def number(self, largest: int = MAX_NUMBER) -> int:
        number = int(self.take(_NUMBER, "a number"))
        if number > largest:
            raise Malformed("Number is too large")
        return number

    def modseq(self) -> int:
        return self.number(MAX_MODSEQ)

    def sequence_set(self) -> SequenceSet:
        if self.skip(b"$"):
            return SAVED_RESULT
        return SequenceSet.parse(self.take(_SET, "a message set"))

    def day(self) -> date:
        return dates.parse_date(self.astring())

    def date_time(self) -> datetime:
        return dates.parse_date_time(self.string())

    def listed(self, read: Callable[[], T], *, may_be_empty: bool = False) -> list[T]:
        """`(a b c)`, each read by `read`."""
        self.require(b"(")
        if may_be_empty and self.skip(b")"):
            return []
        found = [read()]
        while not self.skip(b")"):
            self.space()
            found.append(read())
        return found

    def flag(self) -> str:
        """One flag; system flags in RFC 3501's spelling, keywords as sent."""
        raw = self.take(_FLAG, "a flag")
        if raw[0] == 0x5C:
            return SYSTEM_FLAGS.get(raw.lower()) or raw.decode("ascii")
        return raw.decode("ascii")

    def flag_list(self) -> tuple[str, ...]:
        """`(\\Seen $Junk)`, each flag once.

        \\Recent is left out: only the server sets it (RFC 3501 §2.3.2), but clients that copy flags
        from one server to another send it.
        """
        return _once(self.listed(self.flag, may_be_empty=True))

    def flags(self) -> tuple[str, ...]:
        """The argument of STORE: a list, or flags without parentheses."""
        if self.peek() == b"(":
            return self.flag_list()
        flags = [self.flag()]
        while not self.at_end():
            self.space()
            flags.append(self.flag())
        return _once(flags)


def _once(flags: list[str]) -> tuple[str, ...]:
    return tuple([flag for flag in dict.fromkeys(flags) if flag.lower() != "\\recent"])
