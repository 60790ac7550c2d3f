"""Secrets in a backup of one domain: closed by the server's key, a passphrase, or nothing."""

from __future__ import annotations

import enum
import os

import msgspec
from argon2 import low_level
from argon2.exceptions import HashingError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from accounts import secrets
from accounts.secrets import Undecipherable
from mailhost.backup.contents import BackupError

PURPOSE = "backup of a domain"
SHORTEST_PASSPHRASE = 10
_SALT_BYTES, _NONCE_BYTES = 16, 12
# RFC 9106 §4, the second recommended choice: it may take a while, as nobody logs in by it.
_PASSES, _MEMORY_KB, _LANES = 3, 64 * 1024, 4


class Lock(enum.StrEnum):
    """What opens them."""

    SERVER_KEY = "server key"
    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a way, not a password
    NOTHING = "nothing"


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """`octets` are encrypted, but for Lock.NOTHING; JSON has them in base64."""

    lock: Lock
    octets: bytes


class Closed(Exception):
    """They cannot be opened with what is there."""


def close(octets: bytes, lock: Lock, passphrase: str = "") -> Locked:
    """Raises BackupError for a passphrase that is too short."""
    if lock == Lock.SERVER_KEY:
        return Locked(lock=lock, octets=secrets.encrypt(PURPOSE, octets))
    if lock == Lock.PASSPHRASE:
        require_long(passphrase)
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        cipher = AESGCM(_key(passphrase, salt))
        return Locked(
            lock=lock, octets=salt + nonce + cipher.encrypt(nonce, octets, PURPOSE.encode())
        )
    return Locked(lock=lock, octets=octets)


def open_(locked: Locked, passphrase: str = "") -> bytes:
    """Raises Closed, with the reason."""
    octets = locked.octets
    if locked.lock == Lock.NOTHING:
        return octets
    if locked.lock == Lock.SERVER_KEY:
        try:
            return secrets.decrypt(PURPOSE, octets)
        except Undecipherable:
            raise Closed("they are encrypted with another server key") from None
    if not passphrase:
        raise Closed("they are encrypted with a passphrase, and none is given")
    salt, sealed = octets[:_SALT_BYTES], octets[_SALT_BYTES:]
    nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, body, PURPOSE.encode())
    except (InvalidTag, ValueError, HashingError):
        raise Closed("the passphrase is not theirs") from None


def require_long(passphrase: str) -> None:
    """Raises BackupError."""
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise BackupError(f"a passphrase has at least {SHORTEST_PASSPHRASE} characters")


def _key(passphrase: str, salt: bytes) -> bytes:
    return low_level.hash_secret_raw(
        passphrase.encode("utf-8", "surrogatepass"),
        salt,
        time_cost=_PASSES,
        memory_cost=_MEMORY_KB,
        parallelism=_LANES,
        hash_len=32,
        type=low_level.Type.ID,
    )
