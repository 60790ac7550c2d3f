"""ENVELOPE: the fields of a header block as IMAP sends them, and read back. RFC 3501 §7.4.2."""

from __future__ import annotations

import re
from dataclasses import dataclass

from protocols.message import addresses
from protocols.message.addresses import ListedAddress
from protocols.message.headers import unfold

TEXT_BYTES = 64 * 1024  # a longer Subject, Date or Message-ID is cut

_NOT_QUOTABLE = re.compile(rb"[\x00\r\n\x80-\xff]")
_TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*+)"|\{(\d+)\}\r\n|(NIL)|([()])', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)


def string(value: bytes) -> bytes:
    """An IMAP string: quoted if it can be, else a literal (without NUL, which none may hold)."""
    if _NOT_QUOTABLE.search(value) is None and len(value) < 4096:
        if b"\\" in value or b'"' in value:
            value = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        return b'"' + value + b'"'
    value = value.replace(b"\0", b"")
    return b"{%d}\r\n%s" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """An IMAP string, or NIL for a field that is not there."""
    return b"NIL" if value is None else string(value)


def envelope(fields: dict[bytes, bytes]) -> bytes:
    """The ENVELOPE of a header block (the first field of each lower-case name, folded)."""
    get = fields.get
    author = _address_list(get(b"from"))
    sender = _address_list(get(b"sender"))
    reply_to = _address_list(get(b"reply-to"))
    # RFC 3501 §7.4.2: an absent or empty Sender or Reply-To is filled in from From.
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        _text(get(b"date")),
        _text(get(b"subject")),
        author,
        author if sender == b"NIL" else sender,
        author if reply_to == b"NIL" else reply_to,
        _address_list(get(b"to")),
        _address_list(get(b"cc")),
        _address_list(get(b"bcc")),
        _text(get(b"in-reply-to")),
        _text(get(b"message-id")),
    )


@dataclass(frozen=True, slots=True)
class Envelope:
    """An ENVELOPE as values, raw: encoded words are left as they are; None is NIL."""

    date: bytes | None
    subject: bytes | None
    author: tuple[ListedAddress, ...]
    sender: tuple[ListedAddress, ...]
    reply_to: tuple[ListedAddress, ...]
    to: tuple[ListedAddress, ...]
    cc: tuple[ListedAddress, ...]
    bcc: tuple[ListedAddress, ...]
    in_reply_to: bytes | None
    message_id: bytes | None


def read(encoded: bytes) -> Envelope:
    """The values of an ENVELOPE that `envelope` has made."""
    fields: list[bytes | tuple[ListedAddress, ...] | None] = []
    listed: list[ListedAddress] = []
    members: list[bytes | None] = []
    depth, position = 0, 0
    while (token := _TOKEN.search(encoded, position)) is not None:
        position = token.end()
        quoted, literal_bytes, nil, bracket = token.groups()
        if bracket == b"(":
            depth += 1
            continue
        if bracket == b")":
            depth -= 1
            if depth == 2:
                listed.append(ListedAddress(*members[:4]))
                members = []
            elif depth == 1:
                fields.append(tuple(listed))
                listed = []
            continue
        value: bytes | None = None
        if literal_bytes is not None:
            value = encoded[position : position + int(literal_bytes)]
            position += int(literal_bytes)
        elif nil is None:
            value = _QUOTED_PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted
        (fields if depth == 1 else members).append(value)
    return _assemble(fields)


def _assemble(fields: list[bytes | tuple[ListedAddress, ...] | None]) -> Envelope:
    texts = [field if isinstance(field, bytes) else None for field in fields]
    lists = [field if isinstance(field, tuple) else () for field in fields]
    author, sender, reply_to, to, cc, bcc = lists[2:8]
    return Envelope(texts[0], texts[1], author, sender, reply_to, to, cc, bcc, texts[8], texts[9])


def _text(value: bytes | None) -> bytes:
    return b"NIL" if value is None else string(unfold(value)[:TEXT_BYTES])


def _address_list(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    listed = addresses.parse(value)
    return b"(" + b"".join([_address(*entry) for entry in listed]) + b")" if listed else b"NIL"


def _address(
    name: bytes | None, route: bytes | None, local_part: bytes | None, domain: bytes | None
) -> bytes:
    if domain is not None:
        # NIL marks the edges of a group, so a missing half needs a text; Dovecot's is known.
        local_part = local_part or b"MISSING_MAILBOX"
        domain = domain or b"MISSING_DOMAIN"
    return b"(%b %b %b %b)" % (
        nstring(name),
        b"NIL" if route is None else string(route),
        nstring(local_part),
        nstring(domain),
    )
