"""What a change of many rows did, in words and numbers, for people to look at beforehand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Followed:
    """One kind of thing that follows a domain's new name, and how many there are."""

    what: str
    count: int
