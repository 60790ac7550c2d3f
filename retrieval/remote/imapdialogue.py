"""Commands to an IMAP server and what it answers to each, one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from protocols.imap.answers import Told
from protocols.imap.client import (
    Challenge,
    Client,
    Event,
    Literal,
    ProtocolViolation,
    ResponseTooLarge,
    WriteOn,
)
from protocols.imap.responses import Condition
from protocols.sasl_client import ClientExchange
from retrieval.remote.errors import RemoteFailed, Stage, said
from retrieval.remote.server import Limits, Remote
from retrieval.remote.session import Refusal, Session, require_proof, respond
from retrieval.remote.wire import Wire

MAX_CHALLENGES = 16


class ImapDialogue(Session):
    """What a session says and hears; what it means is the business of its subclass."""

    def __init__(self, remote: Remote, limits: Limits, wire: Wire) -> None:
        super().__init__(remote, limits, wire)
        self.capabilities: frozenset[str] = frozenset()
        self._client = Client()
        self._events: list[Event] = []

    @property
    def remote(self) -> Remote:
        return self._remote

    @property
    def wire(self) -> Wire:
        return self._wire

    @asynccontextmanager
    async def asking(
        self, stage: Stage, failure: str, *words: bytes | Literal, streams: bool = False
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Send a command; the answers, up to the one that ends it, come out of the iterator.

        Raises RemoteFailed, with `failure` before the server's words where it refuses. A block
        that ends without having seen all closes the connection.
        """
        try:
            with self._step(stage):
                self._write(self._client.send(*words, streams=streams))
                answers = self._answers()
                yield answers
                async for _answer in answers:
                    raise self.nonsense()  # somebody left the iterator too early
        except Refusal as refusal:
            raise RemoteFailed(f"{failure}: {said(refusal.words)}", stage) from None

    async def do(self, stage: Stage, failure: str, *words: bytes | Literal) -> None:
        """A command whose answer is yes or no. Raises RemoteFailed."""
        async with self.asking(stage, failure, *words) as answers:
            async for _answer in answers:
                pass

    async def greeted(self) -> Told:
        """The server's first word. Raises RemoteFailed."""
        with self._step(Stage.CONNECT):
            self._wire.expect()
            event = await self._next()
            if not isinstance(event, Told):
                raise self.nonsense()
            return event

    async def prove(self, *words: bytes | Literal, exchange: ClientExchange | None = None) -> None:
        """A command that logs in, with the steps of `exchange`. Raises RemoteFailed, Refusal."""
        with self._step(Stage.LOGIN):
            self._write(self._client.send(*words, is_sasl=exchange is not None))
            initial = None if exchange is None or len(words) > 1 else exchange.initial
            challenges = 0
            async for event in self._answers():
                if not isinstance(event, Challenge) or exchange is None:
                    continue
                challenges += 1
                if challenges > MAX_CHALLENGES:
                    raise self.nonsense()
                if initial is not None:
                    response, initial = initial, None
                else:
                    response = await respond(exchange, event.data)
                self._write(self._client.respond(response))
            if exchange is not None:
                require_proof(exchange)

    def noticed(self, event: Event) -> None:
        """Called with each answer to any command; what it raises ends the session."""

    def require_nothing_more(self) -> None:
        """Before TLS: octets in clear may be put there by anybody. RFC 3501 §6.2.1, RFC 9051 §11.1.

        Raises RemoteFailed.
        """
        if self._client.has_more or self._wire.has_more or self._events:
            raise self.nonsense()

    def nonsense(self) -> RemoteFailed:
        """What follows can't be understood either: the connection is closed."""
        self.close()
        return RemoteFailed("The server said what no IMAP server may say.", self._stage)

    # --- inside ---

    def _write(self, octets: bytes) -> None:
        self._wire.write(octets)
        self._wire.expect()

    async def _answers(self) -> AsyncIterator[Event]:
        """Up to the tagged response, which is not among them. Raises Refusal."""
        while True:
            event = await self._next()
            if isinstance(event, WriteOn):
                self._write(event.octets)
                continue
            if isinstance(event, Told) and event.condition is Condition.BYE:
                self._goodbye = said(event.text)
            if isinstance(event, Told) and event.capabilities is not None:
                self.capabilities = event.capabilities
            if isinstance(event, Told) and event.is_tagged and event.condition is not Condition.OK:
                raise Refusal(event.text, event.code)
            self.noticed(event)
            yield event
            if isinstance(event, Told) and event.is_tagged:
                return

    async def _next(self) -> Event:
        while not self._events:
            data = await self._wire.read()
            try:
                self._events = self._client.receive(data)
            except ResponseTooLarge:
                raise self.too_much() from None
            except ProtocolViolation:
                raise self.nonsense() from None
            self._events.reverse()
        return self._events.pop()
