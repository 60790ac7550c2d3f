"""BODYSTRUCTURE and BODY: the parts of a message as IMAP describes them. RFC 3501 §7.4.2."""

from __future__ import annotations

import re

from protocols.message.envelope import envelope, string
from protocols.message.headers import unfold
from protocols.message.mime import Part
from protocols.message.parameters import VALUE_BYTES, Parameters, disposition

_LANGUAGE = re.compile(rb"[A-Za-z0-9-]{1,64}")


def structures(part: Part) -> tuple[bytes, bytes]:
    """(BODYSTRUCTURE, BODY): with and without MD5, disposition, language and location."""
    if part.is_multipart:
        return _multipart(part)
    basic = _basic_fields(part)
    extension = _extension_fields(part)
    if not part.is_message:
        return b"(%b %b)" % (basic, extension), b"(%b)" % basic
    inside = part.children[0]
    its_envelope = envelope(inside.fields)
    extended, plain = structures(inside)
    return (
        b"(%b %b %b %d %b)" % (basic, its_envelope, extended, part.lines, extension),
        b"(%b %b %b %d)" % (basic, its_envelope, plain, part.lines),
    )


def _multipart(part: Part) -> tuple[bytes, bytes]:
    pairs = [structures(child) for child in part.children]
    subtype = string(part.content.subtype)
    get = part.fields.get
    extended = b"(%b %b %b %b %b %b)" % (
        b"".join([extended for extended, _ in pairs]),
        subtype,
        _parameters(part.content.parameters),
        _disposition(get(b"content-disposition")),
        _language(get(b"content-language")),
        _short(get(b"content-location")),
    )
    return extended, b"(%b %b)" % (b"".join([plain for _, plain in pairs]), subtype)


def _basic_fields(part: Part) -> bytes:
    content, get = part.content, part.fields.get
    encoding = get(b"content-transfer-encoding")
    basic = b"%b %b %b %b %b %b %d" % (
        string(content.type),
        string(content.subtype),
        _parameters(content.parameters),
        _short(get(b"content-id")),
        _short(get(b"content-description")),
        b'"7bit"' if encoding is None else string(unfold(encoding[:100]).lower() or b"7bit"),
        part.end - part.body_start,
    )
    return b"%b %d" % (basic, part.lines) if content.type == b"text" else basic


def _extension_fields(part: Part) -> bytes:
    get = part.fields.get
    return b"%b %b %b %b" % (
        _short(get(b"content-md5")),
        _disposition(get(b"content-disposition")),
        _language(get(b"content-language")),
        _short(get(b"content-location")),
    )


def _short(value: bytes | None) -> bytes:
    return b"NIL" if value is None else string(unfold(value[:VALUE_BYTES]))


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(" + b" ".join([string(name) + b" " + string(v) for name, v in parameters]) + b")"


def _disposition(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    read = disposition(value)
    if read is None:
        return b"NIL"
    return b"(%b %b)" % (string(read[0]), _parameters(read[1]))


def _language(value: bytes | None) -> bytes:
    if value is None:
        return b"NIL"
    tags = _LANGUAGE.findall(value[:VALUE_BYTES])
    if not tags:
        return b"NIL"
    return b"(" + b" ".join([string(tag) for tag in tags]) + b")"
