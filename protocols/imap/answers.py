"""What an IMAP server says, as its client reads it: one whole response to one value. RFC 3501 §7.

Responses of kinds that no client here asked for are read as None, whatever stands in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from protocols.imap import dates, foldername
from protocols.imap.errors import Malformed
from protocols.imap.grammar import MAX_MODSEQ, MAX_NUMBER, SYSTEM_FLAGS, Cursor
from protocols.imap.responses import Condition

MAX_SIZE = (1 << 63) - 1  # RFC 9051 §9 number64
FLAGS_OF_A_MESSAGE = 100
FLAG_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Told:
    """A status response. RFC 3501 §7.1."""

    condition: Condition
    text: str
    code: str = ""  # in capitals, without brackets and argument
    argument: bytes = b""  # of the code
    is_tagged: bool = False  # it ends the command

    @property
    def number(self) -> int | None:
        """The argument of UIDVALIDITY, UIDNEXT or HIGHESTMODSEQ; None if it is no number."""
        text = self.argument
        return int(text) if text.isdigit() and len(text) < 20 and int(text) <= MAX_MODSEQ else None

    @property
    def capabilities(self) -> frozenset[str] | None:
        """Of a CAPABILITY code. RFC 3501 §7.1; None without one."""
        return _names(self.argument) if self.code == "CAPABILITY" else None


@dataclass(frozen=True, slots=True)
class Capability:
    names: frozenset[str]  # in capitals


@dataclass(frozen=True, slots=True)
class Exists:
    number: int


@dataclass(frozen=True, slots=True)
class FolderListed:
    """One folder of LIST; `raw` is the name to give back to the server as it is.

    It is empty where the server tells of its root. RFC 3501 §6.3.8.
    """

    raw: bytes
    delimiter: str | None  # None: the server has no hierarchy
    attributes: frozenset[str]  # in lower case, with their backslash

    @property
    def name(self) -> str:
        """As people read it. A name that is no modified UTF-7 is shown as it stands."""
        try:
            return foldername.decode(self.raw)
        except Malformed:
            return self.raw.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a FETCH response says of one message; None: it does not say."""

    number: int
    uid: int | None = None
    flags: frozenset[str] | None = None  # without \\Recent; system flags as RFC 3501 spells them
    size: int | None = None
    received_at: datetime | None = None
    modseq: int | None = None
    body: bytes | None = None  # BODY[]; empty where it was given out in chunks


Answer = Told | Capability | Exists | FolderListed | Fetched

_STATUS = re.compile(
    rb"(?P<condition>OK|NO|BAD|BYE|PREAUTH)(?: +(?:\[(?P<code>[^\[\] \r\n]+)"
    rb"(?: (?P<argument>[^\]\r\n]*))?\] ?)?(?P<text>[^\r\n]*))?\r?\n?",
    re.IGNORECASE,
)
_NUMBERED = re.compile(rb"(\d{1,10}) ([A-Za-z]+)")
_VERB = re.compile(rb"[A-Za-z]+")
_END = re.compile(rb" *\r?\n?\Z")
_SPACES = re.compile(rb" *")
_ITEM = re.compile(rb"[A-Za-z][A-Za-z0-9.-]*(?:\[[^\]\r\n]*\])?(?:<\d+>)?")
_FLAG_LIST = re.compile(rb"\(([^()\r\n]*)\)")
_KEYWORD = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_WORD = re.compile(rb'[^\x00-\x20\x7f(){"]+')


def parse(response: bytes) -> Answer | None:
    """An untagged response behind its `* `, with its literals in line. Raises Malformed.

    None: of a kind that is not read here.
    """
    if status := _STATUS.fullmatch(response):
        return _told(status, is_tagged=False)
    cursor = Cursor(response)
    if numbered := _NUMBERED.match(response):
        cursor.position = numbered.end()
        return _parse_numbered(int(numbered[1]), numbered[2].upper(), cursor)
    verb = cursor.take(_VERB, "a response").upper()
    read = _READERS.get(verb)
    return None if read is None else read(cursor)


