"""The slots of deliveries to other servers: how many work at once, and whose other side hangs.

A session whose other side keeps it waiting gives its slot back, and has it again, before all that
never had one, as soon as a word comes (S-002, S-003).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from spool.destinations import Destination
from spool.load import Peak
from spool.patience import Patience

# S-002: a try that takes longer waits for the other side; its slot is for others meanwhile.
HANGING_SECONDS = 2.0
LOOK_SECONDS = 0.25
HANGING_FOR_EACH_SLOT = 10  # so many may hang at most: each costs a socket


class Run:
    """A session at work: since when at this message, and whether it holds a slot."""

    __slots__ = ("destination", "has_slot", "is_heard", "is_stalled", "room", "since")

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self.since: float | None = None  # the loop's time; None: it waits for work, or for a slot
        self.has_slot = True
        self.is_heard = False  # the other side has said its first word at this try
        self.is_stalled = False
        self.room: asyncio.Future[None] | None = None  # done when it has its slot again

    def begin(self, *, is_heard: bool) -> None:
        self.since = asyncio.get_running_loop().time()
        self.is_heard = is_heard


class Slots:
    """`busy` of `maximum` are taken. What changes is told, so that others may start."""

    def __init__(
        self,
        *,
        freed: Callable[[], None],
        moved: Callable[[Destination], None],
        silent: Callable[[Destination], None],
    ) -> None:
        """`freed`: others may start; `moved`: this destination may have room for more; `silent`:
        nobody answers there, so what waits for it is to wait elsewhere."""
        self.maximum = 50  # sessions that work at once (S-003); change at any time
        self.busy = 0
        self.most_busy = Peak()
        self.hanging = 0
        self.is_closing = False
        self._freed, self._moved, self._silent = freed, moved, silent
        self._runs: set[Run] = set()
        self._returning: deque[Run] = deque()  # heard, and about to go on as soon as they may
        self._patience = Patience()
        self._watch: asyncio.TimerHandle | None = None

    @property
    def has_returning(self) -> bool:
        """Somebody who had a slot before waits for one."""
        return bool(self._returning)

    def take(self, destination: Destination) -> None:
        destination.busy += 1
        self.busy += 1
        self.most_busy.see(self.busy)

    def leave(self, destination: Destination) -> None:
        destination.busy -= 1
        self.busy -= 1

    def enter(self, destination: Destination) -> Run:
        """A session begins, with a slot that was taken for it."""
        run = Run(destination)
        self._runs.add(run)
        self._begin_to_watch()
        return run

    def end(self, run: Run) -> None:
        self._runs.discard(run)

    def close(self) -> None:
        """Look no more; who waits for a slot gets one, so that all can end."""
        self.is_closing = True
        if self._watch is not None:
            self._watch.cancel()
        self.readmit()

    def readmit(self) -> None:
        """Those that had a slot before come before those that never had one."""
        while self._returning and (self.busy < self.maximum or self.is_closing):
            run = self._returning.popleft()
            if run.room is not None and not run.room.done():  # it is not broken off
                self.answered(run)
                run.room.set_result(None)

    async def hear(self, run: Run) -> None:
        """The other side has said its first word: what follows is a delivery, and has a slot."""
        destination = run.destination
        loop = asyncio.get_running_loop()
        if run.since is not None:
            self._patience.learn(loop.time() - run.since)
        run.is_heard = True
        run.since = None
        self._stop_stalling(run)
        if not run.has_slot:
            run.room = loop.create_future()
            self._returning.append(run)
        if not destination.is_known:
            destination.is_known = True
            self._moved(destination)
        self._freed()
        if run.room is not None:
            await run.room
            run.room = None
        run.since = loop.time()

    def answered(self, run: Run) -> None:
        """An answer came, or will not come: for a moment there may be one more than allowed."""
        self._stop_stalling(run)
        if run.has_slot:
            return
        run.has_slot = True
        run.destination.busy += 1
        run.destination.hanging -= 1
        self.busy += 1
        self.hanging -= 1

    # --- who hangs ---

    def _begin_to_watch(self) -> None:
        if self._watch is None and not self.is_closing:
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(LOOK_SECONDS, self._look_who_hangs)

    def _look_who_hangs(self) -> None:
        """Take the slots of sessions whose other side does not answer."""
        self._watch = None
        now = asyncio.get_running_loop().time()
        first_word = min(self._patience.seconds, HANGING_SECONDS)
        most = HANGING_FOR_EACH_SLOT * self.maximum
        for run in self._runs:
            waited = 0.0 if run.since is None else now - run.since
            longest = HANGING_SECONDS if run.is_heard else first_word
            if run.has_slot and waited > longest and self.hanging < most:
                self._hang(run)
            if not run.has_slot and not run.is_stalled and waited > HANGING_SECONDS:
                self._stall(run)
        if self._runs:
            self._begin_to_watch()
        self._freed()

    def _hang(self, run: Run) -> None:
        run.has_slot = False
        self.leave(run.destination)
        run.destination.hanging += 1
        self.hanging += 1

    def _stall(self, run: Run) -> None:
        destination = run.destination
        run.is_stalled = True
        destination.stalled += 1
        destination.bear_less()
        if destination.is_stalled and destination.route.gateway_id is None:
            # Nothing is known yet, so it is no try: it waits where it takes nobody's place.
            self._silent(destination)
        else:
            self._moved(destination)

    def _stop_stalling(self, run: Run) -> None:
        if run.is_stalled:
            run.is_stalled = False
            run.destination.stalled -= 1
