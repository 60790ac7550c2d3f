"""Folder names on the wire: modified UTF-7. RFC 3501 §5.1.3."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode

from protocols.imap.errors import Malformed

_SHIFTED = re.compile(r"&|[^\x20-\x7e]+")


def decode(raw: bytes) -> str:
    """The name that `raw` encodes; INBOX in any case is "INBOX" (RFC 3501 §5.1).

    Plain UTF-8 outside the shifts is taken too: RFC 9051 clients send it. Raises Malformed.
    """
    try:
        first, *shifts = raw.decode("utf-8").split("&")
        name = "".join([first, *map(_unshift, shifts)]) if shifts else first
    except (UnicodeDecodeError, binascii.Error) as reason:
        raise Malformed("Folder name is not modified UTF-7") from reason
    if len(name) == 5 and name.upper() == "INBOX":
        return "INBOX"
    return name


def _unshift(text: str) -> str:
    """What follows one "&": base64 up to "-", then plain text."""
    shifted, dash, plain = text.partition("-")
    if not dash or not shifted.isascii() or "/" in shifted:
        raise Malformed("Folder name is not modified UTF-7")
    if not shifted:
        return "&" + plain
    padding = "=" * (-len(shifted) % 4)
    octets = b64decode(shifted.replace(",", "/") + padding, validate=True)
    return octets.decode("utf-16-be") + plain


def encode(name: str) -> bytes:
    """`name` in modified UTF-7, not quoted."""
    if name.isascii() and name.isprintable() and "&" not in name:
        return name.encode("ascii")
    return _SHIFTED.sub(_shift, name).encode("ascii")


def _shift(match: re.Match[str]) -> str:
    text = match[0]
    if text == "&":
        return "&-"
    octets = b64encode(text.encode("utf-16-be", "surrogatepass"))
    return "&" + octets.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"
