"""One-time codes that a program on a telephone shows (RFC 6238, on RFC 4226)."""

from __future__ import annotations

import base64
import hmac
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
SECRET_BYTES = 20  # RFC 4226 §4 R6 recommends 160 bits
# Steps before and after the present one whose codes pass, for clocks that differ (RFC 6238 §5.2).
TOLERANCE = 1


def code(secret: bytes, step: int, *, digits: int = DIGITS, digest: str = "sha1") -> str:
    """RFC 4226 §5.3."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), digest)
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_at(unix_seconds: int) -> int:
    return unix_seconds // STEP_SECONDS


def matching_step(
    secret: bytes, given: str, *, unix_seconds: int, used_step: int = -1
) -> int | None:
    """The step whose code it is; None: of none that may be used.

    `used_step`: the last one that was used; a code passes once only (RFC 6238 §5.2).
    """
    digits = "".join(given.split())
    now = step_at(unix_seconds)
    found = None
    for step in range(max(now - TOLERANCE, 0), now + TOLERANCE + 1):
        is_right = hmac.compare_digest(
            code(secret, step).encode(), digits.encode("utf-8", "replace")
        )
        if is_right and step > used_step:
            found = step
    return found


def spelled(secret: bytes) -> str:
    """As people type it where no picture can be read: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def address(secret: bytes, *, issuer: str, account: str) -> str:
    """What the picture holds: the `otpauth:` address that every authenticator understands."""
    label = quote(f"{issuer}:{account}", safe=":@")
    facts = {"secret": spelled(secret), "issuer": issuer, "digits": DIGITS, "period": STEP_SECONDS}
    return f"otpauth://totp/{label}?{urlencode(facts, quote_via=quote)}"
