"""Flags as clients name them, and as messages keep them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from mailboxes.models import Flag

_NAMES = {
    Flag.ANSWERED: "\\Answered",
    Flag.FLAGGED: "\\Flagged",
    Flag.DELETED: "\\Deleted",
    Flag.SEEN: "\\Seen",
    Flag.DRAFT: "\\Draft",
}
_BITS = {name: bit for bit, name in _NAMES.items()}


@lru_cache(maxsize=1024)
def split(flags: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """The bits of system flags, and the keywords.

    A name with a backslash that no RFC knows is dropped: clients offer what they found elsewhere.
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


@lru_cache(maxsize=10_000)
def text(bits: int, keywords: str, is_recent: bool = False) -> bytes:
    """`FLAGS (\\Seen $Junk)`."""
    names = [name for flag, name in _NAMES.items() if bits & flag]
    names += keywords.split()
    if is_recent:
        names.append("\\Recent")
    return b"FLAGS (" + " ".join(names).encode("ascii", "replace") + b")"


# By the bits of a message without keywords.
PLAIN_TEXTS = tuple(text(bits, "") for bits in range(32))


def all_flags(keywords: Iterable[str]) -> list[str]:
    """System flags and these keywords; each of `keywords` may hold several."""
    words = sorted({word for several in set(keywords) for word in several.split()})
    return [*_BITS, *words]
