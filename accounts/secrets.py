"""Secrets at rest: encrypted with keys that derive from the server key (X-034).

The server key lies outside the database, so a stolen database alone opens nothing.
"""

from __future__ import annotations

import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_VERSION = b"\x01"
_NONCE_BYTES = 12


class Undecipherable(Exception):
    """The bytes were not encrypted for this purpose with a key of this server."""


def encrypt(purpose: str, secret: bytes) -> bytes:
    """`purpose` binds the result to one use: "cram-md5 state" opens no "gateway password"."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = _cipher(purpose, settings.SECRET_KEY)
    return _VERSION + nonce + cipher.encrypt(nonce, secret, purpose.encode())


def decrypt(purpose: str, sealed: bytes) -> bytes:
    """Raises Undecipherable. Keys in SECRET_KEY_FALLBACKS still open what they sealed."""
    sealed = bytes(sealed)
    if sealed[:1] != _VERSION:
        raise Undecipherable(purpose)
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _cipher(purpose, key).decrypt(nonce, body, purpose.encode())
        except (InvalidTag, ValueError):
            continue
    raise Undecipherable(purpose)


def derive(purpose: str) -> bytes:
    """32 bytes that last as long as the server key, for one purpose."""
    return _derive(purpose, settings.SECRET_KEY)


@lru_cache(maxsize=64)
def _cipher(purpose: str, key: str) -> AESGCM:
    return AESGCM(_derive(purpose, key))


def _derive(purpose: str, key: str) -> bytes:
    info = b"mailhost " + purpose.encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.encode())
