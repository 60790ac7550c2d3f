"""Finding lines in the log of a day, and handing the whole of it out (M-083…M-086)."""

from __future__ import annotations

import gzip
import time
import zipfile
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO

from logbook.kinds import Kind
from logbook.lines import Line, LineMalformed, decode

SHOWN_BYTES = 1_048_576
SEARCH_SECONDS = 10.0
MOST_SESSIONS = 10_000
LONGEST_LINE_BYTES = 64 * 1024
LINES_BETWEEN_LOOKS = 500


class NoLog(Exception):
    """Nothing was logged on that day."""


@dataclass(frozen=True, slots=True)
class Query:
    words: tuple[str, ...] = ()  # all must occur; upper and lower case are the same
    has_related: bool = False  # with the whole session of each hit
    domains: frozenset[str] | None = None  # None: every line; else those of these domains


@dataclass(frozen=True, slots=True)
class Hit:
    line: Line
    is_hit: bool = True  # False: only of the same session


@dataclass(slots=True)
class Found:
    """The newest of what was found, oldest first; with related traffic session by session."""

    hits: deque[Hit] = field(default_factory=deque)
    is_cut: bool = False  # there is more than SHOWN_BYTES
    is_late: bool = False  # the time was over before the end of the log

    def text(self) -> str:
        return "".join(f"{hit.line.shown()}\n" for hit in self.hits)


def days(folder: Path, kind: Kind) -> list[date]:
    """The days that have a log, newest first."""
    found = set()
    for path in (folder / kind).glob("????-??-??.log*"):
        try:
            found.add(date.fromisoformat(path.name[:10]))
        except ValueError:
            continue
    return sorted(found, reverse=True)


def open_day(folder: Path, kind: Kind, day: date) -> IO[bytes]:
    """The log's bytes, compressed or not. Raises NoLog."""
    path = folder / kind / f"{day.isoformat()}.log"
    try:
        return path.open("rb")
    except FileNotFoundError:
        pass
    try:
        return gzip.open(f"{path}.gz", "rb")  # type: ignore[return-value]
    except FileNotFoundError:
        raise NoLog from None


def search(
    folder: Path, kind: Kind, day: date, query: Query, *, seconds: float = SEARCH_SECONDS
) -> Found:
    """Raises NoLog. Memory is bounded by what is shown, time by `seconds`."""
    clock = _Clock(time.monotonic() + seconds)
    found = Found()
    if query.has_related and query.words:
        _search_sessions(folder, kind, day, query, clock, found)
    else:
        size = 0
        for line in _matching(folder, kind, day, query, clock):
            size = _keep(found, Hit(line), size)
    found.is_late = clock.is_over
    return found


def _search_sessions(
    folder: Path, kind: Kind, day: date, query: Query, clock: _Clock, found: Found
) -> None:
    sessions: dict[str, list[Line]] = {}
    loose: list[Line] = []
    for line in _matching(folder, kind, day, query, clock):
        if line.session:
            # The newest ones count.
            sessions.pop(line.session, None)
            sessions[line.session] = []
            if len(sessions) > MOST_SESSIONS:
                del sessions[next(iter(sessions))]
                found.is_cut = True
        else:
            loose = [*loose, line][-MOST_SESSIONS:]
    everything = Query(domains=query.domains)
    kept = 0
    for line in _matching(folder, kind, day, everything, clock):
        if line.session in sessions and kept < 8 * SHOWN_BYTES:
            sessions[line.session].append(line)
            kept += len(line.text) + 100
    size = 0
    for line in loose:
        size = _keep(found, Hit(line), size)
    for session in sessions.values():
        for line in session:
            size = _keep(found, Hit(line, _fits(line, query.words)), size)


def _keep(found: Found, hit: Hit, size: int) -> int:
    found.hits.append(hit)
    size += _shown_bytes(hit)
    while size > SHOWN_BYTES:
        found.is_cut = True
        size -= _shown_bytes(found.hits.popleft())
    return size


def _shown_bytes(hit: Hit) -> int:
    return len(hit.line.shown().encode()) + 1


def _matching(folder: Path, kind: Kind, day: date, query: Query, clock: _Clock) -> Iterator[Line]:
    for octets in _octets(folder, kind, day):
        if clock.look():
            return
        try:
            line = decode(octets)
        except LineMalformed:
            continue
        if query.domains is not None and query.domains.isdisjoint(line.domains):
            continue
        if _fits(line, query.words):
            yield line


def _octets(folder: Path, kind: Kind, day: date) -> Iterator[bytes]:
    with open_day(folder, kind, day) as log:
        while octets := log.readline(LONGEST_LINE_BYTES):
            yield octets


def _fits(line: Line, words: tuple[str, ...]) -> bool:
    if not words:
        return True
    text = line.shown().casefold()
    return all(word.casefold() in text for word in words)


class _Clock:
    def __init__(self, ends_at: float) -> None:
        self._ends_at = ends_at
        self._count = 0
        self.is_over = False

    def look(self) -> bool:
        self._count += 1
        if self._count % LINES_BETWEEN_LOOKS == 0 and time.monotonic() > self._ends_at:
            self.is_over = True
        return self.is_over


# --- the whole log ---


def zipped(
    folder: Path, kind: Kind, day: date, *, domains: Collection[str] | None = None
) -> Iterator[bytes]:
    """The log of a day as a ZIP file, piece by piece. Raises NoLog before the first piece."""
    open_day(folder, kind, day).close()
    return _zipped(folder, kind, day, None if domains is None else frozenset(domains))


def _zipped(folder: Path, kind: Kind, day: date, domains: frozenset[str] | None) -> Iterator[bytes]:
    out = _Pieces()
    query, clock = Query(domains=domains), _Clock(float("inf"))
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,  # type: ignore[call-overload]
        archive.open(f"{kind}-{day.isoformat()}.log", "w", force_zip64=True) as entry,
    ):
        for line in _matching(folder, kind, day, query, clock):
            entry.write(f"{line.shown()}\n".encode())
            yield from out.take()
    yield from out.take(everything=True)


class _Pieces:
    """A file that is only written, and handed on as it grows."""

    def __init__(self) -> None:
        self._octets = bytearray()
        self._position = 0

    def write(self, octets: bytes) -> int:
        self._octets += octets
        self._position += len(octets)
        return len(octets)

    def flush(self) -> None: ...

    def take(self, *, everything: bool = False) -> Iterator[bytes]:
        if self._octets and (everything or len(self._octets) >= 65_536):
            yield bytes(self._octets)
            self._octets.clear()
