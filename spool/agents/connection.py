"""One SMTP connection to another server: the sans-IO client on an asyncio transport."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import cast

from protocols.smtp.client import CONNECTION_LOST, WRITE_TIMEOUT_SECONDS, SmtpClient
from protocols.smtp.clientevents import (
    Answered,
    BodyWanted,
    Event,
    Finished,
    SessionRefused,
    StartTls,
)
from protocols.smtp.outgoing import Outcome, OutgoingEnvelope, Stage
from protocols.smtp.replies import Reply
from spool.agents import openconnections
from spool.agents.dialogue import Dialogue
from spool.agents.openconnections import OutboundConnection
from spool.agents.tls import JudgeChain, ResumingContext, TlsProblem, chain_of, problem_of

HANDSHAKE_SECONDS = 60.0
QUIT_SECONDS = 5.0


class SessionLost(Exception):
    """The session never came so far that a message could be sent."""

    def __init__(
        self,
        reply: Reply,
        stage: Stage,
        *,
        by_peer: bool,
        problem: TlsProblem | None = None,
        reason: str = "",
    ) -> None:
        """`problem` and `reason`: what was wrong with the encryption, if that was it."""
        super().__init__(reply.text)
        self.problem = problem
        self.reason = reason
        self.reply = reply
        self.stage = stage
        self.by_peer = by_peer


class SmtpConnection(asyncio.Protocol):
    """`ready`, then `send` one message after the other, then `quit`; one caller at a time."""

    def __init__(
        self,
        client: SmtpClient,
        *,
        tls_context: ResumingContext,
        server_name: str,
        dialogue: Dialogue | None = None,
        judge_chain: JudgeChain | None = None,
    ) -> None:
        """`server_name`: what the certificate is asked for; an address has none but itself."""
        self._judge_chain = judge_chain
        self._problem: TlsProblem | None = None
        self._reason = ""
        self.client = client
        self.messages_sent = 0
        self._tls_context = tls_context
        self._server_name = server_name
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None  # None: writing may go on
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._refused: SessionRefused | None = None
        self._outcomes: tuple[Outcome, ...] | None = None
        self._answer: Reply | None = None
        self._dialogue = dialogue
        self._wants_tls = False
        self._wants_body = False
        self._listed: OutboundConnection | None = None

    # --- what the caller asks ---

    async def ready(self) -> None:
        """Wait for the greeting, TLS and the login. Raises SessionLost."""
        while not self.client.is_ready:
            if self._refused is not None:
                refused = self._refused
                raise SessionLost(
                    refused.reply,
                    refused.stage,
                    by_peer=refused.by_peer,
                    problem=self._problem,
                    reason=self._reason,
                )
            if self._wants_tls:
                await self._start_tls()
            else:
                await self._wait()

    async def send(
        self, envelope: OutgoingEnvelope, body: bytes | AsyncIterator[bytes]
    ) -> tuple[Outcome, ...]:
        """One message; the outcomes in the order of the recipients. Raises nothing of the network.

        What `body` raises comes through, and the connection is of no more use then.
        """
        self._outcomes, self._wants_body = None, False
        self._act(self.client.send(envelope, body if isinstance(body, bytes) else None))
        while (outcomes := self._take_outcomes()) is None:
            if self._wants_body and not isinstance(body, bytes):
                self._wants_body = False
                await self._stream(body)
            else:
                await self._wait()
        if not self.messages_sent:
            self._remember_session()
        self.messages_sent += 1
        return outcomes

    async def ask(self, line: bytes) -> Reply:
        """One command outside a message. Raises SessionLost."""
        self._answer = None
        self._act(self.client.ask(line))
        while (answer := self._take_answer()) is None:
            if self.client.is_closed:
                raise SessionLost(CONNECTION_LOST, Stage.RCPT, by_peer=False)
            await self._wait()
        return answer

    def _take_answer(self) -> Reply | None:
        return self._answer

    def _take_outcomes(self) -> tuple[Outcome, ...] | None:
        return self._outcomes

    async def quit(self) -> None:
        """Say goodbye and close; never fails."""
        self._remember_session()
        if self.client.is_ready:
            self._act(self.client.quit())
            try:
                async with asyncio.timeout(QUIT_SECONDS):
                    while not self.client.is_closed:
                        await self._wait()
            except TimeoutError:
                pass
        self.abort()

    def abort(self) -> None:
        """Let go of the transport at once."""
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    @property
    def is_open(self) -> bool:
        return self.client.is_ready

    @property
    def tls(self) -> str:
        """Version and cipher, for people; empty without TLS."""
        if self._transport is None:
            return ""
        details = self._transport.get_extra_info("ssl_object")
        if details is None:
            return ""
        return f"{details.version()} {(details.cipher() or ('',))[0]}"

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._listed = openconnections.enter(
            OutboundConnection(
                self._transport, self._server_name or "", lambda: self.tls, self.abort
            )
        )
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._dialogue is not None:
            self._dialogue.received(data)
        self._act(self.client.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:
        openconnections.leave(self._listed)
        self.resume_writing()
        self._act(self.client.closed())
        self._stop_timer()

    def pause_writing(self) -> None:
        if self._drained is None:
            self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # --- inside ---

    def _remember_session(self) -> None:
        """With TLS 1.3 the ticket comes behind the handshake: late enough it is there."""
        details = None
        if self._transport is not None:
            details = self._transport.get_extra_info("ssl_object")
        if details is not None:
            self._tls_context.remember(self._server_name, details.session)

    def _act(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Finished):
                self._outcomes = event.outcomes
            elif isinstance(event, BodyWanted):
                self._wants_body = True
            elif isinstance(event, StartTls):
                self._wants_tls = True
            elif isinstance(event, Answered):
                self._answer = event.reply
            elif isinstance(event, SessionRefused):
                self._refused = event
        self._flush()
        if events:
            self._wake()
            if self.client.is_closed and self._transport is not None:
                self._transport.close()

    def _flush(self) -> None:
        if self._transport is None:
            return
        data = self.client.take()
        if data:
            if self._dialogue is not None:
                self._dialogue.sent(data)
            self._transport.write(data)
        seconds = self.client.timeout_seconds
        if seconds is None:
            self._deadline = None
        else:
            self._deadline = self._loop.time() + seconds
            if self._timer is None:
                self._timer = self._loop.call_later(seconds, self._check_deadline)

    def _check_deadline(self) -> None:
        """One timer for each connection: it looks, when it fires, how much time is left."""
        self._timer = None
        if self._deadline is None:
            return
        left = self._deadline - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_deadline)
        else:
            self._act(self.client.timed_out())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadline = None

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _wait(self) -> None:
        """Until the next event."""
        self._waiter = self._loop.create_future()
        await self._waiter

    async def _start_tls(self) -> None:
        assert self._transport is not None
        self._wants_tls = False
        try:
            transport = await self._loop.start_tls(
                self._transport,
                self,
                self._tls_context,
                server_hostname=self._server_name,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError) as error:
            transport = None
            self._problem, self._reason = problem_of(error), _words(error)
        if transport is not None and (refusal := self._refusal_of(transport)):
            self._problem, self._reason = TlsProblem.OTHER, refusal
            transport.abort()
            transport = None
        if transport is None or self.client.is_closed:
            if not self.client.is_closed:
                self._act(self.client.tls_failed())
            return
        self._transport = transport
        if self._dialogue is not None:
            self._dialogue.note(f"encrypted with {self.tls}")
        self._act(self.client.tls_started())

    def _refusal_of(self, transport: asyncio.Transport) -> str:
        if self._judge_chain is None:
            return ""
        return self._judge_chain(chain_of(transport.get_extra_info("ssl_object")))

    async def _stream(self, body: AsyncIterator[bytes]) -> None:
        async for chunk in body:
            if self.client.is_closed or self._outcomes is not None:
                return
            self.client.write_body(chunk)
            self._flush()
            if self._drained is not None:
                try:
                    async with asyncio.timeout(WRITE_TIMEOUT_SECONDS):
                        await asyncio.shield(self._drained)
                except TimeoutError:
                    self._act(self.client.timed_out())
                    self.abort()
                    return
        self.client.end_body()
        self._flush()


def _words(error: BaseException) -> str:
    """For the trace: nothing that the other server says stands in it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message).rstrip(".")
    if isinstance(error, ssl.SSLError):
        return (error.reason or "the handshake failed").replace("_", " ").lower()
    return "the connection was lost in the handshake"
