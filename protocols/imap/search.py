"""SEARCH, SORT and THREAD: their keys as a criteria tree. RFC 3501 §6.4.4, RFC 5256, RFC 7162."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Final

from protocols.imap.errors import BadCharset, Malformed
from protocols.imap.grammar import Cursor
from protocols.imap.sequence import SequenceSet

MAX_DEPTH: Final = 32
MAX_KEYS: Final = 1_000


@dataclass(frozen=True, slots=True)
class And:
    """All of `keys`; no keys match every message (ALL)."""

    keys: tuple[Criteria, ...]


@dataclass(frozen=True, slots=True)
class Or:
    first: Criteria
    second: Criteria


@dataclass(frozen=True, slots=True)
class Not:
    key: Criteria


@dataclass(frozen=True, slots=True)
class HasFlag:
    """A system flag or a keyword is set."""

    flag: str


@dataclass(frozen=True, slots=True)
class IsRecent:
    """\\Recent for this session. RFC 3501 §2.3.2."""


class Moment(Enum):
    INTERNAL = "internal"  # when the message came in
    SENT = "sent"  # its Date: header


class Comparison(Enum):
    BEFORE = "<"
    ON = "="
    SINCE = ">="


@dataclass(frozen=True, slots=True)
class Dated:
    """The day of a message, whatever its hour and zone. RFC 3501 §6.4.4."""

    moment: Moment
    comparison: Comparison
    day: date


@dataclass(frozen=True, slots=True)
class Larger:
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Smaller:
    size_bytes: int


@dataclass(frozen=True, slots=True)
class HeaderHas:
    """A header field holds `text`, compared without case; "" asks only that the field is there."""

    field: str  # in capitals
    text: str


@dataclass(frozen=True, slots=True)
class BodyHas:
    text: str


@dataclass(frozen=True, slots=True)
class TextHas:
    """The header or the body holds `text`."""

    text: str


@dataclass(frozen=True, slots=True)
class InSequence:
    """Message sequence numbers of the selected folder."""

    numbers: SequenceSet


@dataclass(frozen=True, slots=True)
class InUids:
    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """MODSEQ: changed at or after `modseq`. RFC 7162 §3.1.5."""

    modseq: int


Criteria = (
    And
    | Or
    | Not
    | HasFlag
    | IsRecent
    | Dated
    | Larger
    | Smaller
    | HeaderHas
    | BodyHas
    | TextHas
    | InSequence
    | InUids
    | ChangedSince
)

ALL: Final = And(())
_SEEN = HasFlag("\\Seen")
_WITHOUT_ARGUMENT: dict[str, Criteria] = {
    "ALL": ALL,
    "ANSWERED": HasFlag("\\Answered"),
    "DELETED": HasFlag("\\Deleted"),
    "DRAFT": HasFlag("\\Draft"),
    "FLAGGED": HasFlag("\\Flagged"),
    "SEEN": _SEEN,
    "UNANSWERED": Not(HasFlag("\\Answered")),
    "UNDELETED": Not(HasFlag("\\Deleted")),
    "UNDRAFT": Not(HasFlag("\\Draft")),
    "UNFLAGGED": Not(HasFlag("\\Flagged")),
    "UNSEEN": Not(_SEEN),
    "RECENT": IsRecent(),
    "NEW": And((IsRecent(), Not(_SEEN))),
    "OLD": Not(IsRecent()),
}


class _Keys:
    """Reads search keys; knows the charset of their strings and how deep it stands."""

    __slots__ = ("count", "cursor", "depth", "encoding")

    def __init__(self, cursor: Cursor, encoding: str) -> None:
        self.cursor = cursor
        self.encoding = encoding
        self.depth = 0
        self.count = 0

    def all_to_end(self) -> Criteria:
        keys = [self.key()]
        while not self.cursor.at_end():
            self.cursor.space()
            keys.append(self.key())
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def key(self) -> Criteria:
        self.count += 1
        if self.depth >= MAX_DEPTH or self.count > MAX_KEYS:
            raise Malformed("Search is too complex")
        self.depth += 1
        found = self._key()
        self.depth -= 1
        return found

    def _key(self) -> Criteria:
        first = self.cursor.peek()
        if first == b"(":
            return self._parenthesised()
        if first.isdigit() or first in (b"*", b"$"):
            return InSequence(self.cursor.sequence_set())
        name = self.cursor.keyword()
        plain = _WITHOUT_ARGUMENT.get(name)
        if plain is not None:
            return plain
        parse = _WITH_ARGUMENTS.get(name)
        if parse is None:
            raise Malformed("Unknown search key")
        self.cursor.space()
        return parse(self)

    def _parenthesised(self) -> Criteria:
        self.cursor.require(b"(")
        keys = [self.key()]
        while not self.cursor.skip(b")"):
            self.cursor.space()
            keys.append(self.key())
        return keys[0] if len(keys) == 1 else And(tuple(keys))

    def text(self) -> str:
        try:
            return self.cursor.astring().decode(self.encoding)
        except UnicodeDecodeError as reason:
            raise Malformed("Search string is not in its charset") from reason

    def either(self) -> Criteria:
        first = self.key()
        self.cursor.space()
        return Or(first, self.key())

    def header(self) -> Criteria:
        field = self.text().upper()
        self.cursor.space()
        return HeaderHas(field, self.text())

    def modseq(self) -> Criteria:
        """`MODSEQ [entry-name entry-type] n`; MODSEQ is kept for all flags together."""
        if self.cursor.peek() == b'"':
            self.cursor.string()
            self.cursor.space()
            self.cursor.keyword()
            self.cursor.space()
        return ChangedSince(self.cursor.modseq())


def _dated(moment: Moment, comparison: Comparison) -> Callable[[_Keys], Criteria]:
    return lambda keys: Dated(moment, comparison, keys.cursor.day())


def _in_field(field: str) -> Callable[[_Keys], Criteria]:
    return lambda keys: HeaderHas(field, keys.text())


_WITH_ARGUMENTS: dict[str, Callable[[_Keys], Criteria]] = {
    "NOT": lambda keys: Not(keys.key()),
    "OR": _Keys.either,
    "KEYWORD": lambda keys: HasFlag(keys.cursor.flag()),
    "UNKEYWORD": lambda keys: Not(HasFlag(keys.cursor.flag())),
    "BEFORE": _dated(Moment.INTERNAL, Comparison.BEFORE),
    "ON": _dated(Moment.INTERNAL, Comparison.ON),
    "SINCE": _dated(Moment.INTERNAL, Comparison.SINCE),
    "SENTBEFORE": _dated(Moment.SENT, Comparison.BEFORE),
    "SENTON": _dated(Moment.SENT, Comparison.ON),
    "SENTSINCE": _dated(Moment.SENT, Comparison.SINCE),
    "LARGER": lambda keys: Larger(keys.cursor.number()),
    "SMALLER": lambda keys: Smaller(keys.cursor.number()),
    "BCC": _in_field("BCC"),
    "CC": _in_field("CC"),
    "FROM": _in_field("FROM"),
    "SUBJECT": _in_field("SUBJECT"),
    "TO": _in_field("TO"),
    "HEADER": _Keys.header,
    "BODY": lambda keys: BodyHas(keys.text()),
    "TEXT": lambda keys: TextHas(keys.text()),
    "UID": lambda keys: InUids(keys.cursor.sequence_set()),
    "MODSEQ": _Keys.modseq,
}

# Strings without a charset are UTF-8: US-ASCII is a part of it, and clients send it unasked.
_ENCODINGS = {"US-ASCII": "utf-8", "UTF-8": "utf-8", "ASCII": "utf-8", "UTF8": "utf-8"}


def parse_criteria(cursor: Cursor, charset: str = "US-ASCII") -> Criteria:
    """Read keys to the end of the command. Raises Malformed, BadCharset."""
    encoding = _ENCODINGS.get(charset)
    if encoding is None:
        raise BadCharset
    return _Keys(cursor, encoding).all_to_end()


def parse_charset(cursor: Cursor) -> str:
    return cursor.astring().decode("ascii", "replace").upper()
