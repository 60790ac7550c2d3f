"""The logbook of this process, written into a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from clock.moments import utc_now
from logbook.kinds import Kind
from logbook.reading import NoLog, Query, search
from logbook.writer import BOOK

Lines = Callable[..., list[str]]


@contextmanager
def logged_in(folder: Path) -> Iterator[Lines]:
    """`lines(kind)`, or `lines(kind, domain)`: what administrators of that domain read."""
    before = BOOK._folder
    BOOK.flush()
    BOOK.open(folder)

    def lines(kind: Kind, domain: str | None = None) -> list[str]:
        BOOK.flush()
        query = Query(domains=None if domain is None else frozenset({domain}))
        try:
            return [hit.line.text for hit in search(folder, kind, utc_now().date(), query).hits]
        except NoLog:
            return []

    yield lines
    BOOK.flush()
    BOOK._folder = before
