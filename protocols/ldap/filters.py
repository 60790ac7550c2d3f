"""Filters of searches: read from the wire, and whether an entry matches. RFC 4511 §4.5.1.7."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from protocols.ldap.attributes import canonical
from protocols.ldap.ber import SEQUENCE, Malformed, Reader

DEEPEST = 16
MOST_TERMS = 64

_AND, _OR, _NOT, _EQUALITY, _SUBSTRINGS = 0xA0, 0xA1, 0xA2, 0xA3, 0xA4
_GREATER, _LESS, _PRESENT, _APPROX, _EXTENSIBLE = 0xA5, 0xA6, 0x87, 0xA8, 0xA9
_INITIAL, _ANY, _FINAL = 0x80, 0x81, 0x82
_RULE, _TYPE, _VALUE, _OF_NAME = 0x81, 0x82, 0x83, 0x84

_SPACES = re.compile(r"\s+")
_SEPARATORS = re.compile(r"[\s-]+")


class TooComplex(Exception):
    """More terms, or deeper ones, than a search may have here."""


@dataclass(frozen=True, slots=True)
class And:
    terms: tuple[Filter, ...]  # none: always true (RFC 4526)


@dataclass(frozen=True, slots=True)
class Or:
    terms: tuple[Filter, ...]  # none: never true (RFC 4526)


@dataclass(frozen=True, slots=True)
class Not:
    term: Filter


@dataclass(frozen=True, slots=True)
class Present:
    attribute: str  # canonical


@dataclass(frozen=True, slots=True)
class Equals:
    attribute: str
    value: str  # folded


@dataclass(frozen=True, slots=True)
class Substrings:
    """`initial` and `final` are empty where the filter has none; all are folded."""

    attribute: str
    initial: str
    middle: tuple[str, ...]
    final: str


@dataclass(frozen=True, slots=True)
class Undefined:
    """A term about what this directory does not know: neither true nor false."""


Filter = And | Or | Not | Present | Equals | Substrings | Undefined
UNDEFINED = Undefined()


class Values(Protocol):
    """The attributes that an entry has, canonical, and their values, folded: such as a dict."""

    def get(self, attribute: str, default: Sequence[str], /) -> Sequence[str]: ...


# RFC 4517 §4.2.29: in numbers neither spaces nor hyphens count.
NUMBERS = frozenset({"telephoneNumber", "mobile"})


def fold(text: str, attribute: str = "") -> str:
    """In the form in which values are compared: case and runs of spaces do not count."""
    return _folded(text, attribute).strip()


def _folded(text: str, attribute: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if attribute in NUMBERS:
        return _SEPARATORS.sub("", text.lower())
    return _SPACES.sub(" ", text.lower())


def matches(wanted: Filter, values: Values) -> bool | None:
    """Whether an entry with these values matches; None: undefined. Only True is a match."""
    match wanted:
        case And(terms):
            return _all(matches(term, values) for term in terms)
        case Or(terms):
            found = _all(_negated(matches(term, values)) for term in terms)
            return _negated(found)
        case Not(term):
            return _negated(matches(term, values))
        case Present(attribute):
            return bool(values.get(attribute, ()))
        case Equals(attribute, value):
            return value in values.get(attribute, ())
        case Substrings(attribute):
            return any(_contains(one, wanted) for one in values.get(attribute, ()))
        case Undefined():
            return None


def _negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _all(truths: Iterable[bool | None]) -> bool | None:
    """False if one is; otherwise None if one is; otherwise True."""
    result: bool | None = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result


def _contains(value: str, wanted: Substrings) -> bool:
    if not value.startswith(wanted.initial):
        return False
    at = len(wanted.initial)
    for piece in wanted.middle:
        at = value.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return value.endswith(wanted.final) and len(value) - len(wanted.final) >= at


# --- from the wire ---------------------------------------------------------------------------


def read(reader: Reader) -> Filter:
    """The filter that comes next. Raises Malformed, TooComplex."""
    return _Reading().filter(reader, 0)


class _Reading:
    def __init__(self) -> None:
        self._terms = 0

    def filter(self, reader: Reader, depth: int) -> Filter:
        self._terms += 1
        if depth > DEEPEST or self._terms > MOST_TERMS:
            raise TooComplex
        tag = reader.tag
        if tag in (_AND, _OR):
            within = reader.enter()
            terms = []
            while not within.is_at_end:
                terms.append(self.filter(within, depth + 1))
            return And(tuple(terms)) if tag == _AND else Or(tuple(terms))
        if tag == _NOT:
            return Not(self.filter(reader.enter(), depth + 1))
        if tag == _PRESENT:
            attribute = canonical(reader.text(_PRESENT))
            return UNDEFINED if attribute is None else Present(attribute)
        if tag in (_EQUALITY, _APPROX):
            return _assertion(reader.enter())
        if tag == _SUBSTRINGS:
            return _substrings(reader.enter())
        if tag in (_GREATER, _LESS):
            _assertion(reader.enter())  # none of our attributes has an order
            return UNDEFINED
        if tag == _EXTENSIBLE:
            return _extensible(reader.enter())
        raise Malformed(f"no filter has tag {tag:#04x}")


def _assertion(within: Reader) -> Filter:
    return equality(within.text(), within.octets())


def equality(description: str, octets: bytes) -> Equals | Undefined:
    """The term "this attribute has this value"."""
    attribute, value = canonical(description), _text(octets)
    if attribute is None or value is None:
        return UNDEFINED
    return Equals(attribute, fold(value, attribute))


def _substrings(within: Reader) -> Filter:
    attribute = canonical(within.text())
    pieces = within.enter(SEQUENCE)
    initial, final = "", ""
    middle: list[str] = []
    is_text, count = True, 0
    while not pieces.is_at_end:
        tag = pieces.tag
        text = _text(pieces.octets(tag))
        is_text = is_text and text is not None
        count += 1
        if count > MOST_TERMS:
            raise TooComplex
        folded = _folded(text or "", attribute or "")
        if tag == _INITIAL and count == 1:
            initial = folded.lstrip()
        elif tag == _ANY and not final:
            middle.append(folded)
        elif tag == _FINAL and not final:
            final = folded.rstrip()
        else:
            raise Malformed("pieces of a value out of order")
    if not count:
        raise Malformed("a search for parts of a value without parts")
    if attribute is None or not is_text:
        return UNDEFINED
    return Substrings(attribute, initial, tuple(middle), final)


def _extensible(within: Reader) -> Filter:
    """Without a rule of its own it means equality; other rules are not known here."""
    has_rule, description, value, is_of_name = False, "", b"", False
    while not within.is_at_end:
        tag = within.tag
        octets = within.octets(tag)
        if tag == _RULE:
            has_rule = True
        elif tag == _TYPE:
            description = octets.decode("utf-8", "replace")
        elif tag == _VALUE:
            value = octets
        elif tag == _OF_NAME:
            is_of_name = octets != b"\0"
    if has_rule or is_of_name:
        return UNDEFINED
    return equality(description, value)


def _text(octets: bytes) -> str | None:
    """None: no value of ours is such octets."""
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
