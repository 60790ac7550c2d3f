"""SCRAM-SHA-256: keys and the arithmetic of proofs, the same for both sides. RFC 5802, RFC 7677."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from protocols.saslprep import Prohibited, saslprep

ITERATIONS = 4096  # RFC 7677 §4: at least 4096; every login costs the client that many
SALT_BYTES = 16
MAX_ITERATIONS = 1_000_000  # what a client takes from a server before it suspects an attack


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What a server keeps of a password. RFC 5802 §3."""

    salt: bytes
    iterations: int
    stored_key: bytes
    server_key: bytes


def derive_keys(
    password: str, *, salt: bytes | None = None, iterations: int = ITERATIONS
) -> ScramKeys:
    """Keys from a password; without `salt` with a fresh one. Raises Prohibited (saslprep)."""
    salt = salt if salt is not None else secrets.token_bytes(SALT_BYTES)
    salted = salted_password(password, salt, iterations)
    stored_key = hashlib.sha256(client_key(salted)).digest()
    return ScramKeys(salt, iterations, stored_key, server_key(salted))


def fake_keys(login: str, *, secret: bytes, iterations: int = ITERATIONS) -> ScramKeys:
    """Keys for a user who does not exist: the salt stays the same, no proof will ever fit.

    `secret` is the server's own and lasting, so that a stranger cannot compute the salt.
    """
    salt = hmac.digest(secret, b"salt:" + login.encode("utf-8", "replace"), "sha256")
    return ScramKeys(
        salt[:SALT_BYTES], iterations, secrets.token_bytes(32), secrets.token_bytes(32)
    )


def salted_password(password: str, salt: bytes, iterations: int) -> bytes:
    """Raises Prohibited if the password cannot be prepared."""
    try:
        prepared = saslprep(password).encode()
    except UnicodeEncodeError as error:
        raise Prohibited("the password is not UTF-8") from error
    return hashlib.pbkdf2_hmac("sha256", prepared, salt, iterations)


def client_key(salted: bytes) -> bytes:
    return hmac.digest(salted, b"Client Key", "sha256")


def server_key(salted: bytes) -> bytes:
    return hmac.digest(salted, b"Server Key", "sha256")


def make_proof(salted: bytes, auth_message: bytes) -> bytes:
    """ClientProof, which shows that the client knows the password."""
    key = client_key(salted)
    return _xor(key, _sign(hashlib.sha256(key).digest(), auth_message))


def proof_fits(keys: ScramKeys, auth_message: bytes, proof: bytes) -> bool:
    """Whether ClientProof was made with the password of these keys."""
    if len(proof) != 32:
        return False
    key = _xor(proof, _sign(keys.stored_key, auth_message))
    return hmac.compare_digest(hashlib.sha256(key).digest(), keys.stored_key)


def server_signature(key: bytes, auth_message: bytes) -> bytes:
    """ServerSignature, which shows that the server knows the keys."""
    return _sign(key, auth_message)


def _sign(key: bytes, auth_message: bytes) -> bytes:
    return hmac.digest(key, auth_message, "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
