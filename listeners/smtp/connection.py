"""The connection below an SMTP session: aiosmtpd's protocol, with what is hot or missing replaced.

All that touches aiosmtpd's or asyncio's private names is in this file; a test watches them.
"""

from __future__ import annotations

import asyncio
from typing import cast

import structlog
from aiosmtpd.smtp import SMTP

from listeners import base
from listeners.base import Visit
from listeners.smtp import commands as handlers
from listeners.smtp.session import Door, Gone, Session
from protocols.message.received import Encryption
from protocols.smtp import replies
from protocols.smtp.commands import MAX_COMMAND_BYTES, Malformed
from protocols.smtp.replies import Reply

log = structlog.get_logger(__name__)

# What may lie unread before the socket is left alone for a while.
INBOX_BYTES = 256 * 1024
REPLIES_AT_ONCE = 500
# However steadily its bytes trickle in, a transaction must be over after that long.
TRANSACTION_SECONDS = 4 * 3600.0

assert handlers.HANDLERS, "importing the commands registers them"


class SmtpConnection(SMTP):
    """Lines and chunks in, replies out: those to pipelined commands in one piece (RFC 2920 §3.2).

    Of aiosmtpd it keeps the shape: one protocol object with one task that runs `_handle_client`,
    and one timer. Its constructor is not run: at each connection it looks through all members
    for hooks, and nothing here is a hook.
    """

    def __init__(self, visit: Visit, door: Door) -> None:
        loop = asyncio.get_running_loop()
        self.loop = loop
        self.visit = visit
        self.transport: asyncio.Transport | None = None
        self._session = Session(visit, door, self)
        self._door = door
        self._inbox = bytearray()
        self._searched = 0  # so far the inbox has no line end
        self._is_overlong = False  # the line's beginning was thrown away
        self._outbox: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self._is_eof = False
        self._is_draining = False
        self._is_late = False
        self._is_flushing = False
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._deadline = 0.0
        self._transaction_deadline: float | None = None
        self._handler_coroutine: asyncio.Task[None] | None = None
        self._timeout_handle: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport = cast(asyncio.Transport, transport)
        self._say(self._door.greeting)
        self._reset_timeout()
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    def data_received(self, data: bytes) -> None:
        if self.visit.tap is not None:
            self.visit.tap.heard(data)
        self._inbox += data
        if len(self._inbox) > INBOX_BYTES and self.transport is not None and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The client sends no more; what it has sent is still answered, except over TLS."""
        self._is_eof = True
        self._wake()
        return not self.visit.is_encrypted

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._is_eof = True
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        self._may_write.set()
        self._wake()
        self.visit.end()

    # --- listeners.base.Session --------------------------------------------------------------

    def drain(self) -> None:
        """A transaction may be finished; then, or else at once, 421 (M-008)."""
        self._is_draining = True
        self._wake()

    retire = drain

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    # --- the conversation --------------------------------------------------------------------

    async def _handle_client(self) -> None:
        try:
            await self._converse()
        except Gone:
            if self._is_late:
                self._outbox.append(replies.TIMED_OUT.encode())
        except Exception:
            # Whatever it was, it is ours: the client keeps its message and tries again.
            log.exception("session failed", client=self.visit.client_ip)
            self._outbox.append(replies.TRY_AGAIN_LATER.encode())
        finally:
            if self._is_draining:
                self._session.reset()
            else:
                self._session.end()
            self._close()

    async def _converse(self) -> None:
        session = self._session
        while not session.is_over:
            if self._is_draining and not session.is_in_transaction:
                self._outbox.append(replies.SHUTTING_DOWN.encode())
                return
            try:
                line = self._take_line()
                if line is None:
                    await self._wait()
                    continue
                reply = await session.answer(line)
            except Malformed as error:
                reply = session.count_bad(error.reply)
            if reply is not None:
                self._outbox.append(reply.encode())
            if len(self._outbox) >= REPLIES_AT_ONCE:
                # However much is pipelined, the others get their turn and no reply waits long.
                await self._flush()
                await asyncio.sleep(0)

    def _take_line(self) -> bytes | None:
        """The next line without CRLF, if it is here. Raises Malformed for one that is too long."""
        inbox = self._inbox
        end = inbox.find(b"\n", self._searched)
        if end < 0:
            if len(inbox) > MAX_COMMAND_BYTES:
                self._is_overlong = True
                inbox.clear()
                self._go_on_reading()
            self._searched = len(inbox)
            return None
        self._searched = 0
        line = bytes(inbox[: end + 1])
        del inbox[: end + 1]
        self._go_on_reading()
        self._reset_timeout()
        if self._is_overlong:
            self._is_overlong = False
            raise Malformed(replies.LINE_TOO_LONG)
        if not line.endswith(b"\r\n"):
            raise Malformed(replies.BAD_LINE)
        return line[:-2]

    async def _wait(self) -> None:
        """Send what is to be sent, and wait for more bytes. Raises Gone."""
        await self._flush()
        self._require_client()
        received = len(self._inbox)
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if len(self._inbox) == received:
            self._require_client()

    def _require_client(self) -> None:
        if self._is_eof or self._is_late:
            raise Gone

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _flush(self) -> None:
        if self._outbox and self.transport is not None:
            self._say(b"".join(self._outbox))
            self._outbox.clear()
            if not self._may_write.is_set():
                await self._wait_for_reader()

    async def _wait_for_reader(self) -> None:
        """The client does not read its replies. Raises Gone when it is gone for that."""
        self._is_flushing = True
        await self._may_write.wait()
        self._is_flushing = False
        if self.transport is None:
            raise Gone

    def _close(self) -> None:
        """Send what is left and hang up; who does not read it is cut off when his time is over."""
        self._is_flushing = True
        if self.transport is not None:
            if self._outbox:
                self._say(b"".join(self._outbox))
            self.transport.close()

    def _say(self, octets: bytes) -> None:
        if self.transport is not None:
            self.transport.write(octets)
        if self.visit.tap is not None:
            self.visit.tap.said(octets)

    # --- listeners.smtp.session.Connection ---------------------------------------------------

    async def send(self, reply: Reply) -> None:
        self._outbox.append(reply.encode())
        await self._flush()

    async def read_line(self) -> bytes:
        while (line := self._take_line()) is None:
            await self._wait()
        return line

    async def read_some(self, limit: int | None = None) -> bytes:
        while not self._inbox:
            await self._wait()
        inbox = self._inbox
        self._searched = 0
        self._reset_timeout()
        if limit is None or len(inbox) <= limit:
            piece = bytes(inbox)
            inbox.clear()
        else:
            piece = bytes(inbox[:limit])
            del inbox[:limit]
        self._go_on_reading()
        return piece

    def unread(self, rest: bytes) -> None:
        if rest:
            self._inbox[:0] = rest

    async def start_tls(self) -> None:
        # Whatever was sent before the handshake could have been put there by anybody on the way,
        # and must not be taken for commands of the protected session. RFC 3207 §4.2.
        self._inbox.clear()
        self._go_on_reading()
        if self.transport is None:
            raise Gone
        try:
            encrypted = await base.start_tls(self.transport, self, self._door.certificates)
        except OSError as error:
            log.debug("handshake failed", client=self.visit.client_ip, error=str(error))
            self.cut()
            raise Gone from error
        self.transport = encrypted
        self.visit.is_encrypted = True

    @property
    def encryption(self) -> Encryption | None:
        if not self.visit.is_encrypted or self.transport is None:
            return None
        connection = self.transport.get_extra_info("ssl_object")
        cipher = connection.cipher() if connection is not None else None
        return None if cipher is None else Encryption(connection.version(), cipher[0], cipher[2])

    # --- time-outs ---------------------------------------------------------------------------

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Called for each command and chunk, so it only notes the time; one timer looks at it."""
        seconds = duration or self._session.policy.smtp_idle_seconds
        now = self.loop.time()
        self._deadline = now + seconds
        if not self._session.is_in_transaction:
            self._transaction_deadline = None
        elif self._transaction_deadline is None:
            self._transaction_deadline = now + TRANSACTION_SECONDS
        else:
            self._deadline = min(self._deadline, self._transaction_deadline)
        if self._timeout_handle is None:
            self._timeout_handle = self.loop.call_later(seconds, self._timeout_cb)

    def _timeout_cb(self) -> None:
        left = self._deadline - self.loop.time()
        if left > 0:
            self._timeout_handle = self.loop.call_later(left, self._timeout_cb)
        elif self._waiter is not None:
            self._is_late = True
            self._wake()
        elif self._is_flushing:
            self.cut()
        else:
            # Not the client is slow but this server: it is asked again.
            self._timeout_handle = self.loop.call_later(1.0, self._timeout_cb)

    def _go_on_reading(self) -> None:
        # Not for each line taken: every resumption lets in more than a line.
        has_room = len(self._inbox) < INBOX_BYTES
        if self._is_paused and has_room and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()
