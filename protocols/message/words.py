"""Encoded words: text beyond ASCII in a header field. RFC 2047."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from functools import lru_cache

_WORD = re.compile(rb"=\?([^?\s*]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?\r\n]*)\?=")
_BETWEEN_WORDS = re.compile(rb"(\?=)[ \t\r\n]+(?==\?)")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
# Codecs that are no charset of a mail: slow, stateful or able to raise what they like.
_NO_CHARSETS = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}
_PLAIN_IN_Q = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/")


def decode(value: bytes) -> str:
    """The text of an unstructured value or a phrase; what cannot be decoded is replaced."""
    if b"\n" in value:
        value = _FOLD.sub(b"", value)
    if b"=?" not in value:
        return decode_raw(value)
    value = _BETWEEN_WORDS.sub(rb"\1", value)
    text: list[str] = []
    # A character split over two words of one charset is broken by law and common in life:
    # the octets of neighbours are joined before they are decoded.
    octets, charset = b"", ""
    position = 0
    for word in _WORD.finditer(value):
        here = word[1].decode("latin-1").lower()
        if word.start() > position or here != charset:
            text += (decode_charset(octets, charset), decode_raw(value[position : word.start()]))
            octets, charset = b"", here
        octets += _decode_octets(word[2], word[3])
        position = word.end()
    text += (decode_charset(octets, charset), decode_raw(value[position:]))
    return "".join(text)


def decode_raw(value: bytes) -> str:
    """Octets that claim no charset: UTF-8 as RFC 6532 has it, else Latin-1."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def decode_charset(octets: bytes, charset: str) -> str:
    """Text in a named charset; an unknown one is read like none."""
    codec = _codec(charset)
    if codec is None:
        return decode_raw(octets)
    try:
        return octets.decode(codec, "replace")
    except (UnicodeError, ValueError):  # a few stateful codecs raise in spite of "replace"
        return decode_raw(octets)


def encode(text: str, *, utf8: bool = False) -> bytes:
    """`text` for a header field: as it is if ASCII (or `utf8`), else as encoded words.

    Words are separated by one blank, which decoding removes again.
    """
    if utf8:
        return text.encode("utf-8", "replace")
    if text.isascii() and "=?" not in text:
        return text.encode("ascii")
    octets = text.encode("utf-8", "replace")
    in_q = sum(1 if byte in _PLAIN_IN_Q or byte == 0x20 else 3 for byte in octets)
    if in_q <= (len(octets) + 2) // 3 * 4:
        return _pack(text, b"=?utf-8?q?", _q, 63)
    return _pack(text, b"=?utf-8?b?", _b, 45)


def _q(octets: bytes) -> bytes:
    return b"".join(
        b"_" if byte == 0x20 else bytes((byte,)) if byte in _PLAIN_IN_Q else b"=%02X" % byte
        for byte in octets
    )


def _b(octets: bytes) -> bytes:
    return binascii.b2a_base64(octets, newline=False)


def _pack(text: str, head: bytes, encode_octets: Callable[[bytes], bytes], most: int) -> bytes:
    """Words of at most `most` octets of text each, cut between characters. RFC 2047 §5."""
    is_q = encode_octets is _q
    packed = []
    taken, start = 0, 0
    for index, character in enumerate(text):
        octets = character.encode("utf-8", "replace")
        size = len(_q(octets)) if is_q else len(octets)
        if taken + size > most:
            packed.append(text[start:index])
            taken, start = 0, index
        taken += size
    packed.append(text[start:])
    return b" ".join(
        head + encode_octets(part.encode("utf-8", "replace")) + b"?=" for part in packed
    )


@lru_cache(maxsize=256)
def _codec(charset: str) -> str | None:
    name = charset.strip().strip('"').lower()
    if not name or name.replace("-", "_") in _NO_CHARSETS:
        return None
    try:
        b"x".decode(name, "replace")
    except (LookupError, UnicodeError, ValueError):
        return None
    return name


def _decode_octets(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    return decode_base64(text)


def decode_base64(text: bytes) -> bytes:
    """Octets of base64 text; junk is skipped and a broken end is dropped."""
    try:
        return binascii.a2b_base64(text + b"===")
    except binascii.Error:
        pass
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    return binascii.a2b_base64(letters + b"=" * (-len(letters) % 4))
