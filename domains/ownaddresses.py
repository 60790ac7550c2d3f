"""Whether an address is one of this machine's now: one that is gone binds nobody (D-033)."""

from __future__ import annotations

import errno
import socket
import time

REMEMBERED_SECONDS = 2.0
MOST_REMEMBERED = 10_000

# What the system says of an address that no interface has, or of a family that it does not speak.
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

_known: dict[str, tuple[float, bool]] = {}


def is_here(address: str) -> bool:
    """As it was two seconds ago at most. Does not wait for anything, so the loop may ask."""
    now = time.monotonic()
    known = _known.get(address)
    if known is not None and known[0] > now:
        return known[1]
    found = can_bind(address)
    if len(_known) >= MOST_REMEMBERED:
        _known.clear()
    _known[address] = (now + REMEMBERED_SECONDS, found)
    return found


def forget() -> None:
    """Ask the system at the next question."""
    _known.clear()


def can_bind(address: str) -> bool:
    """What counts in the end: whether a listener could open a port there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
            probe.bind((address, 0))
    except OSError as error:
        # Any other trouble, such as too many open files, says nothing about the address.
        return error.errno not in _NOT_HERE
    return True
