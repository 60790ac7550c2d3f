"""Coroutines that were begun and that nobody waits for until the process ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Undertakings:
    """Each is held until it is over: a task that nobody holds may vanish."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Wait for all that was begun."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def break_off(self) -> None:
        """End what is under way, and wait for that."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
