"""Being told: subscriptions on an event loop or, for code without one, in a thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence

from django.db import Error, connections

from switchboard.carriers import local
from switchboard.carriers.unix import Inlet
from switchboard.changes import ChangeCursor, changes_since
from switchboard.exchange import exchange, postgres
from switchboard.topics import Note, Topic

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
_REMEMBERED = 4_096

Callback = Callable[[Sequence[Note]], object]
Unsubscribe = Callable[[], None]


class Switchboard:
    """Brings notes of all processes to callbacks on the loop that started it.

    Notes are hints. A durable one that was lost is found by the poll within a second or so; of
    the others each subscriber looks by himself now and then.
    """

    def __init__(self, *, poll_seconds: float | None = POLL_SECONDS) -> None:
        """`poll_seconds` None: durable notes are not polled for."""
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inlet: Inlet | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived: list[Note] = []
        self._callbacks: dict[tuple[Topic, int | None], list[Callback]] = {}
        self._topics: Counter[Topic] = Counter()
        self._dispatched: OrderedDict[int, None] = OrderedDict()  # ids of durable notes
        self._poll_now = asyncio.Event()

    async def start(self) -> None:
        """Begin to receive, on the running loop. Changes committed from now on are found."""
        self._loop = asyncio.get_running_loop()
        carriers = exchange()
        self._inlet = Inlet(carriers.directory)
        self._inlet.want(self._mask())
        self._loop.add_reader(self._inlet.fileno(), self._readable)
        local.join(self)
        if self._poll_seconds is not None:
            poll = _Poll()
            await poll.begin()
            self._tasks.append(asyncio.create_task(self._poll(poll, self._poll_seconds)))
        if carriers.has_other_machines:
            listen = postgres().listen(carriers.node, self.receive, self._poll_now.set)
            self._tasks.append(asyncio.create_task(listen))

    async def stop(self) -> None:
        """Receive no more."""
        local.leave(self)
        inlet, self._inlet = self._inlet, None
        if inlet is not None and self._loop is not None:
            self._loop.remove_reader(inlet.fileno())
            inlet.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def subscribe(self, topic: Topic, key: int | None, callback: Callback) -> Unsubscribe:
        """Call `callback` on the loop with the notes of a topic, of one key or (None) of all.

        It gets all that arrived at once, in one call. What it raises is logged.
        """
        with self._lock:
            self._callbacks.setdefault((topic, key), []).append(callback)
            self._count(topic, 1)
        is_subscribed = True

        def unsubscribe() -> None:
            nonlocal is_subscribed
            with self._lock:
                if not is_subscribed:
                    return
                is_subscribed = False
                callbacks = self._callbacks[topic, key]
                callbacks.remove(callback)
                if not callbacks:
                    del self._callbacks[topic, key]
                self._count(topic, -1)

        return unsubscribe

    def receive(self, notes: Sequence[Note]) -> None:
        """Take notes from any thread; they are dispatched in the loop's next turn."""
        if self._loop is None or not any(note.topic in self._topics for note in notes):
            return
        with self._lock:
            is_first = not self._arrived
            self._arrived.extend(notes)
        if is_first:
            try:
                self._loop.call_soon_threadsafe(self._dispatch)
            except RuntimeError:
                log.warning("a note came for a loop that is closed")

    def _readable(self) -> None:
        if self._inlet is not None:
            with self._lock:
                self._arrived += self._inlet.drain()
            self._dispatch()

    def _count(self, topic: Topic, step: int) -> None:
        self._topics[topic] += step
        if not self._topics[topic]:
            del self._topics[topic]
        is_edge = self._topics[topic] == max(step, 0)
        if is_edge and self._inlet is not None:
            self._inlet.want(self._mask())

    def _mask(self) -> int:
        return sum(1 << topic for topic in self._topics)

    def _dispatch(self) -> None:
        with self._lock:
            arrived, self._arrived = self._arrived, []
        batches: dict[tuple[Topic, int | None], list[Note]] = {}
        for note in arrived:
            if note.change_id and self._was_dispatched(note.change_id):
                continue
            for key in (note.key, None):
                wanted = (note.topic, key)
                if wanted in self._callbacks:
                    batches.setdefault(wanted, []).append(note)
        for wanted, batch in batches.items():
            for callback in tuple(self._callbacks.get(wanted, ())):
                try:
                    callback(batch)
                except Exception:
                    log.exception("a subscriber of %s failed", wanted[0].name)

    def _was_dispatched(self, change_id: int) -> bool:
        if change_id in self._dispatched:
            return True
        self._dispatched[change_id] = None
        if len(self._dispatched) > _REMEMBERED:
            self._dispatched.popitem(last=False)
        return False

    async def _poll(self, poll: _Poll, seconds: float) -> None:
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._poll_now.wait()
                self._poll_now.clear()
                notes = await poll.read()
                if notes:
                    self.receive(notes)
        finally:
            poll.close()


class _Poll:
    """Reads durable notes, in a thread with a connection of its own."""

    def __init__(self) -> None:
        self._executor = concurrent.futures.ThreadPoolExecutor(1, "switchboard-poll")
        self._cursor: ChangeCursor | None = None
        self._is_failing = False

    async def begin(self) -> None:
        await self.read()

    async def read(self) -> list[Note]:
        """What is new since the last time; nothing while the database is away."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._read)

    def close(self) -> None:
        self._executor.submit(connections.close_all)
        self._executor.shutdown(wait=False)

    def _read(self) -> list[Note]:
        try:
            notes, self._cursor = changes_since(self._cursor)
        except Error as error:
            if not self._is_failing:
                log.warning("durable notes cannot be read: %s", error)
            self._is_failing = True
            connections.close_all()
            return []
        self._is_failing = False
        return notes
