"""A small archive in memory, for tests of the pages and verbs in front of an engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from archive import engine
from archive.engine import Archived, Criteria, Direction, Found
from archive.errors import ArchivedUnknown
from domains.models import Domain

FIRST = datetime(2026, 3, 10, 12, tzinfo=UTC)


@dataclass
class SmallEngine:
    """Finds by going through everything."""

    messages: dict[str, tuple[Archived, bytes]] = field(default_factory=dict)
    open_for: set[int] = field(default_factory=set)
    searches: list[Criteria] = field(default_factory=list)

    def add(
        self,
        domain: Domain,
        subject: str = "Hello",
        *,
        sender: str = "writer@elsewhere.example",
        recipients: tuple[str, ...] = ("alice@own.example",),
        at: datetime | None = None,
        text: str = "Some text.",
    ) -> str:
        number = len(self.messages) + 1
        content = (
            f"From: {sender}\r\nTo: {recipients[0]}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{number}@elsewhere.example>\r\n\r\n{text}\r\n"
        ).encode()
        row = Archived(
            key=f"m{number}",
            at=at or FIRST + timedelta(minutes=number),
            direction=Direction.INBOUND,
            domain_ids=(domain.pk,),
            domains=(domain.name,),
            sender=sender,
            recipients=recipients,
            subject=subject,
            size_bytes=len(content),
        )
        self.messages[row.key] = (row, content)
        return row.key

    def is_open_for(self, domain_id: int) -> bool:
        return domain_id in self.open_for

    def search(self, criteria: Criteria, *, cursor: str, limit: int) -> Found:
        self.searches.append(criteria)
        rows = [row for row, _ in self.messages.values() if _fits(row, criteria)]
        rows.sort(key=lambda row: row.at, reverse=True)
        start = int(cursor) if cursor.isdigit() else 0
        more = str(start + limit) if len(rows) > start + limit else ""
        return Found(tuple(rows[start : start + limit]), more)

    def message(self, key: str) -> Archived | None:
        return self.messages[key][0] if key in self.messages else None

    def read(self, key: str) -> bytes:
        if key not in self.messages:
            raise ArchivedUnknown(key)
        return self.messages[key][1]


@contextmanager
def small_engine() -> Iterator[SmallEngine]:
    made = SmallEngine()
    engine.register(made)
    try:
        yield made
    finally:
        engine.unregister(made)


def _fits(row: Archived, wanted: Criteria) -> bool:
    return (
        (wanted.domain_id is None or wanted.domain_id in row.domain_ids)
        and (not wanted.domain or wanted.domain in row.domains)
        and (wanted.since is None or wanted.since <= row.at)
        and (wanted.before is None or row.at < wanted.before)
        and wanted.sender.lower() in row.sender.lower()
        and any(wanted.recipient.lower() in one.lower() for one in row.recipients)
        and all(word in row.subject.lower() for word in wanted.subject.lower().split())
    )
