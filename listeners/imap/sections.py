"""Sections of a message as ranges of its bytes: what BODY[...] names. RFC 3501 §6.4.5."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from blobs.store import Location
from protocols.imap.fetch import Section, Text
from protocols.message.facts import Facts


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a message: its facts, where its body lies, what stands before it."""

    location: Location
    facts: Facts
    prefix: bytes  # Return-Path and Delivered-To of this copy
    header: bytes  # the first bytes of the body; empty if the header is unusually long

    @property
    def size_bytes(self) -> int:
        """What it takes of memory, about."""
        return 600 + len(self.facts.data) + len(self.prefix) + len(self.header)


class Piece(NamedTuple):
    """`before`, and then the bytes of the body from `start` to `stop`."""

    before: bytes
    start: int
    stop: int

    @property
    def size_bytes(self) -> int:
        return len(self.before) + self.stop - self.start


_FILTERED = (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT)


def piece(kept: Kept, section: Section) -> Piece | None:
    """Where the section lies; None: there is no such part (NIL).

    For HEADER.FIELDS it is the whole header, which `filtered` cuts down; partials are not applied.
    """
    kind = Text.HEADER.value if section.text in _FILTERED else section.text.value
    found = kept.facts.section(section.part, kind.decode("ascii"))
    if found is None:
        return None
    start, stop = found
    if not section.part and section.text is not Text.TEXT:
        return Piece(kept.prefix, start, stop)
    return Piece(b"", start, stop)


def cut(found: Piece, section: Section) -> Piece:
    """The octets of `found` that the section's partial asks for."""
    if section.partial is None:
        return found
    first = section.partial.offset
    last = first + section.partial.length
    head = len(found.before)
    start = min(found.start + max(first - head, 0), found.stop)
    stop = min(found.start + max(last - head, 0), found.stop)
    return Piece(found.before[first:last], start, stop)


def is_filtered(section: Section) -> bool:
    return section.text in _FILTERED


def filtered(header: bytes, section: Section) -> bytes:
    """The fields of `header` that the section names, or does not name, and the blank line."""
    names = _matching(section.fields)
    if section.text is Text.HEADER_FIELDS:
        kept = b"".join(names.findall(header))
    else:
        kept = names.sub(b"", header).rstrip(b"\r\n")
        kept = kept + b"\r\n" if kept else b""
    if kept and not kept.endswith(b"\n"):
        kept += b"\r\n"
    octets = kept + b"\r\n"
    if section.partial is not None:
        first = section.partial.offset
        return octets[first : first + section.partial.length]
    return octets


@lru_cache(maxsize=512)
def _matching(fields: tuple[str, ...]) -> re.Pattern[bytes]:
    names = b"|".join(re.escape(field.encode("ascii", "replace")) for field in fields)
    line = rb"^(?:%b)[ \t]*:[^\n]*(?:\n[ \t][^\n]*)*\n?"
    return re.compile(line % names, re.IGNORECASE | re.MULTILINE)
