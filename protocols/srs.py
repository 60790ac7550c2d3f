"""The sender rewriting scheme: bounces of forwarded mail find their way back, and SPF passes.

https://www.libsrs2.org/srs/srs.pdf; RFC 5321 §3.9 lets whoever forwards set the reverse-path.
"""

from __future__ import annotations

import base64
import hmac
import re
from hashlib import sha256

from protocols.address import MAX_LOCAL_PART_BYTES, Address

HASH_LENGTH = 8  # of base32: 40 bits
VALID_DAYS = 14  # longer than anybody tries to deliver
_DAYS = 1024  # two characters of base32
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
# The separator behind the tag may have been any of three.
_FIRST = re.compile(
    rf"SRS0[=+-]([a-z2-7]{{{HASH_LENGTH}}})=([a-z2-7]{{2}})=([^=]+)=(.+)", re.IGNORECASE | re.ASCII
)
_FURTHER = re.compile(
    rf"SRS1[=+-]([a-z2-7]{{{HASH_LENGTH}}})=([^=]+)=([=+-].+)", re.IGNORECASE | re.ASCII
)
_FOREIGN_FURTHER = re.compile(r"SRS1[=+-][^=]+=([^=]+)=([=+-].+)", re.IGNORECASE | re.ASCII)


class NotRewritten(Exception):
    """The local part is none that was made here with this secret, or it is too old."""


def rewrite(sender: Address, forwarder: str, *, secret: bytes, day: int) -> Address:
    """The sender under which `forwarder` (a domain) sends on; `day` counts from 1970.

    A sender that becomes too long stays as it is.
    """
    local_part = sender.local_part
    foreign = _FOREIGN_FURTHER.fullmatch(local_part)
    if foreign is not None:
        made = _further(foreign[1], foreign[2], secret)
    elif re.match(r"SRS0[=+-]", local_part, re.IGNORECASE):
        made = _further(sender.domain, local_part[4:], secret)
    else:
        stamp = _stamp(day)
        mark = _hash(secret, stamp, sender.domain, local_part)
        made = f"SRS0={mark}={stamp}={sender.domain}={local_part}"
    if len(made.encode()) > MAX_LOCAL_PART_BYTES:
        return sender
    return Address(made, forwarder)


def restore(local_part: str, *, secret: bytes, day: int) -> Address:
    """Whom a report to such a local part is for. Raises NotRewritten."""
    first = _FIRST.fullmatch(local_part)
    if first is not None:
        mark, stamp, domain, original = first.groups()
        _require(mark, _hash(secret, stamp, domain, original))
        if (day - _day_of(stamp)) % _DAYS > VALID_DAYS:
            raise NotRewritten("too old")
        return Address(original, domain.lower())
    further = _FURTHER.fullmatch(local_part)
    if further is not None:
        mark, domain, rest = further.groups()
        _require(mark, _hash(secret, domain, rest))
        return Address(f"SRS0{rest}", domain.lower())
    raise NotRewritten("another form")


def _further(first_forwarder: str, rest: str, secret: bytes) -> str:
    """Mail that was forwarded before: reports go straight to the first who did."""
    return f"SRS1={_hash(secret, first_forwarder, rest)}={first_forwarder}={rest}"


def _hash(secret: bytes, *parts: str) -> str:
    """Servers on the way may change upper and lower case."""
    digest = hmac.new(secret, "\0".join(parts).lower().encode(), sha256).digest()
    return base64.b32encode(digest[:5]).decode().lower()


def _require(given: str, wanted: str) -> None:
    if not hmac.compare_digest(given.lower(), wanted):
        raise NotRewritten("another secret")


def _stamp(day: int) -> str:
    return _ALPHABET[day % _DAYS // 32] + _ALPHABET[day % 32]


def _day_of(stamp: str) -> int:
    high, low = tuple(stamp.lower())
    return _ALPHABET.index(high) * 32 + _ALPHABET.index(low)
