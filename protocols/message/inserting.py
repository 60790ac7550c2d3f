"""Texts put before and behind a message without touching what is signed or encrypted. RFC 2046."""

from __future__ import annotations

import binascii
import re

from protocols.message import headers
from protocols.message.mime import Part, scan
from protocols.message.parameters import content_type
from protocols.message.sevenbit import needs_encoding

_IDENTITY = frozenset({b"", b"7bit", b"8bit"})
_ENCODED = frozenset({b"quoted-printable", b"base64"})
# Charsets whose first 128 characters are those of ASCII, so that ASCII may stand beside them.
_ASCII_BASED = re.compile(rb"us-ascii|utf-8|iso-8859-\d+|windows-125\d|koi8-[ru]", re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_CONTENT_FIELD = re.compile(rb"content-[!-9;-~]+", re.IGNORECASE)
_ENDS_HEADER = re.compile(rb"(?:\A|\n)\r?\n\Z")
_BASE64_LINE_BYTES = 57


def insert_texts(message: bytes, before: str, after: str, *, boundary: str) -> bytes:
    """`message` with two texts; empty ones are left out. Takes any bytes.

    Into plain text they are written; a multipart/mixed gets them as parts of its own; all else
    (alternatives, HTML, what is signed or encrypted) becomes one part beside them, as it is.
    `boundary` is a word that stands nowhere in the message.
    """
    if not before and not after:
        return message
    if headers.body_start(message) == len(message) and not _ENDS_HEADER.search(message):
        message += b"\r\n" if message.endswith(b"\n") else b"\r\n\r\n"
    tree = scan(message)
    written = _into_plain_text(message, tree, before, after)
    if written is None:
        written = _into_mixed(message, tree, before, after)
    return written if written is not None else _beside(message, before, after, boundary.encode())


def _into_plain_text(message: bytes, tree: Part, before: str, after: str) -> bytes | None:
    """None: it is no plain text, or one that the texts do not fit into."""
    # As declared: a multipart without its boundary is shown as text, yet not by every program.
    content = content_type(tree.fields.get(b"content-type"))
    body = message[tree.body_start :]
    if (content.type, content.subtype) != (b"text", b"plain") or tree.children:
        return None
    disposition = tree.fields.get(b"content-disposition", b"").strip().lower()
    encoding = headers.unfold(tree.fields.get(b"content-transfer-encoding", b"")).lower()
    if disposition.startswith(b"attachment") or encoding not in _IDENTITY | _ENCODED:
        return None
    if encoding == b"base64":
        try:
            body = binascii.a2b_base64(body)
        except binascii.Error:
            return None
    elif encoding == b"quoted-printable":
        body = binascii.a2b_qp(body)
    texts = _octets(before), _octets(after)
    if b"-----BEGIN PGP" in body or not _fits(content.parameter(b"charset") or b"", texts):
        return None
    if encoding in _IDENTITY and encoding != b"8bit" and not (texts[0] + texts[1]).isascii():
        return None
    whole = _joined(texts[0], body, texts[1])
    if encoding == b"base64":
        whole = _base64(whole)
    elif encoding == b"quoted-printable":
        whole = binascii.b2a_qp(whole, istext=True)
    return message[: tree.body_start] + whole


def _fits(charset: bytes, texts: tuple[bytes, bytes]) -> bool:
    if (texts[0] + texts[1]).isascii():
        return _ASCII_BASED.fullmatch(charset) is not None
    return charset.lower() == b"utf-8"


def _joined(before: bytes, body: bytes, after: bytes) -> bytes:
    if before:
        before += b"\r\n"
    if after:
        ending = b"" if not body or body.endswith(b"\n") else b"\r\n"
        after = ending + b"\r\n" + after
    return before + body + after


def _into_mixed(message: bytes, tree: Part, before: str, after: str) -> bytes | None:
    """None: it is no multipart/mixed, or one without an end."""
    content, boundary = tree.content, tree.content.boundary
    if (content.type, content.subtype) != (b"multipart", b"mixed") or not tree.children:
        return None
    if boundary is None:
        return None
    delimiter = b"--" + boundary
    first, last = tree.children[0].header_start, tree.children[-1].end
    closing = re.compile(rb"\r?\n" + re.escape(delimiter) + rb"--").match(message, last)
    if closing is None:
        return None
    opening = _part(before) + b"\r\n" + delimiter + b"\r\n" if before else b""
    ending = b"\r\n" + delimiter + b"\r\n" + _part(after) if after else b""
    return message[:first] + opening + message[first:last] + ending + message[last:]


def _beside(message: bytes, before: str, after: str, boundary: bytes) -> bytes:
    start = headers.body_start(message)
    head, body = message[:start], message[start:]
    names = {name.lower() for name, _ in headers.fields(head)}
    own = [name for name in names if _CONTENT_FIELD.fullmatch(name)]
    inner = headers.selected(head, own) + body
    outer = headers.selected(head, [*own, b"mime-version"], others=True)[:-2]
    outer += b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="%s"\r\n\r\n' % boundary
    parts = [_part(before)] if before else []
    parts.append(inner)
    if after:
        parts.append(_part(after))
    lines = [outer]
    for part in parts:
        lines += [b"--%s\r\n" % boundary, part, b"\r\n"]
    return b"".join([*lines, b"--%s--\r\n" % boundary])


def _part(text: str) -> bytes:
    """A text as a part of its own, without the line end before the next boundary."""
    octets = _octets(text).removesuffix(b"\r\n")
    if not needs_encoding(octets):
        return b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + octets
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + _base64(octets).removesuffix(b"\r\n")


def _octets(text: str) -> bytes:
    """With line ends of mail, and one at the end."""
    lines = _LINE_END.sub("\r\n", text)
    return (lines + "\r\n").encode("utf-8", "replace") if lines else b""


def _base64(octets: bytes) -> bytes:
    starts = range(0, len(octets), _BASE64_LINE_BYTES)
    return b"".join(
        binascii.b2a_base64(octets[at : at + _BASE64_LINE_BYTES], newline=False) + b"\r\n"
        for at in starts
    )
