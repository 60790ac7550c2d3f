"""One IMAP connection: its state, what it is waiting for, and what it has to say."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol, cast

from listeners import traffic
from listeners.imap import refusals
from listeners.imap.carriers import CARRIERS, Answer
from protocols.imap import responses
from protocols.imap.commands import Fetch, Search, Sort, Store, Thread
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
    from listeners.imap.server import Door

STRANGER_SECONDS = 60.0
LEAST_AUTOLOGOUT_SECONDS = 30 * 60.0  # RFC 3501 §5.4
READ_AHEAD_BYTES = 64 * 1024  # of a client that sends on while a command runs
FLUSH_BYTES = 64 * 1024

CONTINUE = responses.CONTINUE.encode()
# RFC 3501 §7.4.1: no EXPUNGE may come while one of these is answered, unless it speaks of UIDs.
_KEEP_NUMBERS = (Fetch, Store, Search, Sort, Thread)


class Intake(Protocol):
    """The message of an APPEND while it comes in."""

    def write(self, chunk: bytes) -> None:
        """Never raises: `finish` answers what went wrong."""

    def finish(self) -> Coroutine[Any, Any, Answer]: ...

    def abort(self) -> None: ...


class Session(asyncio.Protocol):
    """Reads one command at a time; what needs waiting runs as a task, the rest at once."""

    __slots__ = (
        "_drained",
        "_is_closed",
        "_is_paused",
        "_leaves",
        "_line",
        "_output",
        "_output_bytes",
        "_task",
        "account",
        "active_at",
        "bad_commands",
        "capabilities",
        "door",
        "enabled",
        "failed_logins",
        "idle_tag",
        "intake",
        "reader",
        "selected",
        "tag",
        "transport",
        "visit",
    )  # fmt: skip

    def __init__(self, door: Door, visit: Visit) -> None:
        self.door = door
        self.visit = visit
        self.reader = CommandReader()
        self.transport: asyncio.Transport | None = None
        self.account: AccountPolicy | None = None
        self.selected: Selected | None = None
        self.intake: Intake | None = None
        self.enabled: frozenset[str] = frozenset()
        self.tag = b"*"  # of the command in hand
        self.idle_tag: bytes | None = None
        self.capabilities: tuple[str, ...] = ()
        self.bad_commands = 0
        self.failed_logins = 0
        self.active_at = door.loop.time()
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._line: asyncio.Future[bytes] | None = None  # that a running command waits for
        self._drained: asyncio.Future[None] | None = None
        self._is_paused = False  # the client does not read what it is sent
        self._leaves = False  # ends as soon as what is in hand is done
        self._is_closed = False

    @property
    def state(self) -> State:
        if self.account is None:
            return State.NOT_AUTHENTICATED
        return State.AUTHENTICATED if self.selected is None else State.SELECTED

    # --- what asyncio calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by class, only by what they do.
        self.transport = cast(asyncio.Transport, transport)
        self.door.sessions.add(self)
        self._run(None, self.door.greet(self))

    def data_received(self, data: bytes) -> None:
        self.active_at = self.door.loop.time()
        if self.visit.tap is not None:
            self.visit.tap.heard(data)
        self.reader.feed(data)
        if self._may_advance():
            self._advance()
        elif self.reader.buffered_bytes > READ_AHEAD_BYTES and self.transport is not None:
            self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._is_closed = True
        self.door.sessions.discard(self)
        self.visit.end()
        if self._task is not None:
            self._task.cancel()
        self._drop_intake()
        self.leave_folder()
        _wake(self._drained)

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        _wake(self._drained)
        if self._task is None:
            self.folder_changed()
            self._advance()

    # --- what the listener calls ----------------------------------------------------------

    def drain(self) -> None:
        """Finish what is in hand, take nothing new, then say good-bye and close."""
        self._leaves = True
        if self._task is None and self.intake is None:
            self.say_goodbye("Server is shutting down")

    retire = drain

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def end_if_silent(self, now: float) -> None:
        """Autologout; `now` is the loop's time. A command in progress is not interrupted."""
        patience = STRANGER_SECONDS
        if self.account is not None:
            patience = max(self.door.policy.imap_idle_seconds, LEAST_AUTOLOGOUT_SECONDS)
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
            if self.visit.tap is not None:
                self.visit.tap.said(octets)

    async def drained(self) -> None:
        """Let other sessions run, and wait until the client has read most of what it was sent."""
        self.flush()
        await asyncio.sleep(0)
        if self._is_paused and self.transport is not None:
            self._drained = self.door.loop.create_future()
            await self._drained
            self._drained = None
        if self.transport is None:
            raise ConnectionResetError

    async def next_line(self) -> bytes:
        """The client's next line, which is no command."""
        self.reader.expect_line()
        line: asyncio.Future[bytes] = self.door.loop.create_future()
        self._line = line
        self.flush()
        self.door.loop.call_soon(self._advance)
        return await line

    def log_in(self, account: AccountPolicy) -> None:
        self.account = account
        self.reader.limits = LOGGED_IN_LIMITS

    def turn_to_tls(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.visit.is_encrypted = True

    def leave_folder(self) -> None:
        if self.selected is not None:
            self.selected.close()
            self.selected = None

    def refuse(self, tag: bytes, text: str) -> None:
        """Answer BAD; too many of them end the session (N-007)."""
        self.send(responses.bad(text).encode(tag))
        self.bad_commands += 1
        if self.bad_commands >= self.door.policy.bad_commands:
            self.say_goodbye("Too many bad commands")

    def say_goodbye(self, text: str, code: bytes = b"") -> None:
        if not self._is_closed:
            self.send(responses.bye(text, code).encode())
            self.close()

    def close(self) -> None:
        self._is_closed = True
        self.flush()
        if self.transport is not None:
            self.transport.close()

    def folder_changed(self) -> None:
        """The selected folder has news: told at once if the client idles, else when it may be."""
        if self.selected is not None and self.selected.folder.is_gone:
            self.say_goodbye("The selected folder was deleted")
        elif self.idle_tag is not None and self._task is None and not self._is_paused:
            self._report(may_expunge=True)
            self.flush()

    # --- one event after the other --------------------------------------------------------

    def _may_advance(self) -> bool:
        """Not while a command runs, nor while the client does not read what it was answered."""
        if self._is_closed or self._is_paused:
            return False
        return self._task is None or self._line is not None

    def _advance(self) -> None:
        while self._may_advance():
            if self._leaves and self._task is None and self.intake is None:
                self.say_goodbye("Server is shutting down")
                break
            event = self.reader.next_event()
            if event is None:
                break
            self._take(event)
        self.flush()
        if self._task is None and self.transport is not None and self._may_advance():
            # Without effect on a transport that reads already.
            self.transport.resume_reading()

    def _take(self, event: Event) -> None:
        if isinstance(event, Received):
            if event.verb.states & self.state:
                self._carry_out(event.tag, event.command)
            else:
                self.refuse(event.tag, f"{event.verb.name} is not possible now")
        elif isinstance(event, MessageChunk):
            assert self.intake is not None
            self.intake.write(event.octets)
        elif isinstance(event, AppendOffered):
            self._take_offer(event)
        elif isinstance(event, AppendReceived):
            intake, self.intake = self.intake, None
            assert intake is not None
            self._run(event, intake.finish())
        elif isinstance(event, ContinuationWanted):
            self.send(CONTINUE)
        elif isinstance(event, LineReceived):
            self._take_line(event.line)
        else:
            self._take_refused(event)

    def _carry_out(self, tag: bytes, command: Any) -> None:
        self.tag = tag
        try:
            carried = CARRIERS[type(command)](self, command)
        except Exception as error:
            carried = refusals.status_of(error)
        if isinstance(carried, Coroutine):
            self._run(command, carried)
        else:
            self._end(command, carried)

    def _run(self, command: Any, coroutine: Coroutine[Any, Any, Answer]) -> None:
        self._task = self.door.loop.create_task(self._complete(command, coroutine))

    async def _complete(self, command: Any, coroutine: Coroutine[Any, Any, Answer]) -> None:
        try:
            answer = await coroutine
        except Exception as error:
            if self.transport is None:  # the client has gone in the middle of it
                return
            answer = refusals.status_of(error)
        self._task = self._line = None
        if self.transport is not None:
            self._end(command, answer)
            self._advance()

    def _end(self, command: Any, answer: Answer) -> None:
        if answer is None:
            return
        self.bad_commands = 0
        if isinstance(command, AppendOffered):
            self.reader.refuse_message()
        if self.selected is not None:
            keeps_numbers = isinstance(command, _KEEP_NUMBERS) and not command.by_uid
            self._report(may_expunge=not keeps_numbers)
        answered = answer.encode(self.tag)
        traffic.answered(self.visit, command, answered)
        self.send(answered)

    def _report(self, *, may_expunge: bool) -> None:
        selected = self.selected
        if selected is not None and selected.has_news:
            self.send(selected.report(may_expunge=may_expunge))

    def _take_offer(self, offered: AppendOffered) -> None:
        if offered.verb.states & self.state:
            self._carry_out(offered.tag, offered)
        else:
            self.reader.refuse_message()
            self.refuse(offered.tag, "APPEND is not possible now")

    def _take_line(self, line: bytes) -> None:
        waiting, self._line = self._line, None
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(line)
            return
        tag, self.idle_tag = self.idle_tag, None
        assert tag is not None
        if line.upper() == b"DONE":
            self._end(None, responses.ok("IDLE completed"))
        else:
            self.refuse(tag, "Expected DONE")

    def _take_refused(self, refused: Refused) -> None:
        self._drop_intake()
        self.idle_tag = None
        if refused.is_no and refused.tag is not None:
            self.send(responses.no(refused.text, refused.code).encode(refused.tag))
        else:
            self.refuse(refused.tag or b"*", refused.text)

    def _drop_intake(self) -> None:
        if self.intake is not None:
            self.intake.abort()
            self.intake = None


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
