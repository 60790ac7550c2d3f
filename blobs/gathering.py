"""Jobs of one event loop on their way to the committer's thread, gathered into groups."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from blobs.group import Entry

# A group that others are about to join waits so long for them: a few commits' time at most.
GATHER_SECONDS = 0.003
COMING_SECONDS = 0.005  # who was announced longer ago is not counted on any more
# Clients that usually take longer are far away, or this server has enough to do without waiting.
SWIFT_SECONDS = 0.015
MEMORY = 16  # announcements that "usual" stands for


class Gathering:
    """Hands jobs over at the end of the turn of the loop that brings them, or a moment later.

    A commit costs much more than what it carries, so a group waits for jobs that have been
    announced, unless such jobs have usually come too late. Who is alone waits for nobody.
    Everything here runs in the loop.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, hand_over: Callable[[list[Entry]], None]
    ) -> None:
        self._loop = loop
        self._take = hand_over
        self._entries: list[Entry] = []
        self._announced: dict[int, float] = {}
        self._awaited: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._usual_seconds = 0.0

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        if len(self._entries) == 1:
            # Later: what else this turn brings, or announces, is to be known by then.
            self._loop.call_soon(self._begin)

    def announce(self, key: int) -> None:
        """A job will come, perhaps within some milliseconds; `retract` is called in any case."""
        self._announced[key] = time.monotonic()

    def retract(self, key: int) -> None:
        """It has come, or will not come. Any key may be retracted, and again."""
        announced_at = self._announced.pop(key, None)
        if announced_at is None:
            return
        taken = min(time.monotonic() - announced_at, 2 * SWIFT_SECONDS)
        self._usual_seconds += (taken - self._usual_seconds) / MEMORY
        self._awaited.discard(key)
        if self._timer is not None and not self._awaited:
            self._timer.cancel()
            self._timer = None
            self._loop.call_soon(self._hand_over)

    def _begin(self) -> None:
        if self._usual_seconds < SWIFT_SECONDS:
            since = time.monotonic() - COMING_SECONDS
            for key, announced_at in reversed(self._announced.items()):
                if announced_at < since:
                    break
                self._awaited.add(key)
        if self._awaited:
            self._timer = self._loop.call_later(GATHER_SECONDS, self._hand_over)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        self._timer = None
        self._awaited.clear()
        entries, self._entries = self._entries, []
        self._take(entries)
