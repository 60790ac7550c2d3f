"""Names under which a domain can be hosted, in their one stored form. RFC 1123 §2.1, RFC 5890."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

import idna

from domains.errors import NameMalformed

MAX_NAME_BYTES = 253  # RFC 1035 §2.3.4 without the length octets of the wire

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class DomainName:
    """`name` is what is stored and compared, `unicode_name` what people read (D-032)."""

    name: str
    unicode_name: str


def read_name(text: str) -> DomainName:
    """The normal form of a name as people type it. Raises NameMalformed."""
    # The dot at the end of a fully qualified name says nothing new.
    stripped = text.strip().removesuffix(".")
    try:
        name = stripped.lower() if stripped.isascii() else _to_a_labels(stripped)
        _check(name)
        unicode_name = idna.decode(name) if "xn--" in name else name
    except (idna.IDNAError, UnicodeError) as error:
        raise NameMalformed(text, str(error)) from error
    except _Broken as error:
        raise NameMalformed(text, str(error)) from error
    return DomainName(name, unicode_name)


class _Broken(Exception):
    """One rule that the name breaks, in words."""


def _to_a_labels(text: str) -> str:
    return idna.encode(text, uts46=True).decode("ascii").lower()


def _check(name: str) -> None:
    if len(name) > MAX_NAME_BYTES:
        raise _Broken(f"it is longer than {MAX_NAME_BYTES} octets")
    labels = name.split(".")
    if len(labels) < 2:
        raise _Broken("it needs at least one dot")
    if not all(map(_LABEL.fullmatch, labels)):
        raise _Broken("each part needs 1 to 63 letters, digits or inner hyphens")
    # RFC 1123 §2.1: the last label is alphabetic, so no name looks like an IPv4 address.
    if labels[-1].isdigit():
        raise _Broken("the last part is a number")


def is_host(text: str) -> bool:
    """Whether an operator may have meant a machine: by its name or its IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        try:
            # A machine of the local network may have a name of one label.
            read_name(text if "." in text else f"{text}.local")
        except NameMalformed:
            return False
    return True
