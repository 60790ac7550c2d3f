"""Content-Type and Content-Disposition: a token and its parameters. RFC 2045 §5.1, RFC 2231."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from protocols.message import words

VALUE_BYTES = 16 * 1024  # a longer field is cut
MOST_PARAMETERS = 100
BOUNDARY_BYTES = 250  # RFC 2046 §5.1.1 allows 70; longer ones have been seen

_TOKEN = rb"[^\s()<>@,;:\\\"/\[\]?=\x00-\x1f\x7f-\xff]++"
_TYPE = re.compile(rb"[\s]*+(" + _TOKEN + rb")\s*+/\s*+(" + _TOKEN + rb")")
_WORD = re.compile(rb"\s*+(" + _TOKEN + rb")")
# An unquoted value may hold blanks and specials against the law, as in name=my file.txt.
_PARAMETER = re.compile(
    rb";\s*+([^\s=;\"\x00]++)\s*+=\s*+"
    rb"(?:\"((?:[^\"\\]|\\.)*+)\"?|([^;\"(\r\n\x00]*+))",
    re.DOTALL,
)
_CONTINUED = re.compile(rb"(.+?)\*(\d{1,3})(\*?)")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)

Parameters = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class ContentType:
    """type/subtype in lower case; parameters with lower-case names, values as they are."""

    type: bytes
    subtype: bytes
    parameters: Parameters = ()

    def parameter(self, name: bytes) -> bytes | None:
        return find(self.parameters, name)

    @property
    def boundary(self) -> bytes | None:
        """What separates the parts; None if there is none to be used."""
        if self.type != b"multipart":
            return None
        boundary = find(self.parameters, b"boundary")
        if boundary is None:  # RFC 2231 allows boundary*=us-ascii''x
            boundary = (text(self.parameters, b"boundary") or "").encode("utf-8", "replace")
        boundary = boundary.rstrip()
        return boundary if 0 < len(boundary) <= BOUNDARY_BYTES and b"\n" not in boundary else None


PLAIN_TEXT = ContentType(b"text", b"plain", ((b"charset", b"us-ascii"),))  # RFC 2045 §5.2


@lru_cache(maxsize=1024)
def _short_content_type(value: bytes) -> ContentType:
    return _read_content_type(value)


def content_type(value: bytes | None) -> ContentType:
    """The value of a Content-Type field; what cannot be read is plain text. RFC 2045 §5.2."""
    if value is None:
        return PLAIN_TEXT
    # Boundaries differ in every message, so values with one are not worth remembering.
    if len(value) < 80 and b"boundary" not in value:
        return _short_content_type(value)
    return _read_content_type(value[:VALUE_BYTES])


def _read_content_type(value: bytes) -> ContentType:
    match = _TYPE.match(value)
    if match is None:
        return PLAIN_TEXT
    kind = match[1].lower()
    parameters = _read_parameters(value, match.end())
    if kind == b"text" and not any(name.startswith(b"charset") for name, _ in parameters):
        parameters = (*parameters, (b"charset", b"us-ascii"))
    return ContentType(kind, match[2].lower(), parameters)


@lru_cache(maxsize=512)
def disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    """The value of a Content-Disposition field: lower-case token and parameters. RFC 2183."""
    match = _WORD.match(value[:VALUE_BYTES])
    if match is None:
        return None
    return match[1].lower(), _read_parameters(value[:VALUE_BYTES], match.end())


def find(parameters: Parameters, name: bytes) -> bytes | None:
    for known, value in parameters:
        if known == name:
            return value
    return None


def text(parameters: Parameters, name: bytes) -> str | None:
    """A parameter as people read it: RFC 2231 and (against the law, yet common) RFC 2047."""
    extended = find(parameters, name + b"*")
    if extended is not None:
        charset, _, rest = extended.partition(b"'")
        octets = rest.partition(b"'")[2] if b"'" in rest else rest or charset
        return words.decode_charset(unquote_to_bytes(octets), charset.decode("latin-1"))
    plain = find(parameters, name)
    return None if plain is None else words.decode(plain)


def _read_parameters(value: bytes, position: int) -> Parameters:
    found: list[tuple[bytes, bytes]] = []
    is_continued = False
    for match in _PARAMETER.finditer(value, position):
        name, quoted, bare = match.groups()
        if quoted is not None:
            read = _QUOTED_PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted
            read = read.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
        else:
            read = bare.rstrip()
        is_continued = is_continued or b"*" in name
        found.append((name.lower(), read))
        if len(found) >= MOST_PARAMETERS:
            break
    return _joined(found) if is_continued else tuple(found)


def _joined(found: list[tuple[bytes, bytes]]) -> Parameters:
    """Put name*0, name*1* ... together: as name*, percent-encoded, if any piece is. RFC 2231 §3."""
    pieces: dict[bytes, dict[int, tuple[bool, bytes]]] = {}
    whole: list[tuple[bytes, bytes]] = []
    for name, value in found:
        match = _CONTINUED.fullmatch(name)
        if match is None:
            whole.append((name, value))
            continue
        base = match[1]
        if base not in pieces:
            pieces[base] = {}
            whole.append((base, b""))
        pieces[base].setdefault(int(match[2]), (bool(match[3]), value))
    return tuple(_piece_together(name, value, pieces) for name, value in whole)


def _piece_together(
    name: bytes, value: bytes, pieces: dict[bytes, dict[int, tuple[bool, bytes]]]
) -> tuple[bytes, bytes]:
    if name not in pieces or value:
        return name, value
    ordered = [piece for _, piece in sorted(pieces[name].items())]
    if not any(is_encoded for is_encoded, _ in ordered):
        return name, b"".join(text for _, text in ordered)
    return name + b"*", b"".join(
        text if is_encoded else text.replace(b"%", b"%25") for is_encoded, text in ordered
    )
