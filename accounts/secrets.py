"""Secrets at rest: encrypted with keys that derive from the server key (X-034).

The server key lies outside the database, so a stolen database alone opens nothing. What is
encrypted names its key, so that values may be moved to a new one while the server runs.
"""

from __future__ import annotations

import secrets
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

_UNNAMED = b"\x01"  # nonce and body: as values were made before they named their key
_NAMED = b"\x03"  # the name of the key, nonce and body
_NAME_BYTES = 4
_NONCE_BYTES = 12


class Undecipherable(Exception):
    """The bytes were not encrypted for this purpose with a key of this server."""


if TYPE_CHECKING:
    _Bytes = models.BinaryField[Any, Any]
else:
    _Bytes = models.BinaryField


class SealedField(_Bytes):
    """A column that `encrypt` has written, for that purpose; empty: there is nothing.

    A new server key finds what it has to encrypt anew by the class of the column. Migrations know
    nothing of it: to the database it holds bytes like any other.
    """

    def __init__(self, *args: Any, purpose: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.purpose = purpose

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs


def encrypt(purpose: str, secret: bytes) -> bytes:
    """`purpose` binds the result to one use: "cram-md5 state" opens no "gateway password"."""
    key = _present()
    nonce = secrets.token_bytes(_NONCE_BYTES)
    body = _cipher(purpose, key).encrypt(nonce, secret, purpose.encode())
    return _NAMED + _name(key) + nonce + body


def decrypt(purpose: str, sealed: bytes) -> bytes:
    """Raises Undecipherable. Keys in SECRET_KEY_FALLBACKS still open what they sealed."""
    sealed = bytes(sealed)
    secret = _open(purpose, sealed)
    if secret is None:
        # Another process may have got a new key since this one has looked.
        settings.MAILHOST_SERVER_KEYS.follow()
        secret = _open(purpose, sealed)
    if secret is None:
        raise Undecipherable(purpose)
    return secret


def is_present(sealed: bytes) -> bool:
    """Whether the present key has encrypted it."""
    return bytes(sealed[: 1 + _NAME_BYTES]) == _NAMED + _name(_present())


def derive(purpose: str) -> bytes:
    """32 bytes that last as long as the server key, for one purpose."""
    return _derive(purpose, _present())


def derivations(purpose: str) -> tuple[bytes, ...]:
    """The same by every key there is, and what was kept of those that are gone; youngest first.

    For asking whether somebody has something of this server: perhaps it is older than the key.
    """
    settings.MAILHOST_SERVER_KEYS.follow()
    file = settings.MAILHOST_SERVER_KEYS.file
    keys = dict.fromkeys(key for key in (*file.by_age, *_keys()) if key in _keys())
    kept = (one.octets for one in file.kept if one.purpose == purpose)
    return (*(_derive(purpose, key) for key in keys), *kept)


def derived_by(purpose: str, key: str) -> bytes:
    """What `derive` gave while that was the server key."""
    return _derive(purpose, key)


def _present() -> str:
    # A value that is written with a key that is about to go would be lost.
    settings.MAILHOST_SERVER_KEYS.follow()
    return settings.SECRET_KEY


def _keys() -> tuple[str, ...]:
    return (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)


def _open(purpose: str, sealed: bytes) -> bytes | None:
    """None: no key fits."""
    keys, start = _keys(), 1
    if sealed[:1] == _NAMED:
        start += _NAME_BYTES
        keys = tuple(key for key in keys if _name(key) == sealed[1:start])
    elif sealed[:1] != _UNNAMED:
        return None
    nonce, body = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
    for key in keys:
        try:
            return _cipher(purpose, key).decrypt(nonce, body, purpose.encode())
        except (InvalidTag, ValueError):
            continue
    return None


@lru_cache(maxsize=16)
def _name(key: str) -> bytes:
    """By which a value tells its key; it tells nothing of the key itself."""
    return _hkdf(b"mailhost: name of the key", key)[:_NAME_BYTES]


@lru_cache(maxsize=64)
def _cipher(purpose: str, key: str) -> AESGCM:
    return AESGCM(_derive(purpose, key))


@lru_cache(maxsize=64)
def _derive(purpose: str, key: str) -> bytes:
    return _hkdf(b"mailhost " + purpose.encode(), key)


def _hkdf(info: bytes, key: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.encode())
