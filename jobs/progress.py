"""How a job tells what it does, and learns that it is to end."""

from __future__ import annotations

import multiprocessing
import threading
from datetime import datetime
from typing import Any

from clock.moments import utc_now
from jobs.errors import JobStopped

MOST_NOTES = 500  # lines of a job's log; then the oldest go
LONGEST_WORDS = 300

# Set when the part ends. Its processes share it: `renew` comes before workers are forked.
ending = multiprocessing.Event()


def renew() -> None:
    """For a part that begins: what it was loaded with may be shared with one that has ended."""
    global ending
    ending = multiprocessing.Event()


class Progress:
    """Handed to a job's function. Telling costs nothing: a thread writes it down each second."""

    def __init__(
        self,
        *,
        job_id: int,
        actor_id: int | None = None,
        done: int = 0,
        total: int | None = None,
        words: str = "",
        notes: list[list[str]] | None = None,
        kept: Any = None,
    ) -> None:
        self.job_id = job_id
        self.actor_id = actor_id
        self.done = done
        self.total = total
        self.words = words
        self.kept = kept
        self._notes = list(notes or [])
        self._lock = threading.Lock()
        self._told = 0
        self._stop: JobStopped | None = None

    def report(self, done: int, total: int | None = None, words: str = "") -> None:
        """How many steps are done, of how many. Raises JobStopped when it is to end here."""
        with self._lock:
            self.done = done
            self.total = total if total is not None else self.total
            self.words = words[:LONGEST_WORDS] or self.words
            self._told += 1
        self.check()

    def advance(self, steps: int = 1, words: str = "") -> None:
        """So many steps more. Raises JobStopped."""
        self.report(self.done + steps, words=words)

    def note(self, words: str, *, now: datetime | None = None) -> None:
        """A line in the job's log."""
        at = (now or utc_now()).isoformat(timespec="seconds")
        with self._lock:
            self._notes.append([at, words[:LONGEST_WORDS]])
            del self._notes[:-MOST_NOTES]
            self._told += 1

    def keep(self, value: Any) -> None:
        """What JSON can hold; `kept` has it when the job is begun again after an interruption."""
        with self._lock:
            self.kept = value
            self._told += 1

    def check(self) -> None:
        """Raises JobStopped when the job is to end where it stands."""
        if self._stop is not None:
            raise self._stop

    # --- for the thread that writes it down ---

    def stop(self, why: JobStopped) -> None:
        self._stop = why

    def told(self) -> int:
        """Grows with everything that was told."""
        return self._told

    def columns(self) -> dict[str, Any]:
        with self._lock:
            return {
                "done": self.done,
                "total": self.total,
                "words": self.words,
                "notes": list(self._notes),
                "kept": self.kept,
            }