def parse_tagged(response: bytes) -> Told:
    """The response that ends a command, behind its tag. Raises Malformed."""
    status = _STATUS.fullmatch(response)
    if status is None or status["condition"].upper() in (b"BYE", b"PREAUTH"):
        raise Malformed("Expected OK, NO or BAD")
    return _told(status, is_tagged=True)


def _told(status: re.Match[bytes], *, is_tagged: bool) -> Told:
    return Told(
        Condition(status["condition"].upper()),
        (status["text"] or b"").decode("utf-8", "replace"),
        (status["code"] or b"").decode("ascii", "replace").upper(),
        status["argument"] or b"",
        is_tagged,
    )


def _names(words: bytes) -> frozenset[str]:
    return frozenset(words.decode("ascii", "replace").upper().split())


def _parse_numbered(number: int, verb: bytes, cursor: Cursor) -> Answer | None:
    if verb == b"EXISTS":
        if number > MAX_NUMBER:
            raise Malformed("Number is too large")
        return Exists(number)
    if verb != b"FETCH":
        return None
    cursor.space()
    return _fetched(number, cursor)


def _capability(cursor: Cursor) -> Capability:
    return Capability(_names(cursor.buffer[cursor.position :]))


def _listed(cursor: Cursor) -> FolderListed:
    """RFC 3501 §7.2.2; what RFC 5258 adds behind the name is passed over."""
    cursor.space()
    attributes = cursor.take(_FLAG_LIST, "attributes")[1:-1]
    cursor.space()
    delimiter = cursor.nstring()
    cursor.space()
    raw = cursor.astring()
    if delimiter is not None and len(delimiter) > 1:
        raise Malformed("Bad delimiter")
    return FolderListed(
        raw,
        delimiter.decode("latin-1") if delimiter else None,
        frozenset(attributes.decode("ascii", "replace").lower().split()),
    )


_READERS: dict[bytes, Callable[[Cursor], Answer]] = {b"CAPABILITY": _capability, b"LIST": _listed}


def _fetched(number: int, cursor: Cursor) -> Fetched:
    uid = flags = size = received_at = modseq = body = None
    cursor.require(b"(")
    cursor.take(_SPACES, "spaces")
    while not cursor.skip(b")"):
        item = cursor.take(_ITEM, "an item").upper()
        cursor.space()
        if item == b"UID":
            uid = cursor.number()
        elif item == b"FLAGS":
            flags = read_flags(cursor.take(_FLAG_LIST, "flags")[1:-1])
        elif item == b"RFC822.SIZE":
            size = cursor.number(MAX_SIZE)
        elif item == b"INTERNALDATE":
            received_at = _moment(cursor.nstring())
        elif item == b"MODSEQ":
            cursor.require(b"(")
            modseq = cursor.modseq()
            cursor.require(b")")
        elif item == b"BODY[]":
            body = cursor.nstring()
        else:
            _skip_value(cursor)
        cursor.take(_SPACES, "spaces")
    cursor.take(_END, "the end of the response")
    if uid == 0:
        raise Malformed("Bad UID")
    return Fetched(number, uid, flags, size, received_at, modseq, body)


def read_flags(words: bytes) -> frozenset[str]:
    """System flags and keywords that any server could keep; \\Recent and others are left out."""
    found = set()
    for word in words.split()[:FLAGS_OF_A_MESSAGE]:
        if word[:1] == b"\\":
            system = SYSTEM_FLAGS.get(word.lower())
            found |= {system} if system else set()
        elif len(word) <= FLAG_CHARACTERS and _KEYWORD.fullmatch(word):
            found.add(word.decode("ascii"))
    return frozenset(found)


def _moment(text: bytes | None) -> datetime | None:
    """None for a date that cannot be: the message is worth more than its date."""
    try:
        return None if text is None else dates.parse_date_time(text)
    except Malformed:
        return None


def _skip_value(cursor: Cursor) -> None:
    """Pass over a value of any kind, lists within lists too."""
    depth = 0
    while True:
        first = cursor.peek()
        if first == b"(":
            cursor.position += 1
            depth += 1
        elif first == b")" and depth:
            cursor.position += 1
            depth -= 1
        elif first == b" " and depth:
            cursor.position += 1
        elif first in (b'"', b"{"):
            cursor.string()
        else:
            cursor.take(_WORD, "a value")
        if not depth:
            return
