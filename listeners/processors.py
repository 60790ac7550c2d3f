"""Keeps the loop and the committer of a process on one processor.

Python lets one thread compute at a time, so two processors gain these two nothing: each handing
over wakes another processor and leaves what it has in its cache behind. Together they take up to
a quarter less of processor time when several sessions are at work. One session alone is served
sooner by two processors. All other threads are free to run anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import threading
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import structlog

from blobs.committer import Committer, process_committer

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.25
# Several sessions are at work when so many jobs share a commit.
SHARED_JOBS = 2
# Of the time since the last look; who waits longer for strangers goes elsewhere.
CROWDED_SHARE = 0.2


class Times(NamedTuple):
    """Of one thread since it began, in nanoseconds (proc_pid_schedstat)."""

    ran: int
    waited: int  # for a processor, though it could have run


class Companions:
    """The main thread, with the loop in which this is made and run, and the committer's."""

    def __init__(self, committer: Committer | None = None) -> None:
        """None: the committer of the process."""
        self._committer = committer or process_committer()
        self._allowed = os.sched_getaffinity(0)
        # Asked for: in a forked process the Thread of the loop still has its parent's.
        self._loop_id = threading.get_native_id()
        self._processor = random.choice(sorted(self._allowed))
        self._written = 0, 0  # groups and jobs, at the last look
        # At the last look; None: the two are not bound.
        self._times: tuple[Times, Times] | None = None

    async def run(self) -> None:
        """Until cancelled. Where there is one processor, or no word on waiting: not at all."""
        try:
            while len(self._allowed) > 1:
                self.look()
                await asyncio.sleep(LOOK_SECONDS)
        except OSError as error:
            log.info("the mail process is not kept on one processor", reason=str(error))
            with contextlib.suppress(OSError):
                self._let_go()

    def look(self) -> None:
        """Bind the two if several sessions are at work, elsewhere if it is crowded there, and
        nobody else; let go of them if not. Raises OSError."""
        written = self._committer.groups_written, self._committer.jobs_written
        groups, jobs = (now - before for now, before in zip(written, self._written, strict=True))
        self._written = written
        committer_id = self._committer.thread_id
        if committer_id is not None and groups and jobs >= SHARED_JOBS * groups:
            self._bind(committer_id)
        elif self._times is not None:
            self._times = None
            self._let_go()

    def _bind(self, committer_id: int) -> None:
        times = _times_of(self._loop_id), _times_of(committer_id)
        if self._times is not None and is_crowded(self._times, times, LOOK_SECONDS):
            self._processor = random.choice(sorted(self._allowed - {self._processor}))
        self._times = times
        pair = (self._loop_id, committer_id)
        for thread_id in pair:
            os.sched_setaffinity(thread_id, {self._processor})
        # A thread begins where the loop runs, which has started it.
        self._let_go(but=pair)

    def _let_go(self, but: Collection[int] = ()) -> None:
        """All threads but these may run anywhere."""
        for thread_id in (int(task.name) for task in Path("/proc/self/task").iterdir()):
            if thread_id not in but:
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.sched_setaffinity(thread_id, self._allowed)


def is_crowded(before: tuple[Times, Times], now: tuple[Times, Times], seconds: float) -> bool:
    """Whether the two have waited long for others than each other."""
    (first_ran, first_waited), (second_ran, second_waited) = (
        (new.ran - old.ran, new.waited - old.waited) for old, new in zip(before, now, strict=True)
    )
    strangers = max(0, first_waited - second_ran) + max(0, second_waited - first_ran)
    return strangers > CROWDED_SHARE * seconds * 1e9


def _times_of(thread_id: int) -> Times:
    said = Path(f"/proc/self/task/{thread_id}/schedstat").read_text().split()
    return Times(int(said[0]), int(said[1]))
