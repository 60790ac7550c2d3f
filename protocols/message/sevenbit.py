"""A message made fit for servers that pass seven bits only. RFC 6152 §3, RFC 2045 §6."""

from __future__ import annotations

import re
from binascii import b2a_base64, b2a_qp

from protocols.message.mime import Part, scan

LONGEST_LINE_BYTES = 998  # RFC 5322 §2.1.1
_BASE64_LINE_BYTES = 57  # become 76 characters

_LONG_LINE = re.compile(rb"[^\r\n]{%d}" % (LONGEST_LINE_BYTES + 1))
_ENCODING_FIELD = re.compile(
    rb"^content-transfer-encoding[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE
)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_ALREADY_ENCODED = frozenset({b"quoted-printable", b"base64"})


def needs_encoding(body: bytes) -> bool:
    """Eight bits, NUL, lines without CRLF or too long: none of it may pass as 7bit."""
    pairs = body.count(b"\r\n")
    return (
        not body.isascii()
        or b"\0" in body
        or body.count(b"\n") != pairs
        or body.count(b"\r") != pairs
        or _LONG_LINE.search(body) is not None
    )


def to_seven_bit(message: bytes) -> bytes:
    """`message` with every part that needs it in quoted-printable or base64.

    Says the same to whoever reads it; signatures over the bytes (DKIM, S/MIME) break, which is
    the price of a server without 8BITMIME. Header fields stay as they are.
    """
    tree = scan(message)
    pieces: list[bytes] = []
    done = 0
    for part in tree.walk():
        header, body = _encoded(message, part, is_top=part is tree)
        pieces += (message[done : part.header_start], header)
        done = part.body_start
        if body is not None:
            pieces.append(body)
            done = part.end
    pieces.append(message[done:])
    return b"".join(pieces)


def _encoded(message: bytes, part: Part, *, is_top: bool) -> tuple[bytes, bytes | None]:
    """The part's header, and its body where that has changed."""
    header = message[part.header_start : part.body_start]
    encoding = part.fields.get(b"content-transfer-encoding", b"7bit").strip().lower()
    if encoding in _ALREADY_ENCODED:
        return header, None
    if part.children:
        # What is inside is 7bit from now on, so its wrapping must not claim more.
        return (header if encoding == b"7bit" else _declare(header, b"7bit")), None
    body = message[part.body_start : part.end]
    if not needs_encoding(body):
        return (header if encoding == b"7bit" else _declare(header, b"7bit")), None
    is_text = part.content.type == b"text"
    header = _declare(header, b"quoted-printable" if is_text else b"base64")
    if is_top and b"mime-version" not in part.fields:
        header = b"MIME-Version: 1.0\r\n" + header
    if is_top and b"content-type" not in part.fields:
        # RFC 1428 §3: nobody knows what the octets mean.
        header = b"Content-Type: text/plain; charset=unknown-8bit\r\n" + header
    return header, _quoted_printable(body) if is_text else _base64(body)


def _declare(header: bytes, encoding: bytes) -> bytes:
    field = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
    return field + _ENCODING_FIELD.sub(b"", header)


def _quoted_printable(body: bytes) -> bytes:
    return b2a_qp(_LINE_END.sub(b"\r\n", body), istext=True)


def _base64(body: bytes) -> bytes:
    starts = range(0, len(body), _BASE64_LINE_BYTES)
    lines = (b2a_base64(body[at : at + _BASE64_LINE_BYTES], newline=False) for at in starts)
    return b"\r\n".join(lines)
