"""The entries at a place of the directory that a filter matches, a batch at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from accounts.addressbook import Kind
from listeners import bridge
from listeners.ldap import reading
from listeners.ldap.entries import CONTAINERS, Entry
from listeners.ldap.narrowing import narrow
from listeners.ldap.tree import Place
from protocols.ldap import filters
from protocols.ldap.filters import Filter
from protocols.ldap.requests import Scope

ROWS = 500  # that a thread reads at once
_FRAME = "frame"  # the domain's own entry and its containers, which no row stands for
_SECTIONS = (_FRAME, *(kind.value for kind in Kind))
_LONGEST_KEY = 64  # a local part


@dataclass(frozen=True, slots=True)
class Position:
    """Where a search goes on: behind `key` in a section; `sent` entries were sent before."""

    section: str
    key: str
    sent: int = 0

    def encode(self) -> bytes:
        """As a cookie. A client may change it and see nothing that he may not search for."""
        return f"{self.section}:{self.sent}:{self.key}".encode()

    @classmethod
    def decode(cls, cookie: bytes) -> Position:
        """Raises ValueError."""
        section, sent, key = cookie.decode().split(":", 2)
        numbers = (sent, key) if section == _FRAME else (sent,)
        if section not in _SECTIONS or not all(map(_is_number, numbers)):
            raise ValueError("no position")
        if len(key) > _LONGEST_KEY or "\0" in key:
            raise ValueError("no position")
        return cls(section, key, int(sent))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


class Found(NamedTuple):
    """One entry as it is sent, and where a search goes on behind it."""

    octets: bytes
    section: str
    key: str


class Finder:
    """One search. `show` makes the octets of an entry; it is called in threads.

    `turns` is held while a thread reads.
    """

    def __init__(
        self,
        place: Place,
        scope: Scope,
        wanted: Filter,
        *,
        show: Callable[[Entry], bytes],
        turns: asyncio.Semaphore,
    ) -> None:
        self._turns = turns
        self._place = place
        self._scope = scope
        self._filter = wanted
        self._show = show
        self._criterion = narrow(wanted, place.directory)

    async def batches(self, start: Position | None) -> AsyncIterator[Sequence[Found]]:
        """Behind `start`; None: from the first. A batch may be empty: there may be more."""
        section = start.section if start else _FRAME
        if section == _FRAME:
            yield self._frame(int(start.key) + 1 if start else 0)
        for kind in self._kinds():
            if _SECTIONS.index(kind.value) < _SECTIONS.index(section):
                continue
            after: str | None = start.key if start and section == kind.value else ""
            while after is not None:
                async with self._turns:
                    found, after = await bridge.ask(self._read, kind, after)
                yield found

    def _read(self, kind: Kind, after: str) -> tuple[list[Found], str | None]:
        """In a thread: those of the next rows that match, and behind which one to go on."""
        place = self._place
        rows = reading.read(place.view, self._criterion, kind, after=after, rows=ROWS)
        found = []
        for listed in rows:
            entry = place.directory.entry(listed)
            if filters.matches(self._filter, entry.values):
                found.append(Found(self._show(entry), kind.value, listed.local_part))
        return found, rows[-1].local_part if len(rows) == ROWS else None

    def _frame(self, first: int) -> list[Found]:
        return [
            Found(self._show(entry), _FRAME, str(number))
            for number, entry in enumerate(self._entries_of_frame())
            if number >= first and filters.matches(self._filter, entry.values)
        ]

    def _entries_of_frame(self) -> list[Entry]:
        place, directory = self._place, self._place.directory
        if place.listed is not None:
            return [] if self._scope is Scope.ONE else [directory.entry(place.listed)]
        if place.container is not None:
            own = directory.container(place.container)
            return [] if self._scope is Scope.ONE else [own]
        containers = [directory.container(ou) for ou in CONTAINERS]
        if place.is_root:
            below = containers if self._scope is Scope.SUBTREE else []
            return [directory.domain_entry(), *below]
        if self._scope is Scope.BASE:
            return [directory.domain_entry()]
        return containers if self._scope is Scope.ONE else [directory.domain_entry(), *containers]

    def _kinds(self) -> list[Kind]:
        """Whose rows the search looks at."""
        place, scope = self._place, self._scope
        if place.listed is not None or scope is Scope.BASE:
            return []
        if place.container is not None:
            kind = CONTAINERS[place.container]
            return [] if kind is None else [kind]
        return list(Kind) if scope is Scope.SUBTREE else []
