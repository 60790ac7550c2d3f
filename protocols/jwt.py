"""Signed tokens: read, and proven by the keys of whoever issued them (RFC 7515, 7517, 7519).

Only signatures by a private key count: an algorithm that a token chooses must not turn a public
key into a shared secret (RFC 8725 §3.1).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

LONGEST_TOKEN = 64 * 1024
SMALLEST_RSA_BITS = 2048
LARGEST_RSA_BITS = 8192
P256_BYTES = 32
ALGORITHMS = ("RS256", "PS256", "ES256")

Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


class TokenRefused(Exception):
    """The token is not what it has to be; `reason` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says, before anything of it is proven."""

    algorithm: str
    key_id: str  # empty: it names none
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def parse(text: str) -> Token:
    """Read the compact form. Raises TokenRefused."""
    if len(text) > LONGEST_TOKEN or not text.isascii():
        raise TokenRefused("too long, or not ASCII")
    parts = text.split(".")
    if len(parts) != 3:
        raise TokenRefused("not three parts")
    head, claims = _object(_decode(parts[0])), _object(_decode(parts[1]))
    if "crit" in head:
        raise TokenRefused("demands what is not understood")  # RFC 7515 §4.1.11
    algorithm, key_id = head.get("alg"), head.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(key_id, str):
        raise TokenRefused("its header is malformed")
    signed = f"{parts[0]}.{parts[1]}".encode()
    return Token(algorithm, key_id, claims, signed, _decode(parts[2]))


def keys_for(token: Token, key_set: object) -> list[Key]:
    """Those of a key set that may have signed the token: by its name where it has one."""
    rows = key_set.get("keys") if isinstance(key_set, dict) else None
    found = []
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict) or row.get("use", "sig") != "sig":
            continue
        if token.key_id and row.get("kid", token.key_id) != token.key_id:
            continue
        if row.get("alg", token.algorithm) != token.algorithm:
            continue
        key = _key(row)
        if key is not None:
            found.append(key)
    return found


def prove(token: Token, keys: Iterable[Key]) -> Mapping[str, Any]:
    """The claims, if one of the keys has signed them. Raises TokenRefused."""
    if token.algorithm not in ALGORITHMS:
        raise TokenRefused(f"signed by {token.algorithm[:20]}")
    if not any(_has_signed(key, token) for key in keys):
        raise TokenRefused("no known key has signed it")
    return token.claims


def _has_signed(key: Key, token: Token) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            if token.algorithm == "RS256":
                key.verify(token.signature, token.signed, padding.PKCS1v15(), SHA256())
            elif token.algorithm == "PS256":
                salted = padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size)
                key.verify(token.signature, token.signed, salted, SHA256())
            else:
                return False
            return True
        if token.algorithm != "ES256" or len(token.signature) != 2 * P256_BYTES:
            return False
        r, s = token.signature[:P256_BYTES], token.signature[P256_BYTES:]
        pair = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        key.verify(pair, token.signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _key(row: Mapping[str, Any]) -> Key | None:
    """None for kinds that are not used here, and for malformed ones."""
    try:
        if row.get("kty") == "RSA":
            modulus, exponent = _number(row.get("n")), _number(row.get("e"))
            if not SMALLEST_RSA_BITS <= modulus.bit_length() <= LARGEST_RSA_BITS:
                return None
            return rsa.RSAPublicNumbers(exponent, modulus).public_key()
        if row.get("kty") == "EC" and row.get("crv") == "P-256":
            point = _number(row.get("x")), _number(row.get("y"))
            return ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
    except (ValueError, TokenRefused):
        pass
    return None


def _number(text: object) -> int:
    if not isinstance(text, str) or len(text) > LONGEST_TOKEN:
        raise TokenRefused("a number is malformed")
    return int.from_bytes(_decode(text), "big")


def _object(octets: bytes) -> dict[str, Any]:
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError):
        raise TokenRefused("a part is not JSON") from None
    if not isinstance(found, dict):
        raise TokenRefused("a part is not an object")
    return found


def _decode(text: str) -> bytes:
    """Without padding, and nothing but the alphabet. RFC 7515 §2."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise TokenRefused("a part is not base64url") from None
