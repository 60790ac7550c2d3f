"""Distinguished names as text. RFC 4514; domains as names by RFC 2247."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from protocols.ldap.attributes import canonical

LONGEST_NAME = 2_048  # characters
MOST_PARTS = 140  # a domain has 127 labels at most

_SPECIAL = re.compile(r'[\\",+;<>=]')
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*")
_HEX = re.compile(r"[0-9A-Fa-f]{2}")


class MalformedName(Exception):
    """The text is no distinguished name."""


@dataclass(frozen=True, slots=True)
class Part:
    """One relative name of one type and value; `attribute` is canonical where it is known."""

    attribute: str
    value: str


Name = tuple[Part, ...]


def parse(text: str) -> Name:
    """The parts of a name, the lowest first; the empty name has none. Raises MalformedName.

    Names of several values ("cn=a+sn=b") name nothing here and are refused, too.
    """
    if len(text) > LONGEST_NAME:
        raise MalformedName("too long")
    if not text.strip():
        return ()
    parts = tuple(_part(each) for each in _split(text))
    if len(parts) > MOST_PARTS:
        raise MalformedName("too many parts")
    return parts


def of_domain(domain: str) -> str:
    """`example.com` as `dc=example,dc=com`. RFC 2247 §3."""
    return ",".join(f"dc={escape(label)}" for label in domain.split("."))


def to_domain(name: Name) -> str | None:
    """`dc=example,dc=com` as `example.com`, in lower case; None: it is no domain's name."""
    labels = [part.value.lower() for part in name if part.attribute == "dc"]
    if not labels or len(labels) != len(name):
        return None
    return ".".join(labels)


def escape(value: str) -> str:
    """A value as it stands in a name. RFC 4514 §2.4."""
    escaped = _SPECIAL.sub(lambda found: f"\\{found[0]}", value).replace("\0", "\\00")
    if escaped.startswith(("#", " ")):
        escaped = f"\\{escaped}"
    if escaped.endswith(" ") and len(value) > 1:
        escaped = f"{escaped[:-1]}\\ "
    return escaped


def _split(text: str) -> Iterator[str]:
    """At commas that no backslash stands before. RFC 2253 allowed semicolons and quotes, too."""
    start = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == ",":
            yield text[start:position]
            start = position + 1
        position += 1
    yield text[start:]


def _part(text: str) -> Part:
    keyword, equals, value = text.partition("=")
    keyword = keyword.strip().removeprefix("OID.").removeprefix("oid.")
    if not equals or not _KEYWORD.fullmatch(keyword):
        raise MalformedName("a part without type and value")
    return Part(canonical(keyword) or keyword.lower(), _value(value.lstrip(" ")))


def _value(text: str) -> str:
    """Without escapes. Spaces at the end count only if they are escaped."""
    octets = bytearray()
    kept = position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            escaped = text[position + 1 : position + 3]
            if _HEX.fullmatch(escaped):
                octets.append(int(escaped, 16))
                position += 3
            elif escaped and (escaped[0] in ' "#+,;<=>\\'):
                octets += escaped[0].encode()
                position += 2
            else:
                raise MalformedName("a wrong escape")
            kept = len(octets)
            continue
        if character in '"+;<>\0':
            raise MalformedName("a character that must be escaped")
        octets += character.encode("utf-8", "replace")
        position += 1
        if character != " ":
            kept = len(octets)
    try:
        return octets[:kept].decode()
    except UnicodeDecodeError:
        raise MalformedName("a value that is not UTF-8") from None
