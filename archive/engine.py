"""What keeps the archive registers here; without an engine nothing is archived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"  # from one domain of this server to another


@dataclass(frozen=True, slots=True)
class Criteria:
    """All that are set must fit (A-014).

    An address fits as a whole, by a part of it, or as `@example.com` by its domain; senders are
    looked for in envelope and From, recipients in envelope, To and Cc (A-012, A-013).
    """

    domain_id: int | None = None  # what the searcher is limited to
    domain: str = ""  # any name that the domain has or had
    since: datetime | None = None
    before: datetime | None = None
    sender: str = ""
    recipient: str = ""
    subject: str = ""  # words of the decoded field, upper and lower case alike

    @property
    def is_empty(self) -> bool:
        return not any(
            (self.domain, self.since, self.before, self.sender, self.recipient, self.subject)
        )


@dataclass(frozen=True, slots=True)
class Archived:
    """One message; all text of it is hostile. `key` is the engine's: of letters, digits, - and _.

    `domain_ids` are those of its domains that are on this server, or were.
    """

    key: str
    at: datetime
    direction: Direction
    domain_ids: tuple[int, ...]
    domains: tuple[str, ...]
    sender: str  # of the envelope
    recipients: tuple[str, ...]  # of the envelope
    subject: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search, newest first; `cursor` leads to the next one, empty: there is none."""

    rows: tuple[Archived, ...]
    cursor: str = ""


class Engine(Protocol):
    """Searching must stay below a second, however much is kept (A-007)."""

    def is_open_for(self, domain_id: int) -> bool:
        """Whether the domain's own administrators may search (A-008)."""

    def search(self, criteria: Criteria, *, cursor: str, limit: int) -> Found:
        """From the beginning for a cursor that means nothing."""

    def message(self, key: str) -> Archived | None:
        """None for a key that means nothing."""

    def read(self, key: str) -> bytes:
        """The bytes as they were accepted. Raises archive.errors.ArchivedUnknown."""


_registered: list[Engine] = []


def register(engine: Engine) -> None:
    """From the `ready` of its room's app."""
    _registered.append(engine)


def unregister(engine: Engine) -> None:
    _registered.remove(engine)


def current() -> Engine | None:
    """None: archiving is not set up."""
    return _registered[-1] if _registered else None
