"""Subscribers named in return paths and links: by their id, and by what only this server can add.

Ids follow one another, so that without it a stranger could name whom he likes.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from accounts import secrets
from blobs.errors import BadId
from blobs.ids import decode_id, encode_id
from mailinglists.addresses import Part

RETURN_PURPOSE = "return paths of mailing lists"
LINK_PURPOSE = "links of mailing lists"
TOKEN_PURPOSE = "tokens of mailing lists"  # noqa: S105 - the name of a use

_ID_CHARACTERS = 13
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Each guess at the first is a message to be sent; the second is tried by the web.
_RETURN_CHARACTERS = 6
_LINK_CHARACTERS = 20


def return_path(name: str, domain_name: str, subscriber_id: int) -> str:
    """The envelope sender of the copy for a subscriber (VERP)."""
    signed = _sign(secrets.derive(RETURN_PURPOSE), subscriber_id, _RETURN_CHARACTERS)
    return f"{name}{Part.BOUNCES}+{signed}@{domain_name}"


def returned_to(local_part: str) -> int | None:
    """The subscriber whom the local part of a return path names; None: nobody."""
    return _read(
        secrets.derivations(RETURN_PURPOSE), local_part.rpartition("+")[2], _RETURN_CHARACTERS
    )


def link_word(subscriber_id: int) -> str:
    """What a link to unsubscribe says; it lasts as long as the subscription (RFC 8058)."""
    return _sign(secrets.derive(LINK_PURPOSE), subscriber_id, _LINK_CHARACTERS)


def linked(word: str) -> int | None:
    """The subscriber of such a link; None: it was not made by this server."""
    return _read(secrets.derivations(LINK_PURPOSE), word, _LINK_CHARACTERS)


def token_text(token_id: int) -> str:
    """The word of a `models.Token`, as it is mailed."""
    return _sign(secrets.derive(TOKEN_PURPOSE), token_id, _LINK_CHARACTERS)


def token_of(word: str) -> int | None:
    """The key of the token; None: the word was not made by this server."""
    return _read(secrets.derivations(TOKEN_PURPOSE), word, _LINK_CHARACTERS)


def _sign(key: bytes, number: int, characters: int) -> str:
    return encode_id(number) + _mac(key, number, characters)


def _read(keys: Iterable[bytes], word: str, characters: int) -> int | None:
    word = word.lower()  # local parts may lose their case on the way
    if len(word) != _ID_CHARACTERS + characters or not word.isascii():
        return None
    try:
        number = decode_id(word[:_ID_CHARACTERS])
    except BadId:
        return None
    for key in keys:  # it may have left before the server key changed
        if hmac.compare_digest(word[_ID_CHARACTERS:], _mac(key, number, characters)):
            return number
    return None


def _mac(key: bytes, number: int, characters: int) -> str:
    digest = hmac.digest(key, number.to_bytes(8, "big"), "sha256")
    return "".join(_ALPHABET[byte & 31] for byte in digest[:characters])
