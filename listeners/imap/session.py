"""One IMAP connection: its state, what it is waiting for, and what it has to say."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from listeners.imap import refusals
from listeners.imap.registry import CARRIERS, Answer
from protocols.imap import responses
from protocols.imap.commands import Command, Fetch, Search, Sort, Store, Thread
from protocols.imap.responses import CONTINUE, Status
from protocols.imap.server import (
    LOGGED_IN_LIMITS,
    AppendOffered,
    AppendReceived,
    CommandReader,
    ContinuationWanted,
    Event,
    LineReceived,
    MessageChunk,
    Received,
    Refused,
)
from protocols.imap.verbs import State

if TYPE_CHECKING:
    from accounts.directory import AccountPolicy
    from listeners.base import Visit
    from listeners.imap.selected import Selected
    from listeners.imap.server import Imap

log = structlog.get_logger(__name__)

BAD_COMMANDS = 8  # N-007: then the client is sent away
STRANGER_SECONDS = 60.0
AUTOLOGOUT_SECONDS = 30 * 60.0  # RFC 3501 §5.4: at least 30 minutes
READ_AHEAD_BYTES = 64 * 1024  # of a client that pipelines while a command runs
FLUSH_BYTES = 64 * 1024

# RFC 3501 §7.4.1: no EXPUNGE may come while one of these is answered, unless it speaks of UIDs.
_KEEPS_NUMBERS = (Fetch, Store, Search, Sort, Thread)


class Intake(Protocol):
    """The message of an APPEND while it comes in."""

    def write(self, chunk: bytes) -> None: ...

    def finish(self) -> Coroutine[Any, Any, Answer]: ...

    def abort(self) -> None: ...


class Session(asyncio.Protocol):
    """Reads one command at a time; what needs waiting runs as a task, the rest at once."""

    __slots__ = (
        "_drained", "_is_paused", "_leaves", "_line", "_output", "_output_bytes", "_task", "account",
        "active_at", "bad_commands", "enabled", "idle_tag", "imap", "intake", "reader", "selected",
        "transport", "visit",
    )  # fmt: skip

    def __init__(self, imap: Imap, visit: Visit) -> None:
        self.imap = imap
        self.visit = visit
        self.reader = CommandReader()
        self.transport: asyncio.Transport | None = None
        self.account: AccountPolicy | None = None
        self.selected: Selected | None = None
        self.intake: Intake | None = None
        self.idle_tag: bytes | None = None
        self.enabled: frozenset[str] = frozenset()
        self.bad_commands = 0
        self.active_at = imap.loop.time()
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._line: asyncio.Future[bytes] | None = None  # of AUTHENTICATE
        self._drained: asyncio.Future[None] | None = None
        self._is_paused = False  # the client does not read what it is sent
        self._leaves = False  # ends as soon as what is in hand is done

    @property
    def state(self) -> State:
        if self.account is None:
            return State.NOT_AUTHENTICATED
        return State.AUTHENTICATED if self.selected is None else State.SELECTED

    # --- what asyncio calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        is_new = self.transport is None
        self.transport = transport
        if is_new:
            self.imap.sessions.add(self)
            self.send(self.imap.greeting(self))
            self.flush()

    def data_received(self, data: bytes) -> None:
        self.active_at = self.imap.loop.time()
        self.reader.feed(data)
        if self._task is None or self._line is not None:
            self._advance()
        elif self.reader.buffered_bytes > READ_AHEAD_BYTES and self.transport is not None:
            self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.imap.sessions.discard(self)
        self.visit.end()
        if self._task is not None:
            self._task.cancel()
        if self.intake is not None:
            self.intake.abort()
            self.intake = None
        self.leave_folder()
        self._wake(self._drained)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        self._wake(self._drained)

    # --- what the listener calls ----------------------------------------------------------

    def drain(self) -> None:
        """Finish what is in hand, take nothing new, then say good-bye and close."""
        if self._task is not None or self.intake is not None:
            self._leaves = True
        else:
            self.say_goodbye("Server is shutting down")

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def end_if_silent(self, now: float) -> None:
        """Autologout; `now` is the loop's time. A command in progress is not interrupted."""
        patience = STRANGER_SECONDS if self.account is None else AUTOLOGOUT_SECONDS
        if now - self.active_at > patience and (self._task is None or self._line is not None):
            self.say_goodbye("Autologout; idle for too long")

    # --- what the commands call -----------------------------------------------------------

    def send(self, octets: bytes) -> None:
        self._output.append(octets)
        self._output_bytes += len(octets)
        if self._output_bytes > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._output:
            octets = b"".join(self._output) if len(self._output) > 1 else self._output[0]
            self._output.clear()
            self._output_bytes = 0
            if self.transport is not None:
                self.transport.write(octets)

    async def drained(self) -> None:
        """Wait until the client has read most of what it was sent."""
        self.flush()
        if self._is_paused and self.transport is not None:
            self._drained = self.imap.loop.create_future()
            await self._drained
            self._drained = None
        if self.transport is None:
            raise ConnectionResetError

    async def next_line(self) -> bytes:
        """The client's next line, which is no command."""
        self.reader.expect_line()
        self._line = self.imap.loop.create_future()
        self.flush()
        self.imap.loop.call_soon(self._advance)
        try:
            return await self._line
        finally:
            self._line = None

    def log_in(self, account: AccountPolicy) -> None:
        self.account = account
        self.reader.limits = LOGGED_IN_LIMITS

    def leave_folder(self) -> None:
        if self.selected is not None:
            self.selected.close()
            self.selected = None

    def say_goodbye(self, text: str, code: bytes = b"") -> None:
        self.send(responses.bye(text, code).encode())
        self.close()

    def close(self) -> None:
        self._leaves = True
        self.flush()
        if self.transport is not None:
            self.transport.close()

    def folder_changed(self) -> None:
        """The selected folder has news; told now if the client idles, else with its next command."""
        if self.idle_tag is not None and self._task is None:
            self._report(may_expunge=True)
            self.flush()

    # --- one event after the other ----------------------------------------------------------

    def _advance(self) -> None:
        while (self._task is None or self._line is not None) and not self._leaves:
            event = self.reader.next_event()
            if event is None:
                break
            self._take(event)
        self.flush()
        if self._leaves and self._task is None and self.transport is not None:
            if not self.transport.is_closing():
                self.say_goodbye("Server is shutting down")
            return
        if self.transport is not None and not self.transport.is_reading():
            self.transport.resume_reading()

    def _take(self, event: Event) -> None:
        match event:
            case Received(tag, verb, command):
                if verb.states & self.state:
                    self._carry_out(tag, command)
                else:
                    self.refuse(tag, f"{verb.name} is not possible now")
            case MessageChunk(octets):
                if self.intake is not None:
                    self.intake.write(octets)
            case AppendOffered():
                self._offer(event)
            case AppendReceived(tag):
                intake, self.intake = self.intake, None
                assert intake is not None
                self._run(tag, None, intake.finish())
            case ContinuationWanted():
                self.send(CONTINUE.encode())
            case LineReceived(line):
                self._take_line(line)
            case Refused():
                self._take_refused(event)

    def _carry_out(self, tag: bytes, command: Command) -> None:
        self.bad_commands = 0
        carry_out = CARRIERS.get(type(command))
        if carry_out is None:
            self.refuse(tag, "Command is not offered")
            return
        try:
            carried = carry_out(self, command)
        except Exception as error:
            carried = refusals.status_of(error)
        if isinstance(carried, Coroutine):
            self._run(tag, command, carried)
        else:
            self._end(tag, command, carried)

    def _run(
        self, tag: bytes, command: Command | None, coroutine: Coroutine[Any, Any, Answer]
    ) -> None:
        self._task = self.imap.loop.create_task(self._complete(tag, command, coroutine))

    async def _complete(
        self, tag: bytes, command: Command | None, coroutine: Coroutine[Any, Any, Answer]
    ) -> None:
        try:
            answer = await coroutine
        except Exception as error:
            answer = refusals.status_of(error)
        self._task = None
        if self.transport is None:
            return
        self._end(tag, command, answer)
        self._advance()

    def _end(self, tag: bytes, command: Command | None, answer: Answer) -> None:
        if answer is None:
            if command is not None and self.idle_tag is None:
                return
            self.idle_tag = tag
            return
        if self.selected is not None:
            keeps = isinstance(command, _KEEPS_NUMBERS) and not command.by_uid
            self._report(may_expunge=not keeps)
        self.send(answer.encode(tag))

    def _report(self, *, may_expunge: bool) -> None:
        selected = self.selected
        if selected is not None and selected.has_news:
            for response in selected.report(may_expunge=may_expunge):
                self.send(response)

    def _offer(self, offered: AppendOffered) -> None:
        pass

    def _take_line(self, line: bytes) -> None:
        if self._line is not None:
            if not self._line.done():
                self._line.set_result(line)
                self._line = None
            return
        tag, self.idle_tag = self.idle_tag, None
        assert tag is not None
        if line.upper() == b"DONE":
            self._end(tag, None, responses.ok("IDLE completed"))
        else:
            self.refuse(tag, "Expected DONE")

    def refuse(self, tag: bytes, text: str) -> None:
        """Answer BAD; too many of them end the session (N-007)."""
        self.send(responses.bad(text).encode(tag))
        self.bad_commands += 1
        if self.bad_commands >= BAD_COMMANDS:
            self.say_goodbye("Too many bad commands")

    def _take_refused(self, refused: Refused) -> None:
        if self.intake is not None:
            self.intake.abort()
            self.intake = None
        if refused.is_no:
            assert refused.tag is not None
            self.send(responses.no(refused.text, refused.code).encode(refused.tag))
        else:
            self.refuse(refused.tag or b"*", refused.text)

    @staticmethod
    def _wake(waiting: asyncio.Future[None] | None) -> None:
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
