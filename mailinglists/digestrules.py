"""When a digest is due, and how many posts stand in it (L-010). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

KILOBYTE = 1024
# However the list is set: what is put together in memory has an end.
MOST_POSTS = 200
MOST_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one list. 0: that makes no digest; all 0: none is ever made."""

    hours: int
    messages: int
    kilobytes: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A post that stood in no digest yet."""

    post_id: int
    size_bytes: int
    accepted_at: datetime


def edition(waiting: Sequence[Candidate], terms: Terms, *, now: datetime) -> tuple[Candidate, ...]:
    """The posts of the next digest, from the oldest on; empty: none is due.

    `waiting` is in that order. Time counts from the oldest post, so that none waits longer.
    """
    if not waiting:
        return ()
    by_number = _until_number(waiting, terms.messages)
    by_size = _until_size(waiting, terms.kilobytes * KILOBYTE)
    found = min(filter(None, (by_number, by_size)), default=0)
    if not found and terms.hours and now - waiting[0].accepted_at >= timedelta(hours=terms.hours):
        found = len(waiting)
    return _within_limits(waiting[:found])


def _until_number(waiting: Sequence[Candidate], messages: int) -> int:
    """How many posts make a digest by their number; 0: too few."""
    return messages if 0 < messages <= len(waiting) else 0


def _until_size(waiting: Sequence[Candidate], most_bytes: int) -> int:
    """How many posts make a digest by their size; 0: too little."""
    total = 0
    for count, one in enumerate(waiting, 1):
        total += one.size_bytes
        if 0 < most_bytes <= total:
            return count
    return 0


def _within_limits(chosen: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """At least the first one, whatever its size."""
    total = 0
    kept: list[Candidate] = []
    for one in chosen[:MOST_POSTS]:
        total += one.size_bytes
        if kept and total > MOST_BYTES:
            break
        kept.append(one)
    return tuple(kept)
