"""One POP3 connection: its state, the maildrop it holds, and one command after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, cast

import structlog

from listeners import traffic
from listeners.base import Visit
from protocols import sasl
from protocols.pop3 import replies
from protocols.pop3.commands import AuthResponse, Command
from protocols.pop3.replies import Reply
from protocols.pop3.server import Connection, State

if TYPE_CHECKING:
    from listeners.pop3.maildrop import OpenMaildrop
    from listeners.pop3.server import Door

log = structlog.get_logger(__name__)

STRANGER_SECONDS = 60.0
FLUSH_BYTES = 64 * 1024

# What a command gives back: a reply, bytes of a longer one, or None where all is sent already.
Answer = Reply | bytes | None


class GivenUp(Exception):
    """The client broke off a SASL exchange with a line that is none of it."""


class Session(asyncio.Protocol):
    """Answers what it can at once; what needs waiting runs as a task, one at a time."""

    __slots__ = (
        "_drained", "_is_closed", "_is_paused", "_leaves", "_output", "_output_bytes",
        "_response", "_task", "active_at", "door", "failed_logins", "maildrop", "name",
        "transport", "visit", "wire",
    )  # fmt: skip

    def __init__(self, door: Door, visit: Visit) -> None:
        self.door = door
        self.visit = visit
        self.wire = Connection()
        self.transport: asyncio.Transport | None = None
        self.name = ""  # that USER gave
        self.maildrop: OpenMaildrop | None = None
        self.failed_logins = 0
        self.active_at = door.loop.time()
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._response: asyncio.Future[bytes] | None = None  # that a SASL exchange waits for
        self._drained: asyncio.Future[None] | None = None
        self._is_paused = False  # the client does not read what it is sent
        self._leaves = False  # ends as soon as what is in hand is done
        self._is_closed = False

    # --- what asyncio calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports are none of asyncio's classes.
        self.transport = cast("asyncio.Transport", transport)
        self.door.sessions.add(self)
        self.transport.write(self.door.greeting)

    def data_received(self, data: bytes) -> None:
        self.active_at = self.door.loop.time()
        if self.visit.tap is not None:
            self.visit.tap.heard(data)
        self.wire.receive(data)
        if self._task is None or self._response is not None:
            self._advance()
        elif self.wire.is_full and self.transport is not None:
            self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._is_closed = True
        self.door.sessions.discard(self)
        self.visit.end()
        if self._task is not None:
            self._task.cancel()
        if self.maildrop is not None:
            # RFC 1939 §6: without QUIT nothing is removed.
            self.maildrop.let_go()
            self.maildrop = None
        _wake(self._drained)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        _wake(self._drained)

    # --- what the listener calls ----------------------------------------------------------

    def drain(self) -> None:
        """Finish what is in hand, take nothing new, then close."""
        self._leaves = True
        if self._task is None or self._response is not None:
            self.close()

    def retire(self) -> None:
        """A maildrop that is open may be worked on until QUIT; who has none yet must go (M-008)."""
        if self.maildrop is None:
            self.drain()

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def end_if_silent(self, now: float) -> None:
        """Autologout; `now` is the loop's time. RFC 1939 §3: no reply, nothing removed."""
        is_stranger = self.maildrop is None
        patience = STRANGER_SECONDS if is_stranger else self.door.policy.pop_idle_seconds
        if now - self.active_at <= patience:
            return
        if self._is_closed or self._drained is not None:
            self.cut()  # it does not read what it is sent: nothing more will come of it
        elif self._task is None or self._response is not None:
            self.close()

    # --- what the commands call -----------------------------------------------------------

    def send(self, answer: Reply | bytes) -> None:
        octets = answer if isinstance(answer, bytes) else answer.encode()
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
            if self.visit.tap is not None:
                self.visit.tap.said(octets)

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

    async def converse(self, challenge: bytes) -> bytes:
        """One step of a SASL exchange. Raises sasl.Cancelled or GivenUp."""
        self.wire.change_to(State.SASL)
        self._response = self.door.loop.create_future()
        self.send(replies.challenge(challenge))
        self.flush()
        self.door.loop.call_soon(self._advance)
        try:
            return await self._response
        finally:
            self._response = None
            if self.wire.state is State.SASL:
                self.wire.change_to(State.AUTHORIZATION)

    def close(self) -> None:
        """Send what is still to be sent; the maildrop is let go when the connection is gone."""
        self._is_closed = True
        self.wire.change_to(State.CLOSED)
        self.flush()
        if self.transport is not None:
            self.transport.close()

    # --- one command after the other ------------------------------------------------------

    def _advance(self) -> None:
        self.wire.allowed_bad_commands = self.door.policy.bad_commands
        while (self._task is None or self._awaits_response()) and not self._is_closed:
            if self._leaves and self._task is None:
                self.close()
                break
            command = self.wire.next_command()
            if command is None:
                break
            self._take(command)
        if self.wire.state is State.CLOSED and self._task is None:
            self.close()
        self.flush()
        if self._task is None and self.transport is not None and not self._is_closed:
            self.transport.resume_reading()  # without effect on one that reads already

    def _awaits_response(self) -> bool:
        return self._response is not None and not self._response.done()

    def _take(self, command: Command | Reply) -> None:
        if self._response is not None:
            self._take_response(self._response, command)
        elif isinstance(command, Reply):
            self.send(command)
        else:
            self._carry_out(command)

    def _take_response(self, waiting: asyncio.Future[bytes], command: Command | Reply) -> None:
        if isinstance(command, AuthResponse) and command.response is not None:
            waiting.set_result(command.response)
        elif isinstance(command, AuthResponse):
            waiting.set_exception(sasl.Cancelled())
        else:
            waiting.set_exception(GivenUp())

    def _carry_out(self, command: Command) -> None:
        try:
            answer = self.door.carry_out[type(command)](self, command)
        except Exception:
            answer = self._own_fault(command)
        if isinstance(answer, Coroutine):
            self._task = self.door.loop.create_task(self._complete(command, answer))
        elif answer is not None:
            traffic.answered(self.visit, command, answer)
            self.send(answer)

    async def _complete(self, command: Command, waiting: Coroutine[Any, Any, Answer]) -> None:
        try:
            answer = await waiting
        except ConnectionResetError:
            answer = None
        except Exception:
            answer = self._own_fault(command)
        self._task = None
        if self.transport is not None:
            if answer is not None:
                traffic.answered(self.visit, command, answer)
                self.send(answer)
            self._advance()

    def _own_fault(self, command: Command) -> Reply:
        log.exception("pop3 command failed", command=command.keyword, client=self.visit.client_ip)
        return replies.SERVER_FAULT


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
