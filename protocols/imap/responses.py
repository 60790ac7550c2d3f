"""Typed responses to bytes. RFC 3501 §7."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

from protocols.imap import foldername
from protocols.imap.commands import StatusItem
from protocols.imap.sequence import encode_numbers

_QUOTABLE = re.compile(rb'[^\x00\r\n"\\\x80-\xff]*')
_NEEDS_BACKSLASH = re.compile(rb'(["\\])')
_NO_LINE_ENDS = str.maketrans("\r\n\0", "   ")


def quoted(octets: bytes) -> bytes:
    """A quoted string; the octets hold neither NUL nor line ends."""
    return b'"%b"' % _NEEDS_BACKSLASH.sub(rb"\\\1", octets)


def string(octets: bytes) -> bytes:
    """A quoted string, or a literal where the octets need one."""
    if _QUOTABLE.fullmatch(octets):
        return b'"%b"' % octets
    if octets.isascii() and not _has_line_ends(octets):
        return quoted(octets)
    return literal(octets)


def literal(octets: bytes) -> bytes:
    return b"{%d}\r\n%b" % (len(octets), octets)


@lru_cache(maxsize=4096)
def folder(name: str) -> bytes:
    """A folder's name as a quoted string in modified UTF-7."""
    return quoted(foldername.encode(name))


def flag_list(flags: Iterable[str]) -> bytes:
    return ("(" + " ".join(flags) + ")").encode("ascii")


def _has_line_ends(octets: bytes) -> bool:
    return b"\r" in octets or b"\n" in octets or b"\0" in octets


class Condition(Enum):
    """How a command ended, or what the server has to say. RFC 3501 §7.1."""

    OK = b"OK"
    NO = b"NO"
    BAD = b"BAD"
    BYE = b"BYE"
    PREAUTH = b"PREAUTH"


@dataclass(frozen=True, slots=True)
class Status:
    """`text` is for people; `code` is what stands between the brackets."""

    condition: Condition
    text: str
    code: bytes = b""

    def encode(self, tag: bytes = b"*") -> bytes:
        text = self.text.translate(_NO_LINE_ENDS).encode("ascii", "replace")
        if self.code:
            return b"%b %b [%b] %b\r\n" % (tag, self.condition.value, self.code, text)
        return b"%b %b %b\r\n" % (tag, self.condition.value, text)


def ok(text: str, code: bytes = b"") -> Status:
    return Status(Condition.OK, text, code)


def no(text: str, code: bytes = b"") -> Status:
    return Status(Condition.NO, text, code)


def bad(text: str, code: bytes = b"") -> Status:
    return Status(Condition.BAD, text, code)


def bye(text: str, code: bytes = b"") -> Status:
    return Status(Condition.BYE, text, code)


@dataclass(frozen=True, slots=True)
class Continuation:
    """`+`: send more. RFC 3501 §7.5."""

    text: bytes = b"OK"

    def encode(self) -> bytes:
        return b"+ %b\r\n" % self.text


def capability_code(capabilities: Sequence[str]) -> bytes:
    return ("CAPABILITY " + " ".join(capabilities)).encode("ascii")


def permanent_flags_code(flags: Iterable[str]) -> bytes:
    return b"PERMANENTFLAGS " + flag_list(flags)


def append_uid_code(uidvalidity: int, uid: int) -> bytes:
    """RFC 4315 §3."""
    return b"APPENDUID %d %d" % (uidvalidity, uid)


def copy_uid_code(uidvalidity: int, uids: Sequence[int], new_uids: Sequence[int]) -> bytes:
    """Both in the same ascending order. RFC 4315 §3."""
    return b"COPYUID %d %b %b" % (uidvalidity, encode_numbers(uids), encode_numbers(new_uids))


@dataclass(frozen=True, slots=True)
class Capabilities:
    names: Sequence[str]

    def encode(self) -> bytes:
        return b"* %b\r\n" % capability_code(self.names)


