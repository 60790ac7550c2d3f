"""Which commits wait for the disk, and when those that did not wait are brought there."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

# A commit that did not wait is on the disk after this time at the latest.
LATEST_SECONDS = 1.0


class Durability:
    """Of one thread's connection. A commit that does not wait survives the death of the process.

    What it may not survive is the machine losing its power within LATEST_SECONDS. Commits reach
    the disk in their order, so nothing later is ever kept without it: a flag can be lost, a
    message answered with 250 cannot. SQLite: `synchronous` NORMAL instead of FULL, and a sync of
    the write-ahead log soon after; PostgreSQL has `synchronous_commit` for just this.
    """

    def __init__(self) -> None:
        self._waits: bool | None = None  # of `_of`; None: as it was opened
        self._of: Any = None
        self._unsynced_since: float | None = None

    def before(self, connection: Any, *, waits: bool) -> None:
        """Called outside of a transaction."""
        if connection.vendor != "sqlite":
            return
        connection.ensure_connection()
        if self._of is not connection.connection:
            self._of, self._waits = connection.connection, True
        if self._waits is not waits:
            connection.connection.execute(f"PRAGMA synchronous={'FULL' if waits else 'NORMAL'}")
            self._waits = waits

    def within(self, connection: Any, cursor: Any, *, waits: bool) -> None:
        """Called as the first thing in the transaction."""
        if connection.vendor == "postgresql" and not waits:
            cursor.execute("SET LOCAL synchronous_commit = off")

    def after(self, connection: Any, *, waits: bool) -> None:
        """Called after the commit."""
        if waits:
            self._unsynced_since = None
        elif connection.vendor == "sqlite" and self._unsynced_since is None:
            self._unsynced_since = time.monotonic()

    @property
    def due_in_seconds(self) -> float | None:
        """When `sync` is to be called; None: there is nothing to bring to the disk."""
        if self._unsynced_since is None:
            return None
        return max(0.0, self._unsynced_since + LATEST_SECONDS - time.monotonic())

    def sync(self, connection: Any) -> None:
        """Bring the commits that did not wait to the disk. Raises OSError."""
        self._unsynced_since = None
        # No log: it has been taken into the database, which syncs both.
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(Path(f"{connection.settings_dict['NAME']}-wal"), os.O_RDONLY)
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)
