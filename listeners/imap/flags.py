"""Flags as clients name them, and as messages keep them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from listeners.imap.folder import SYSTEM_FLAGS

_BITS = {name: int(bit) for bit, name in SYSTEM_FLAGS}
ALL_SYSTEM_FLAGS = tuple(_BITS)


@lru_cache(maxsize=1024)
def split(flags: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """The bits of system flags, and the keywords.

    Flags with a backslash that no RFC knows are dropped: a client may offer what it found elsewhere.
    """
    bits = 0
    keywords = []
    for flag in flags:
        if flag in _BITS:
            bits |= _BITS[flag]
        elif not flag.startswith("\\"):
            keywords.append(flag)
    return bits, tuple(keywords)


def bit(flag: str) -> int | None:
    """The bit of a system flag; None for a keyword."""
    return _BITS.get(flag)


def with_keywords(keywords: Iterable[str]) -> list[str]:
    return [*ALL_SYSTEM_FLAGS, *keywords]