@dataclass(frozen=True, slots=True)
class Enabled:
    """RFC 5161 §3.2."""

    names: Sequence[str]

    def encode(self) -> bytes:
        return " ".join(["* ENABLED", *self.names]).encode("ascii") + b"\r\n"


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that a folder can hold."""

    flags: Sequence[str]

    def encode(self) -> bytes:
        return b"* FLAGS %b\r\n" % flag_list(self.flags)


@dataclass(frozen=True, slots=True)
class Listed:
    """LIST or LSUB of one folder; `old_name` and `child_info` are RFC 5258's extended data."""

    name: str
    attributes: Sequence[str] = ()
    delimiter: str = "/"
    is_lsub: bool = False
    child_info: Sequence[str] = ()

    def encode(self) -> bytes:
        verb = b"LSUB" if self.is_lsub else b"LIST"
        attributes = flag_list(self.attributes)
        delimiter = b'"%b"' % self.delimiter.encode("ascii") if self.delimiter else b"NIL"
        extended = b""
        if self.child_info:
            names = b" ".join([quoted(info.encode("ascii")) for info in self.child_info])
            extended = b' ("CHILDINFO" (%b))' % names
        name = folder(self.name)
        return b"* %b %b %b %b%b\r\n" % (verb, attributes, delimiter, name, extended)


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """STATUS of one folder. RFC 3501 §7.2.4; None is NIL (no APPENDLIMIT, RFC 7889)."""

    name: str
    counts: Sequence[tuple[StatusItem, int | None]]

    def encode(self) -> bytes:
        counts = " ".join(
            f"{item.value} {'NIL' if count is None else count}" for item, count in self.counts
        )
        return b"* STATUS %b (%b)\r\n" % (folder(self.name), counts.encode("ascii"))


@dataclass(frozen=True, slots=True)
class Found:
    """SEARCH, or SORT in its own order. `modseq` is the highest among them (RFC 7162 §3.1.5)."""

    numbers: Sequence[int]
    verb: bytes = b"SEARCH"
    modseq: int | None = None

    def encode(self) -> bytes:
        numbers = " ".join(["", *map(str, self.numbers)]).encode("ascii")
        modseq = b"" if self.modseq is None else b" (MODSEQ %d)" % self.modseq
        return b"* %b%b%b\r\n" % (self.verb, numbers, modseq)


@dataclass(frozen=True, slots=True)
class Namespaces:
    """NAMESPACE: prefixes of the personal, other users' and shared folders. RFC 2342 §5."""

    personal: Sequence[str] = ("",)
    other_users: Sequence[str] = ()
    shared: Sequence[str] = ()
    delimiter: str = "/"

    def encode(self) -> bytes:
        kinds = [self._kind(kind) for kind in (self.personal, self.other_users, self.shared)]
        return b"* NAMESPACE %b\r\n" % b" ".join(kinds)

    def _kind(self, prefixes: Sequence[str]) -> bytes:
        if not prefixes:
            return b"NIL"
        delimiter = quoted(self.delimiter.encode("ascii"))
        return b"(%b)" % b"".join([b"(%b %b)" % (folder(p), delimiter) for p in prefixes])


@dataclass(frozen=True, slots=True)
class Identification:
    """ID. RFC 2971 §3.2."""

    fields: Sequence[tuple[str, str]]

    def encode(self) -> bytes:
        words = [string(word.encode("utf-8")) for field in self.fields for word in field]
        return b"* ID (%b)\r\n" % b" ".join(words)


@dataclass(frozen=True, slots=True)
class Quota:
    """QUOTA: each resource with its usage and limit. RFC 9208 §4.2.1."""

    root: str
    resources: Sequence[tuple[str, int, int]]

    def encode(self) -> bytes:
        resources = " ".join(f"{name} {used} {limit}" for name, used, limit in self.resources)
        root = string(self.root.encode("utf-8"))
        return b"* QUOTA %b (%b)\r\n" % (root, resources.encode("ascii"))


@dataclass(frozen=True, slots=True)
class QuotaRoot:
    """QUOTAROOT: the roots that bind a folder. RFC 9208 §4.2.2."""

    name: str
    roots: Sequence[str]

    def encode(self) -> bytes:
        words = [folder(self.name), *(string(root.encode("utf-8")) for root in self.roots)]
        return b"* QUOTAROOT %b\r\n" % b" ".join(words)


CONTINUE: Final = Continuation()
