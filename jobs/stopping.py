"""An event that signal handlers may set."""

from __future__ import annotations

import os
import select


class Stop:
    """Like threading.Event, without the lock that a handler could find held by its own thread."""

    def __init__(self) -> None:
        self._is_set = False
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def set(self) -> None:
        self._is_set = True
        os.write(self._writer, b".")

    def is_set(self) -> bool:
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """True as soon as it is set."""
        if not self._is_set:
            select.select([self._reader], [], [], seconds)
        return self._is_set
