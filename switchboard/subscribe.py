"""Being told: subscriptions on an event loop, in batches."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

from switchboard import exchange
from switchboard.topics import Note, Topic

log = logging.getLogger(__name__)

Callback = Callable[[Sequence[Note]], object]
Unsubscribe = Callable[[], None]


class Switchboard:
    """Brings notes of all processes to callbacks on the loop that started it.

    Notes are hints: one may be lost, so a subscriber also looks by itself now and then.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._arrived: list[Note] = []
        self._callbacks: dict[tuple[Topic, int | None], list[Callback]] = {}

    async def start(self) -> None:
        """Begin to receive, on the running loop."""
        self._loop = asyncio.get_running_loop()
        exchange.join(self)

    async def stop(self) -> None:
        """Receive no more. What has arrived is still dispatched."""
        exchange.leave(self)

    def subscribe(self, topic: Topic, key: int | None, callback: Callback) -> Unsubscribe:
        """Call `callback` on the loop with the notes of a topic, of one key or (None) of all.

        It gets all that arrived at once, in one call. What it raises is logged.
        """
        callbacks = self._callbacks.setdefault((topic, key), [])
        callbacks.append(callback)

        def unsubscribe() -> None:
            if callback in callbacks:
                callbacks.remove(callback)
            if not callbacks and self._callbacks.get((topic, key)) is callbacks:
                del self._callbacks[topic, key]

        return unsubscribe

    def receive(self, notes: Sequence[Note]) -> None:
        """Take notes from any thread; they are dispatched in the loop's next turn."""
        with self._lock:
            is_first = not self._arrived
            self._arrived.extend(notes)
        if is_first and self._loop is not None:
            self._loop.call_soon_threadsafe(self._dispatch)

    def _dispatch(self) -> None:
        with self._lock:
            notes, self._arrived = self._arrived, []
        batches: dict[tuple[Topic, int | None], list[Note]] = {}
        for note in notes:
            for key in (note.key, None):
                wanted = (note.topic, key)
                if wanted in self._callbacks:
                    batches.setdefault(wanted, []).append(note)
        for wanted, batch in batches.items():
            for callback in tuple(self._callbacks.get(wanted, ())):
                try:
                    callback(batch)
                except Exception:
                    log.exception("subscriber of %s failed", wanted[0].name)
