"""SCRAM keys as text, in the form of RFC 5803 §2 that other servers write, too."""

from __future__ import annotations

import base64
import binascii
import re

from protocols.scram import MAX_ITERATIONS, ScramKeys

_FORM = re.compile(
    r"SCRAM-SHA-256\$(?P<iterations>[0-9]{1,7}):(?P<salt>[A-Za-z0-9+/=]+)"
    r"\$(?P<stored>[A-Za-z0-9+/=]+):(?P<server>[A-Za-z0-9+/=]+)"
)


def write_scram(keys: ScramKeys) -> str:
    salt, stored, server = (
        base64.b64encode(part).decode() for part in (keys.salt, keys.stored_key, keys.server_key)
    )
    return f"SCRAM-SHA-256${keys.iterations}:{salt}${stored}:{server}"


def read_scram(text: str) -> ScramKeys:
    """Raises ValueError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("must have the form SCRAM-SHA-256$4096:salt$StoredKey:ServerKey")
    try:
        salt, stored, server = (
            base64.b64decode(match[name], validate=True) for name in ("salt", "stored", "server")
        )
    except binascii.Error:
        raise ValueError("has a part that is not base64") from None
    iterations = int(match["iterations"])
    if len(stored) != 32 or len(server) != 32 or len(salt) > 32:
        raise ValueError("has a part of the wrong length")
    if not 1000 <= iterations <= MAX_ITERATIONS:
        raise ValueError("has a strange number of iterations")
    return ScramKeys(salt, iterations, stored, server)
