"""Fetching by POP3: the listing, messages as streams, and deletions that QUIT commits. RFC 1939."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from protocols import sasl_client
from protocols.pop3.client import (
    BodyChunk,
    BodyEnd,
    Challenge,
    Client,
    Event,
    ProtocolViolation,
    ResponseTooLarge,
)
from protocols.pop3.client import Response as Pop3Response
from protocols.pop3.commands import (
    Auth,
    AuthResponse,
    Capa,
    Command,
    Dele,
    List,
    Pass,
    Quit,
    Retr,
    Stls,
    Uidl,
    User,
)
from retrieval.remote import connecting
from retrieval.remote.connecting import Network
from retrieval.remote.errors import LoginRefused, MessageTooBig, RemoteFailed, Stage, said
from retrieval.remote.server import Limits, Remote, Security
from retrieval.remote.session import Refusal, Session, require_proof, require_sendable, respond
from retrieval.remote.wire import Wire

LISTING_BYTES = 8 * 1024 * 1024  # 100,000 messages with the longest ids of RFC 1939 §7
UIDL_CHARACTERS = 255  # RFC 1939 §7 allows 70; some servers use more
MAX_CHALLENGES = 16

# RFC 2449 §8.1, RFC 3206: nothing is wrong with the password.
TEMPORARY_CODES = frozenset({"IN-USE", "LOGIN-DELAY", "SYS/TEMP", "SYS/PERM"})


@dataclass(frozen=True, slots=True)
class Pop3Item:
    """One message of the maildrop."""

    number: int  # in this session only
    uidl: str  # 1 to 255 printable ASCII characters, the same in every session
    size: int  # bytes, as the server says; what comes may differ


class Pop3Session(Session):
    """A maildrop that is open. Raises RemoteFailed from everything.

    A refusal of one command leaves the session usable; any other failure closes it, and deletions
    are forgotten then.
    """

    def __init__(self, remote: Remote, limits: Limits, wire: Wire) -> None:
        super().__init__(remote, limits, wire)
        self._client = Client(body_bytes=LISTING_BYTES)
        self._events: list[Event] = []
        self._capabilities: dict[str, list[str]] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, remote: Remote, limits: Limits, allowed_networks: Sequence[Network] = ()
    ) -> AsyncIterator[Self]:
        """Connect and log in; the end of the block closes the connection, without QUIT.

        Addresses in `allowed_networks` may be private ones. Raises TargetForbidden, LoginRefused,
        RemoteFailed.
        """
        require_sendable(remote)
        wire = await connecting.connect(remote, limits, allowed_networks)
        session = cls(remote, limits, wire)
        try:
            await session._greet()
            await session._log_in()
            yield session
        finally:
            session.close()

    async def listing(self) -> list[Pop3Item]:
        """All messages, in the server's order.

        Two of them may have one uidl: RFC 1939 §7 lets copies of a message have the same.
        """
        uidls = await self._lines(
            Uidl(),
            "The server does not support UIDL, by which messages are"
            " known again. Without it nothing can be fetched safely",
        )
        sizes = await self._lines(List(), "The server did not list the messages")
        by_number = dict(map(self._pair, sizes))
        items = []
        for number, uidl in map(self._pair, uidls):
            size = by_number.get(number, "").partition(" ")[0]  # RFC 1939 §5 lets more follow
            if not 0 < len(uidl) <= UIDL_CHARACTERS or not _is_visible(uidl):
                raise self._nonsense()
            if not size.isdecimal() or not size.isascii() or len(size) > 18:
                raise self._nonsense()
            items.append(Pop3Item(number, uidl, int(size)))
        if len({item.number for item in items}) != len(by_number) or len(items) != len(by_number):
            raise self._nonsense()
        return items

    async def retrieve(self, item: Pop3Item) -> AsyncIterator[bytes]:
        """The message in chunks, as the server has it; whole only when the iterator ends by itself.

        Raises MessageTooBig: before it is asked for where the server says so, and the session goes
        on; or in the middle, and the session is closed, as it is where the iterator is left early.
        """
        limit = self._limits.message_bytes
        if limit is not None and item.size > limit:
            raise MessageTooBig(item.size, limit)
        size = 0
        try:
            with self._step(Stage.FETCH):
                await self._ask(Retr(item.number), streams=True)
                while not isinstance(event := await self._next(), BodyEnd):
                    if not isinstance(event, BodyChunk):
                        raise self._nonsense()
                    size += len(event.octets)
                    if limit is not None and size > limit:
                        raise MessageTooBig(size, limit)
                    yield event.octets
        except Refusal as refusal:
            text = f"The server did not give out a message: {said(refusal.words)}"
            raise RemoteFailed(text, Stage.FETCH) from None

    async def delete(self, item: Pop3Item) -> None:
        """Mark a message; it is removed by `quit`, and kept if the session ends otherwise."""
        await self._do(Dele(item.number), Stage.DELETE, "The server did not delete a message")

    async def quit(self) -> None:
        """End the session: what was deleted is removed now. RFC 1939 §6.

        After RemoteFailed some or all of it may still be there.
        """
        await self._do(Quit(), Stage.DELETE, "The server did not remove all deleted messages")
        self.close()

    # --- the way in ---

    async def _greet(self) -> None:
        if self._remote.security is Security.TLS:
            await connecting.start_tls(self._wire, self._remote)
        try:
            with self._step(Stage.CONNECT):
                self._wire.expect()
                await self._reply()
        except Refusal as refusal:
            text = f"The server does not serve us now: {said(refusal.words)}"
            raise RemoteFailed(text, Stage.CONNECT) from None
        await self._learn()
        if self._remote.security is Security.STARTTLS:
            await self._start_tls()
            await self._learn()  # RFC 2595 §4: what was learnt in clear is forgotten

    async def _learn(self) -> None:
        """CAPA, which a server need not know."""
        self._capabilities = {}
        try:
            with self._step(Stage.CONNECT):
                reply = await self._ask(Capa())
        except Refusal:
            return
        for line in reply.lines()[:100]:
            name, *words = line.upper().split()[:50] or [""]
            self._capabilities[name] = words

    async def _start_tls(self) -> None:
        if "STLS" not in self._capabilities:
            raise RemoteFailed("The server does not offer encryption by STARTTLS.", Stage.TLS)
        await self._do(Stls(), Stage.TLS, "The server did not begin encryption")
        # RFC 2595 §4, and RFC 3207 §6 has why: octets in clear may be put there by anybody.
        if self._client.has_more or self._wire.has_more:
            raise self._nonsense()
        await connecting.start_tls(self._wire, self._remote)

    async def _log_in(self) -> None:
        offered = self._capabilities.get("SASL", [])
        mechanism = sasl_client.choose(offered, is_encrypted=self._remote.is_encrypted)
        if self._remote.is_encrypted:
            # Every server knows its passwords this way; the others are for lines that are heard.
            mechanism = "PLAIN" if "PLAIN" in offered else None
        try:
            with self._step(Stage.LOGIN):
                if mechanism is not None:
                    await self._authenticate(mechanism)
                else:
                    await self._ask(User(self._remote.username))
                    await self._ask(Pass(self._remote.password))
        except Refusal as refusal:
            words = said(refusal.words)
            if refusal.code in TEMPORARY_CODES:
                text = f"The server does not open the mailbox now: {words}"
                raise RemoteFailed(text, Stage.LOGIN) from None
            raise LoginRefused(f"The server refused name or password: {words}") from None

    async def _authenticate(self, mechanism: str) -> None:
        exchange = sasl_client.begin(mechanism, self._remote.username, self._remote.password)
        # Without its initial response, which could make the line longer than RFC 2449 §4 allows.
        command: Command = Auth(mechanism)
        is_first = True
        for _ in range(MAX_CHALLENGES):
            self._send(command)
            event = await self._next()
            if not isinstance(event, Challenge):
                self._require_ok(event)
                require_proof(exchange)
                return
            if is_first and exchange.initial is not None:
                command = AuthResponse(exchange.initial)
            else:
                command = AuthResponse(await respond(exchange, event.data))
            is_first = False
        raise self._nonsense()

    # --- question and answer ---

    async def _do(self, command: Command, stage: Stage, failure: str) -> Pop3Response:
        try:
            with self._step(stage):
                return await self._ask(command)
        except Refusal as refusal:
            raise RemoteFailed(f"{failure}: {said(refusal.words)}", stage) from None

    async def _lines(self, command: Command, failure: str) -> list[str]:
        return (await self._do(command, Stage.LIST, failure)).lines()

    async def _ask(self, command: Command, *, streams: bool = False) -> Pop3Response:
        self._send(command, streams=streams)
        return await self._reply()

    def _send(self, command: Command, *, streams: bool = False) -> None:
        self._wire.write(self._client.send(command, streams=streams))
        self._wire.expect()

    async def _reply(self) -> Pop3Response:
        return self._require_ok(await self._next())

    def _require_ok(self, event: Event) -> Pop3Response:
        if not isinstance(event, Pop3Response):
            raise self._nonsense()
        if not event.is_ok:
            raise Refusal(event.text, event.code.upper())
        return event

    async def _next(self) -> Event:
        while not self._events:
            data = await self._wire.read()
            try:
                self._events = self._client.receive(data)
            except ResponseTooLarge:
                raise self.too_much() from None
            except ProtocolViolation:
                raise self._nonsense() from None
        return self._events.pop(0)

    def _pair(self, line: str) -> tuple[int, str]:
        number, _, word = line.partition(" ")
        if not (number.isascii() and number.isdecimal() and len(number) < 10 and int(number)):
            raise self._nonsense()
        return int(number), word.strip(" ")

    def _nonsense(self) -> RemoteFailed:
        """What follows can't be understood either: the connection is closed."""
        self.close()
        return RemoteFailed("The server said what no POP3 server may say.", self._stage)


def _is_visible(text: str) -> bool:
    return all("!" <= c <= "~" for c in text)
