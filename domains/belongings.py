"""What rooms above keep of a domain, for the manifest in its folder (D-034)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from domains.models import Domain
from switchboard.topics import Topic


@dataclass(frozen=True, slots=True)
class Section:
    """`build` gives the rows of a domain as JSON can hold them, by names and without keys.

    `domains_of` says whose the keys of notes on `topic` are. What has changed so is written within
    minutes, as there may be much of it.
    """

    name: str
    build: Callable[[Domain], list[dict[str, Any]]]
    topic: Topic
    domains_of: Callable[[Collection[int]], set[int]]


_sections: dict[str, Section] = {}


def register(section: Section) -> None:
    """From the `ready` of a room's app."""
    _sections[section.name] = section


def sections() -> tuple[Section, ...]:
    return tuple(_sections.values())
