"""HMAC-MD5 from a stored state, so that CRAM-MD5 needs no stored password. RFC 2104 §4, RFC 1321.

hashlib cannot continue from a state, hence the block function of MD5 in Python: a check takes
about five blocks, far below a millisecond.
"""

from __future__ import annotations

import hashlib
import math
import struct

STATE_BYTES = 32  # the inner state and the outer one, 16 bytes each

_BLOCK_BYTES = 64
_INITIAL = struct.pack("<4I", 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
_MASK = 0xFFFFFFFF
_SHIFTS = (7, 12, 17, 22) * 4 + (5, 9, 14, 20) * 4 + (4, 11, 16, 23) * 4 + (6, 10, 15, 21) * 4
_SINES = tuple(int(abs(math.sin(i + 1)) * 2**32) & _MASK for i in range(64))
_WORDS = (
    tuple(range(16))
    + tuple((5 * i + 1) % 16 for i in range(16))
    + tuple((3 * i + 5) % 16 for i in range(16))
    + tuple((7 * i) % 16 for i in range(16))
)
_ROUNDS = tuple(zip(_SHIFTS, _SINES, _WORDS, strict=True))


def derive_state(key: bytes) -> bytes:
    """The inner and outer MD5 states of `key`: with them digests can be made, `key` not read."""
    if len(key) > _BLOCK_BYTES:
        key = hashlib.md5(key, usedforsecurity=False).digest()
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner = bytes(byte ^ 0x36 for byte in block)
    outer = bytes(byte ^ 0x5C for byte in block)
    return _compress(_INITIAL, inner) + _compress(_INITIAL, outer)


def digest(state: bytes, message: bytes) -> bytes:
    """HMAC-MD5 of `message` under the key whose state this is (STATE_BYTES long)."""
    return _finish(state[16:], _finish(state[:16], message))


def _finish(state: bytes, message: bytes) -> bytes:
    """Digest what follows the one block that `state` has already taken in."""
    bits = (_BLOCK_BYTES + len(message)) * 8
    padding = b"\x80" + b"\0" * (-(len(message) + 9) % _BLOCK_BYTES)
    padded = message + padding + struct.pack("<Q", bits & 0xFFFFFFFFFFFFFFFF)
    for start in range(0, len(padded), _BLOCK_BYTES):
        state = _compress(state, padded[start : start + _BLOCK_BYTES])
    return state


def _compress(state: bytes, block: bytes) -> bytes:
    """RFC 1321 §3.4."""
    words = struct.unpack("<16I", block)
    a, b, c, d = first = struct.unpack("<4I", state)
    for index, (shift, sine, word) in enumerate(_ROUNDS):
        if index < 16:
            mixed = (b & c) | (~b & d)
        elif index < 32:
            mixed = (d & b) | (~d & c)
        elif index < 48:
            mixed = b ^ c ^ d
        else:
            mixed = c ^ (b | (~d & _MASK))
        total = (a + mixed + sine + words[word]) & _MASK
        rotated = ((total << shift) | (total >> (32 - shift))) & _MASK
        a, b, c, d = d, (b + rotated) & _MASK, b, c
    return struct.pack("<4I", *((x + y) & _MASK for x, y in zip(first, (a, b, c, d), strict=True)))
