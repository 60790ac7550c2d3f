"""Mail addresses as values: read, normalised and written. RFC 5321 §4.1.2, RFC 6531 §3.3."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

# RFC 5321 §4.5.3.1.1 promises 64 octets; VERP and SRS senders need more, so more is taken.
MAX_LOCAL_PART_BYTES = 255
MAX_DOMAIN_BYTES = 255  # RFC 5321 §4.5.3.1.2

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_STRING = rf"{_ATOM}(?:\.{_ATOM})*"
_UTF8_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_UTF8_DOT_STRING = rf"{_UTF8_ATOM}(?:\.{_UTF8_ATOM})*"

_PLAIN = re.compile(rf"({_DOT_STRING})@({_DOMAIN})")
_ASCII_DOMAIN = re.compile(_DOMAIN)
_UNQUOTED = re.compile(_UTF8_DOT_STRING)
# RFC 5321 §4.1.2: printable characters and spaces; a backslash makes the next one literal.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~\x80-\U0010ffff]|\\[ -~])*)"')
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'(["\\])')
_INNER_ROUTE = re.compile(r"[%!@]")


class MalformedAddress(Exception):
    """The text is no address; `reason` says why in words for a person."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Address:
    """`local_part` without quotes and as it was written; `domain` in its one normal form.

    The normal form is lower-case A-labels, or a literal such as `[192.0.2.1]` or
    `[IPv6:2001:db8::1]`; it is empty only for the bare `postmaster` of RFC 5321 §4.5.1.
    """

    local_part: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `local-part@domain` without angle brackets. Raises MalformedAddress."""
        match = _PLAIN.fullmatch(text)
        if match is not None:
            local_part, domain = match.groups()
            if len(local_part) <= MAX_LOCAL_PART_BYTES and len(domain) <= MAX_DOMAIN_BYTES:
                return cls(local_part, domain.lower())
        local_text, at, domain_text = text.rpartition("@")
        if not at:
            raise MalformedAddress("an address has the form name@domain")
        return cls(parse_local_part(local_text), parse_domain(domain_text))

    @property
    def key(self) -> str:
        """What equal addresses share: domains and, by our rule, local parts ignore case."""
        return f"{fold(self.local_part)}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether it may travel without SMTPUTF8."""
        return self.local_part.isascii()

    @property
    def is_literal(self) -> bool:
        return self.domain.startswith("[")

    @property
    def carries_route(self) -> bool:
        """The local part looks like an address for somebody else (`a%b`, `b!a`, `"a@b"`).

        Old servers relayed by it; taken literally it is harmless, so it is never followed.
        """
        return _INNER_ROUTE.search(self.local_part) is not None

    def encode(self) -> str:
        """As the wire wants it, quoted where needed, without angle brackets."""
        local_part = quote_local_part(self.local_part)
        return f"{local_part}@{self.domain}" if self.domain else local_part

    def __str__(self) -> str:
        return self.encode()


def parse_local_part(text: str) -> str:
    """The local part without its quotes. Raises MalformedAddress."""
    if _UNQUOTED.fullmatch(text):
        local_part = text
    else:
        match = _QUOTED.fullmatch(text)
        if match is None:
            raise MalformedAddress("the part before the @ has characters that need quotes")
        local_part = _PAIR.sub(r"\1", match[1])
    if not local_part:
        raise MalformedAddress("the part before the @ is empty")
    if _byte_length(local_part) > MAX_LOCAL_PART_BYTES:
        raise MalformedAddress("the part before the @ is too long")
    if not local_part.isascii() and not all(map(_is_text, local_part)):
        raise MalformedAddress("the part before the @ has control characters")
    return local_part


def quote_local_part(local_part: str) -> str:
    """The opposite of `parse_local_part`."""
    if _UNQUOTED.fullmatch(local_part):
        return local_part
    return '"' + _TO_ESCAPE.sub(r"\\\1", local_part) + '"'


def parse_domain(text: str) -> str:
    """A domain or an address literal in its normal form. Raises MalformedAddress."""
    if text.startswith("["):
        return _parse_literal(text)
    if text.isascii():
        if len(text) > MAX_DOMAIN_BYTES or not _ASCII_DOMAIN.fullmatch(text):
            raise MalformedAddress("the domain is not well-formed")
        return text.lower()
    return _to_a_labels(text)


def fold(local_part: str) -> str:
    """The form in which local parts are compared: lower case, composed. RFC 6531 §3.3."""
    if local_part.isascii():
        return local_part.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", local_part).lower())


def split_detail(local_part: str, separator: str = "+") -> tuple[str, str | None]:
    """`anne+lists` is the user `anne` with the detail `lists`; None without a detail. RFC 5233.

    A leading separator belongs to the name, so the user is never empty.
    """
    position = local_part.find(separator, 1)
    if position < 0:
        return local_part, None
    return local_part[:position], local_part[position + len(separator) :]


def strip_source_route(path: str) -> str:
    """`@a,@b:anne@c` is `anne@c`: the route is to be ignored. RFC 5321 §4.1.1.3, appendix C."""
    if not path.startswith("@"):
        return path
    _, colon, rest = path.partition(":")
    return rest if colon else path


@lru_cache(maxsize=4096)
def _to_a_labels(text: str) -> str:
    if len(text) > MAX_DOMAIN_BYTES:
        raise MalformedAddress("the domain is too long")
    try:
        domain = idna.encode(text, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError, ValueError) as error:
        raise MalformedAddress("the domain is not well-formed") from error
    if len(domain) > MAX_DOMAIN_BYTES or not _ASCII_DOMAIN.fullmatch(domain):
        raise MalformedAddress("the domain is not well-formed")
    return domain


def _parse_literal(text: str) -> str:
    """RFC 5321 §4.1.3; of the tagged forms only IPv6 exists."""
    if not text.endswith("]") or not text.isascii() or "%" in text:
        raise MalformedAddress("the address literal is not well-formed")
    inner = text[1:-1]
    try:
        if inner[:5].lower() == "ipv6:":
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError as error:
        raise MalformedAddress("the address literal is not well-formed") from error


def _byte_length(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise MalformedAddress("the address is not UTF-8") from error


def _is_text(character: str) -> bool:
    """False for controls, separators and unassigned code points, which only deceive readers."""
    return character < "\x80" or unicodedata.category(character)[0] not in "CZ"
