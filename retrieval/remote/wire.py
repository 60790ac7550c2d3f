"""One connection to another server: octets in and out, each wait with an end."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import cast

from retrieval.remote.server import Limits

HELD_BYTES = 256 * 1024  # read ahead of whoever takes it; then the other side waits
# A server that drips must bring this much in each `reply_seconds`.
PROGRESS_BYTES = 16 * 1024


class Silent(Exception):
    """Nothing, or too little, came in time."""


class Ended(Exception):
    """The other side closed the connection, or it broke."""


class Wire(asyncio.Protocol):
    """`expect` a reply, then `read` until it is whole; one reader at a time."""

    def __init__(self, limits: Limits, ends_at: float) -> None:
        """`ends_at`: when the session must be over, by the loop's clock."""
        self._limits = limits
        self._ends_at = ends_at
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._chunks: deque[bytes] = deque()
        self._held_bytes = 0
        self._is_paused = False
        self._is_ended = False
        self._waiter: asyncio.Future[None] | None = None
        self._seconds_left = limits.reply_seconds
        self._progress_bytes = 0

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by class, only by what they do.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > HELD_BYTES and self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_ended = True
        self._wake()

    # --- what a session asks ---

    def expect(self) -> None:
        """A reply is awaited from now on."""
        self._seconds_left = self._limits.reply_seconds
        self._progress_bytes = 0

    async def read(self) -> bytes:
        """What has come, at least one octet. Raises Silent, Ended.

        Only waiting counts as the other side's time, not what the caller does between two reads.
        """
        began = self._loop.time()
        if began >= self._ends_at:
            raise Silent
        if not self._chunks:
            await self._wait(min(began + self._seconds_left, self._ends_at))
            self._seconds_left -= self._loop.time() - began
        data = b"".join(self._chunks)
        self._chunks.clear()
        self._held_bytes = 0
        if self._is_paused and self._transport is not None and not self._is_ended:
            self._is_paused = False
            self._transport.resume_reading()
        self._progress_bytes += len(data)
        if self._progress_bytes >= PROGRESS_BYTES:
            self.expect()
        return data

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    @property
    def has_more(self) -> bool:
        """Whether octets are here that nobody has read."""
        return bool(self._chunks)

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Raises OSError (ssl.SSLError is one), Ended. Nothing that came before is left to read."""
        if self._transport is None or self._is_ended:
            raise Ended
        transport = await self._loop.start_tls(
            self._transport,
            self,
            context,
            server_hostname=host,
            ssl_handshake_timeout=self._limits.connect_seconds,
        )
        if transport is None:
            raise Ended
        self._transport = transport

    def abort(self) -> None:
        """Let go of the connection at once."""
        self._is_ended = True
        if self._transport is not None:
            self._transport.abort()

    # --- inside ---

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _wait(self, deadline: float) -> None:
        if self._is_ended:
            raise Ended
        self._waiter = self._loop.create_future()
        try:
            async with asyncio.timeout_at(deadline):
                await self._waiter
        except TimeoutError:
            raise Silent from None
        finally:
            self._waiter = None
        if not self._chunks:
            raise Ended
