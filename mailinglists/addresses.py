"""The addresses of a list: its own, and those by which it is spoken to (L-002). Pure."""

from __future__ import annotations

from enum import StrEnum

# Return paths of subscribers stay within the 64 octets of RFC 5321 §4.5.3.1.1.
LONGEST_NAME_BYTES = 36


class Part(StrEnum):
    """What stands behind the name of the list; empty: its own address. RFC 2142 §6."""

    POSTS = ""
    REQUEST = "-request"
    SUBSCRIBE = "-subscribe"
    UNSUBSCRIBE = "-unsubscribe"
    OWNER = "-owner"
    BOUNCES = "-bounces"


def local_parts(name: str) -> list[str]:
    """All that a list of that name takes in its domain."""
    return [name + part for part in Part]


def part_of(name: str, local_part: str) -> Part | None:
    """Which of the list's addresses a local part (folded) is; None: none of them.

    The address of bounces may have a plus and more behind it; no other one may.
    """
    if not local_part.startswith(name):
        return None
    ending, plus, _ = local_part[len(name) :].partition("+")
    found = next((part for part in Part if part == ending), None)
    return found if found == Part.BOUNCES or not plus else None
