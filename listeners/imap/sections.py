"""Sections of a message as ranges of its bytes: what BODY[...] names. RFC 3501 §6.4.5."""

from __future__ import annotations

import re
from functools import lru_cache

from mailboxes.selectors import StoredMessage
from protocols.imap.fetch import Section, Text

Span = tuple[int, int]

_FILTERED = (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT)


def is_filtered(section: Section) -> bool:
    """Only some fields of the header are asked for."""
    return section.text in _FILTERED


def span(message: StoredMessage, section: Section) -> Span | None:
    """Where the section lies, without its partial; None: there is no such part (NIL).

    For some fields of a header it is the whole header, which `filtered` cuts down.
    """
    kind = Text.HEADER if is_filtered(section) else section.text
    return message.section(section.part, kind.value.decode("ascii"))


def cut(whole: Span, section: Section) -> Span:
    """What the section's partial leaves of it."""
    start, stop = whole
    if section.partial is None:
        return whole
    first = min(start + section.partial.offset, stop)
    return first, min(first + section.partial.length, stop)


def filtered(header: bytes, section: Section) -> bytes:
    """The fields of `header` that the section names, or does not name, and the blank line."""
    named = _fields_named(section.fields, section.text is Text.HEADER_FIELDS_NOT)
    octets = b"".join(named.findall(header)) + b"\r\n"
    if section.partial is None:
        return octets
    first = section.partial.offset
    return octets[first : first + section.partial.length]


@lru_cache(maxsize=512)
def _fields_named(names: tuple[str, ...], others: bool) -> re.Pattern[bytes]:
    """Matches whole fields with their folded lines; much faster than to look at each field."""
    name = b"|".join([re.escape(name.encode("ascii", "replace")) for name in names])
    if others:
        name = rb"(?!(?:%b)[ \t]*:)[^\s:]+" % name
    return re.compile(rb"^(?:%b)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*" % name, re.I | re.M)
