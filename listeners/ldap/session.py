"""One LDAP connection: who it is, and one operation after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import structlog

from listeners import traffic
from listeners.base import Visit
from listeners.ldap import words
from listeners.ldap.operations import CARRIERS
from protocols.ldap import responses
from protocols.ldap.ber import Malformed
from protocols.ldap.requests import Abandon, Compare, Message, Search, Unbind, Write
from protocols.ldap.results import OWN_FAULT, READ_ONLY, Result, ResultCode
from protocols.ldap.server import MESSAGE_BYTES, STRANGER_BYTES, Connection

if TYPE_CHECKING:
    from listeners.ldap.server import Door

log = structlog.get_logger(__name__)

STRANGER_SECONDS = 60.0
FLUSH_BYTES = 64 * 1024
MOST_WAITING = 64  # requests that were sent ahead; what comes behind them stays unread
MAXIMUM_FAILED_LOGINS = 3
# What counts against the limit of mistakes (N-007).
_MISTAKES = {ResultCode.PROTOCOL_ERROR, ResultCode.UNWILLING_TO_PERFORM}


class Session(asyncio.Protocol):
    """Operations run as one task, in the order in which they came (RFC 4511 §4.2.1, §4.14)."""

    __slots__ = (
        "_drained", "_is_closed", "_is_paused", "_leaves", "_mistakes", "_output",
        "_output_bytes", "_running", "_task", "_waiting", "active_at", "door", "failed_logins",
        "is_abandoned", "name", "transport", "visit", "wire",
    )  # fmt: skip

    def __init__(self, door: Door, visit: Visit) -> None:
        self.door = door
        self.visit = visit
        self.wire = Connection()
        self.transport: asyncio.Transport | None = None
        self.name = ""  # the distinguished name of who has logged in
        self.failed_logins = 0
        self.is_abandoned = False  # the operation that is being carried out
        self.active_at = door.loop.time()
        self._mistakes = 0
        self._waiting: deque[Message] = deque()
        self._running: int | None = None
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._is_paused = False  # the client does not read what it is sent
        self._leaves = False  # ends as soon as what is in hand is done
        self._is_closed = False

    # --- what asyncio calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports are none of asyncio's classes.
        self.transport = cast("asyncio.Transport", transport)
        self.door.sessions.add(self)

    def data_received(self, data: bytes) -> None:
        self.active_at = self.door.loop.time()
        self.wire.receive(data)
        self._take_messages()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._is_closed = True
        self.door.sessions.discard(self)
        self.visit.end()
        if self._task is not None:
            self._task.cancel()
        _wake(self._drained)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        _wake(self._drained)

    # --- what the listener calls ----------------------------------------------------------

    def drain(self) -> None:
        """Finish what is in hand, take nothing new, say why and close."""
        self._leaves = True
        self._waiting.clear()
        if self._task is None:
            self._leave()

    def retire(self) -> None:
        """The same: each operation stands for itself (M-008)."""
        self.drain()

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def end_if_silent(self, now: float) -> None:
        """`now` is the loop's time. Who has not logged in has a minute."""
        is_stranger = self.visit.account_id is None
        patience = STRANGER_SECONDS if is_stranger else self.door.policy.ldap_idle_seconds
        if now - self.active_at <= patience:
            return
        if self._is_closed or self._drained is not None:
            self.cut()  # it does not read what it is sent: nothing more will come of it
        elif self._task is None:
            self.close("Nothing was heard for too long.")

    # --- what the operations call ---------------------------------------------------------

    def log_in(self, name: str) -> None:
        """The visit is somebody's; `name` is his distinguished one."""
        self.name = name
        self.wire.allowed_bytes = MESSAGE_BYTES

    def log_out(self) -> None:
        self.name = ""
        self.wire.allowed_bytes = STRANGER_BYTES
        self.visit.log_out()

    def forget_waiting(self) -> None:
        """Nothing that the client has sent ahead is done."""
        self._waiting.clear()

    def finish(
        self,
        message: Message,
        result: Result,
        *,
        control: bytes = b"",
        oid: str = "",
        value: str | None = None,
        entries: int = 0,
    ) -> None:
        """Send the last response to a request, write it down, and count mistakes."""
        self.send(
            responses.done(
                message.id, message.operation, result, control=control, oid=oid, value=value
            )
        )
        if traffic.is_told(self.visit):
            traffic.told(self.visit, f"S: {words.of_result(result, entries)}")
        self._mistakes += result.code in _MISTAKES

    def send(self, octets: bytes) -> None:
        self._output.append(octets)
        self._output_bytes += len(octets)

    @property
    def has_much_to_send(self) -> bool:
        return self._output_bytes > FLUSH_BYTES

    def flush(self) -> None:
        if self._output:
            octets, self._output, self._output_bytes = b"".join(self._output), [], 0
            if self.transport is not None:
                self.transport.write(octets)

    async def drained(self) -> None:
        """Wait until the client has read most of what it was sent."""
        self.flush()
        self.active_at = self.door.loop.time()
        if self._is_paused and self.transport is not None:
            self._drained = self.door.loop.create_future()
            await self._drained
            self._drained = None
        if self.transport is None:
            raise ConnectionResetError

    def close(self, text: str = "", code: ResultCode = ResultCode.UNAVAILABLE) -> None:
        """Send what is still to be sent; `text` says why the server hangs up. RFC 4511 §4.4.1."""
        if self._is_closed:
            return
        self._is_closed = True
        self.wire.close()
        self._waiting.clear()
        if text:
            self.send(responses.notice(code, text))
            traffic.told(self.visit, f"S: notice of disconnection: {text}")
        self.flush()
        if self.transport is not None:
            self.transport.close()

    # --- one operation after the other ----------------------------------------------------

    def _take_messages(self) -> None:
        """Take what has come, as far as there is room; abandoning acts at once."""
        if self.wire.waits_for_tls:
            return  # reading rests, so that the handshake finds all of its octets
        while not (self._is_closed or self._leaves) and len(self._waiting) < MOST_WAITING:
            try:
                message = self.wire.next_message()
            except Malformed as error:
                log.info("ldap message malformed", client=self.visit.client_ip, why=str(error))
                self.close("This is no LDAP message.", ResultCode.PROTOCOL_ERROR)
                return
            if message is None:
                break
            self._take(message)
        if self._task is None and self._waiting and not self._is_closed:
            self._task = self.door.loop.create_task(self._carry_out_all())
        if self.transport is not None and not self._is_closed:
            # Without effect on one that does so already.
            if self._task is not None and self.wire.is_full:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def _take(self, message: Message) -> None:
        operation = message.operation
        if traffic.is_told(self.visit):
            traffic.told(self.visit, f"C: {words.of_request(operation)}")
        if isinstance(operation, Unbind):
            self.close()
        elif isinstance(operation, Abandon):
            self._abandon(operation.message_id)
        else:
            self._waiting.append(message)

    def _abandon(self, message_id: int) -> None:
        """RFC 4511 §4.11: nothing is said; binds and StartTLS cannot be abandoned."""
        if message_id == self._running:
            self.is_abandoned = True
        self._waiting = deque(
            one
            for one in self._waiting
            if one.id != message_id or not isinstance(one.operation, Search | Compare)
        )

    async def _carry_out_all(self) -> None:
        while self._waiting and not self._is_closed:
            message = self._waiting.popleft()
            self._running, self.is_abandoned = message.id, False
            try:
                await self._carry_out(message)
                # Who reads no answers gets no more of them.
                await self.drained()
            except ConnectionResetError:
                break
            except Exception:
                log.exception(
                    "ldap operation failed", operation=type(message.operation).__name__,
                    client=self.visit.client_ip,
                )  # fmt: skip
                self.finish(message, OWN_FAULT)
                self.flush()
            self._running = None
            if self._mistakes > self.door.policy.bad_commands:
                self.close("Too many mistakes.")
            elif self.failed_logins >= MAXIMUM_FAILED_LOGINS:
                self.close("Too many log-ins have failed.")
            elif not self._waiting:
                self._take_messages()
        self._task = None
        if self._leaves:
            self._leave()
        else:
            self._take_messages()

    async def _carry_out(self, message: Message) -> None:
        operation = message.operation
        if isinstance(operation, Write):
            self.finish(message, READ_ONLY)
        else:
            await CARRIERS[type(operation)](self, message)

    def _leave(self) -> None:
        self.close("The service is being stopped.")


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
