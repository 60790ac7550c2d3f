"""Many machines: LISTEN and NOTIFY on the database that they share."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

from switchboard.frames import BadFrame, decode, encode, node_of
from switchboard.topics import Note

log = logging.getLogger(__name__)

CHANNEL = "mailhost"
# NOTIFY takes less than 8,000 bytes of text; base 64 makes four characters of three bytes.
_FRAME_BYTES = 5_900
_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_WAITING_BATCHES = 1_000


def _connection_parameters() -> dict[str, Any]:
    parameters: dict[str, Any] = connections[DEFAULT_DB_ALIAS].get_connection_params()
    # These two belong to Django's own connections.
    for name in ("cursor_factory", "context"):
        parameters.pop(name, None)
    return parameters


class Notifier:
    """Sends notes to the other machines from a thread of its own, so publishing never waits."""

    def __init__(self, node: int) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._queue: queue.Queue[Sequence[Note] | None] = queue.Queue(_WAITING_BATCHES)
        self._thread: threading.Thread | None = None
        self._connection: psycopg.Connection[Any] | None = None

    def send(self, notes: Sequence[Note]) -> None:
        """Neither blocks nor raises; with the database away for long, notes are dropped."""
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(
                        target=self._run, name="switchboard-notify", daemon=True
                    )
                    self._thread.start()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(notes)

    def close(self) -> None:
        """Send what waits, and end. Blocks."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            notes = list(first)
            while not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    self._queue.put(None)
                    break
                notes += more
            for frame in encode(notes, node=self._node, limit_bytes=_FRAME_BYTES):
                self._notify(base64.b64encode(frame).decode("ascii"))
        if self._connection is not None:
            self._connection.close()

    def _notify(self, text: str) -> None:
        for _ in range(2):
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(**_connection_parameters(), autocommit=True)
                self._connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, text))
                return
            except psycopg.Error as error:
                log.warning("a note was not sent: %s", error)
                if self._connection is not None:
                    self._connection.close()


async def listen(
    node: int, deliver: Callable[[Sequence[Note]], object], missed: Callable[[], object]
) -> None:
    """Give the notes of other machines to `deliver`, until cancelled; reconnects by itself.

    `missed` is called after each connection: notes may have been lost before it.
    """
    failures = 0
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(
                **_connection_parameters(), autocommit=True
            )
            async with connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                failures = 0
                missed()
                async for notify in connection.notifies():
                    deliver(_notes_in(notify.payload, node))
        except (psycopg.Error, OSError) as error:
            log.warning("not listening to the database: %s", error)
        await asyncio.sleep(_PAUSES_SECONDS[min(failures, len(_PAUSES_SECONDS) - 1)])
        failures += 1


def _notes_in(text: str, own_node: int) -> list[Note]:
    """The notes of a notification; none of this machine's, which came by a shorter way."""
    try:
        frame = base64.b64decode(text, validate=True)
        return [] if node_of(frame) == own_node else decode(frame)
    except (BadFrame, binascii.Error) as error:
        log.warning("a notification was no frame: %s", error)
        return []
