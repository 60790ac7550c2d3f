"""To somebody else's server: one session, many messages (S-053, S-054, S-055)."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from clock.moments import to_micros, utc_now
from domains.errors import NameMalformed
from domains.names import read_name
from protocols.message.sevenbit import to_seven_bit
from protocols.smtp.client import CONNECTION_LOST, ChooseSasl, SmtpClient, Tls
from protocols.smtp.outgoing import (
    Body,
    Outcome,
    OutgoingEnvelope,
    OutgoingRecipient,
    Stage,
    Verdict,
)
from protocols.smtp.replies import Reply
from spool import mx, signatures
from spool.agents.connection import SessionLost, SmtpConnection
from spool.agents.dialogue import Dialogue
from spool.agents.route import SMTP_PORT, RemoteRoute
from spool.agents.tls import (
    AskDemand,
    TlsDemand,
    TlsProblem,
    client_context,
    demand_of_route,
)
from spool.mx import Host, NoHost, Ourselves
from spool.resolver import LookupFailed, NameUnknown, Resolver
from spool.work import NOBODY, Peer, Result, Work

CONNECT_SECONDS = 30.0  # for each address; a host that is down must not hold a slot for minutes

NOT_REACHED = Reply(451, "4.4.1", "")
POLICY_REFUSES = Reply(451, "4.7.5", "The server may not be given the mail")
NO_HOST_LEFT = Reply(451, "4.4.1", "No mail server can be reached")


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """What all sessions of this process have in common."""

    helo: str  # said where the address that a session leaves from has no name of its own
    resolver: Resolver
    ourselves: Ourselves = mx.NOBODY
    port: int = SMTP_PORT
    certificate_authorities: str | None = None  # None: those the system trusts
    connect_seconds: float = CONNECT_SECONDS
    ask_demand: AskDemand = demand_of_route


class RemoteSession:
    """One connection at a time along a route; opened when first needed, and again when lost."""

    def __init__(
        self,
        route: RemoteRoute,
        settings: RemoteSettings,
        login: Callable[[], ChooseSasl | None] = lambda: None,
        dialogue: Dialogue | None = None,
        greeted: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`login` says at each connection how to log in; None: not at all.

        `greeted` is waited for when the server has said its first words, before MAIL is sent.
        """
        self._dialogue = dialogue
        self._greeted = greeted
        self.route = route
        self._settings = settings
        self._login = login
        self._connection: SmtpConnection | None = None
        self._peer = NOBODY

    @property
    def is_open(self) -> bool:
        return self._connection is not None and self._connection.is_open

    async def deliver(
        self, work: Work, read_body: Callable[[], AsyncIterator[bytes]]
    ) -> tuple[list[Result], bool]:
        """One result for each recipient, and whether the route itself is out of order.

        `read_body` gives the message again and again where `work.body` is None.
        """
        left = list(range(len(work.recipients)))
        results: list[Result | None] = [None] * len(left)
        is_down = False
        while left and not is_down:
            started_at = to_micros(utc_now())
            outcomes, is_down = await self._try(work, left, read_body)
            finished_at = to_micros(utc_now())
            postponed = [] if is_down else too_many(outcomes)
            sent_bytes = bytes_sent(work, outcomes)
            for position, (index, outcome) in enumerate(zip(left, outcomes, strict=True)):
                if position not in postponed:
                    results[index] = Result(
                        work.recipients[index],
                        outcome,
                        started_at,
                        finished_at,
                        self._peer,
                        sent_bytes=sent_bytes,
                    )
                    sent_bytes = 0
            left = [left[position] for position in postponed]
        return [result for result in results if result is not None], is_down

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.quit()

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _try(
        self, work: Work, indexes: Sequence[int], read_body: Callable[[], AsyncIterator[bytes]]
    ) -> tuple[tuple[Outcome, ...], bool]:
        """One transaction; a second one where the server had closed an idle connection."""
        while True:
            was_used = self.is_open
            try:
                connection = await self.connect()
            except NoHost as error:
                self._peer = NOBODY
                outcome = Outcome(error.verdict, error.reply, Stage.CONNECT, by_peer=False)
                return (outcome,) * len(indexes), error.verdict is Verdict.DEFERRED
            except SessionLost as error:
                verdict = Verdict.DEFERRED  # another day the server may be in a better mood
                outcome = Outcome(verdict, error.reply, error.stage, by_peer=error.by_peer)
                return (outcome,) * len(indexes), True
            if self._greeted is not None and not was_used:
                await self._greeted()
            limit = connection.client.max_recipients or len(indexes)
            envelope = make_envelope(work, indexes[:limit])
            try:
                body: bytes | AsyncIterator[bytes]
                if must_be_converted(envelope.body, connection.client.extensions):
                    body = await _seven_bit(work, read_body)
                    envelope = replace(envelope, body=Body.SEVEN_BIT, size_bytes=len(body))
                else:
                    body = _whole(work, read_body)
                outcomes = await connection.send(envelope, body)
            except BaseException:
                self.abort()
                raise
            if was_used and went_unheard(outcomes):
                self.abort()
                continue
            if not connection.is_open:
                self._connection = None
            rest = (_POSTPONED,) * (len(indexes) - len(outcomes))
            return outcomes + rest, False

    async def connect(self) -> SmtpConnection:
        """The open connection, or a new one to the first host that takes it.

        Raises NoHost, or SessionLost with the words of the last host.
        """
        if self._connection is not None and self._connection.is_open:
            return self._connection
        self.abort()
        lost = SessionLost(NO_HOST_LEFT, Stage.CONNECT, by_peer=False)
        for host in await self._hosts():
            self._peer = Peer(host.name, host.address)
            self._note(f"connecting to {host.name} [{host.address}]:{self.route.port}")
            try:
                connection = await self._open(host)
            except SessionLost as error:
                lost = error
                self._note(error.reply.text)
                continue
            self._connection = connection
            has_dsn = "DSN" in connection.client.extensions
            policy = self._peer.policy
            tls = f"{connection.tls} ({policy})" if policy else connection.tls
            self._peer = replace(self._peer, tls=tls, has_dsn=has_dsn)
            return connection
        raise lost

    def _note(self, text: str) -> None:
        if self._dialogue is not None:
            self._dialogue.note(text)

    async def _hosts(self) -> tuple[Host, ...]:
        route, settings = self.route, self._settings
        if route.host and not route.use_mx:
            return await mx.hosts_by_name(route.host, resolver=settings.resolver)
        return await mx.hosts_for_domain(
            route.host or route.domain, resolver=settings.resolver, ourselves=settings.ourselves
        )

    async def _open(self, host: Host) -> SmtpConnection:
        """Raises SessionLost."""
        demand: TlsDemand | None = await self._settings.ask_demand(self.route, host)
        while demand is not None:
            try:
                connection = await self._greet(host, demand)
            except SessionLost as error:
                if error.stage is not Stage.TLS:
                    raise
                _tell(demand, error.problem or TlsProblem.STARTTLS_MISSING)
                if demand.softer is None:
                    raise _explained(error, demand) from None
                self._note(error.reason or error.reply.text)
                demand = demand.softer
            else:
                _tell(demand, None if connection.tls else TlsProblem.STARTTLS_MISSING)
                self._peer = replace(self._peer, policy=demand.policy)
                return connection
        raise AssertionError("a demand ends in a session or in its loss")

    async def _greet(self, host: Host, demand: TlsDemand) -> SmtpConnection:
        if demand.refused:
            raise SessionLost(
                POLICY_REFUSES,
                Stage.TLS,
                by_peer=False,
                problem=TlsProblem.OTHER,
                reason=demand.refused,
            )
        context = client_context(
            verify=demand.verify_certificate,
            authorities=self._settings.certificate_authorities,
            resumes=demand.judge_chain is None,
        )
        server_name = host.address if _is_address(host.name) else host.name
        source = self.route.source_for(host)
        client = SmtpClient(
            helo=await self._name_of(source), tls=demand.tls, choose_sasl=self._login()
        )
        from_the_start = demand.tls is Tls.ALREADY
        factory = partial(
            SmtpConnection,
            client,
            tls_context=context,
            server_name=server_name,
            dialogue=self._dialogue,
            judge_chain=demand.judge_chain,
        )
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                _, connection = await asyncio.get_running_loop().create_connection(
                    factory,
                    host.address,
                    self.route.port,
                    local_addr=None if source is None else (source, 0),
                    ssl=context if from_the_start else None,
                    server_hostname=server_name if from_the_start else None,
                )
        except (OSError, ssl.SSLError) as error:
            text = f"Cannot connect to {host.name} [{host.address}]: {_reason(error)}"
            raise SessionLost(
                replace(NOT_REACHED, text=text), Stage.CONNECT, by_peer=False
            ) from error
        try:
            await connection.ready()
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _name_of(self, source: str | None) -> str:
        """What EHLO says: the name of the address that the session leaves from (G-015)."""
        if source is None:
            return self._settings.helo
        # RFC 5321 §4.1.2: a PTR may hold anything, EHLO may not.
        with suppress(NameUnknown, LookupFailed, NameMalformed):
            for name in await self._settings.resolver.names(source):
                return read_name(name).name
        return self._settings.helo


def _tell(demand: TlsDemand, problem: TlsProblem | None) -> None:
    if demand.tell is not None:
        demand.tell(problem)


def _explained(lost: SessionLost, demand: TlsDemand) -> SessionLost:
    """With the policy that would not do without encryption, and what was wrong with it."""
    words = [f"demanded by {demand.policy}" if demand.policy else "", lost.reason]
    why = ": ".join(filter(None, words))
    text = f"{lost.reply.text} ({why})" if why else lost.reply.text
    reply = replace(lost.reply, text=text)
    return SessionLost(
        reply, lost.stage, by_peer=lost.by_peer, problem=lost.problem, reason=lost.reason
    )


def must_be_converted(body: Body, extensions: Container[str]) -> bool:
    """S-054: the server does not promise to pass what the message holds."""
    if body is Body.BINARY:
        return "BINARYMIME" not in extensions or "CHUNKING" not in extensions
    return body is Body.EIGHT_BIT and "8BITMIME" not in extensions


def _whole(
    work: Work, read_body: Callable[[], AsyncIterator[bytes]]
) -> bytes | AsyncIterator[bytes]:
    head = work.signature + work.head
    if work.body is not None:
        return head + work.body if head else work.body
    return _after(head, read_body()) if head else read_body()


async def _after(head: bytes, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for chunk in body:
        yield chunk


async def _seven_bit(work: Work, read_body: Callable[[], AsyncIterator[bytes]]) -> bytes:
    """All of the message at once, in a thread: rare, and slow for large ones."""
    message = work.body
    if message is None:
        message = b"".join([chunk async for chunk in read_body()])
    return await asyncio.get_running_loop().run_in_executor(None, _converted, work, message)


def _converted(work: Work, message: bytes) -> bytes:
    """Signed anew: the signature of the message as it was would not fit."""
    message = to_seven_bit(message)
    if work.message.list_id is not None:
        signature = signatures.sign_converted(work.message, work.head + message)
        return signature + work.head + message
    signature = signatures.sign(work.message, [message]) if work.signature else b""
    return signature + work.head + message


def make_envelope(work: Work, indexes: Sequence[int]) -> OutgoingEnvelope:
    message = work.message
    recipients = [work.recipients[index] for index in indexes]
    return OutgoingEnvelope(
        sender=work.sender,
        recipients=tuple(
            OutgoingRecipient(
                recipient.address,
                recipient.notify or None,
                recipient.orcpt
                or (f"rfc822;{recipient.original_address}" if recipient.notify else None),
            )
            for recipient in recipients
        ),
        size_bytes=work.size_bytes,
        body=Body(message.body_type),
        needs_smtputf8=message.smtputf8,
        ret=message.ret or None,
        envid=message.envid or None,
    )


_POSTPONED = Outcome(
    Verdict.DEFERRED, Reply(452, "4.5.3", "Too many recipients"), Stage.RCPT, by_peer=False
)


def too_many(outcomes: Sequence[Outcome]) -> list[int]:
    """Positions to be sent again at once: the server took its fill of recipients, not these."""
    refused = [
        position
        for position, outcome in enumerate(outcomes)
        if outcome.stage is Stage.RCPT
        and outcome.reply.code in (452, 552)
        and outcome.reply.enhanced in ("4.5.3", "5.5.3")
    ]
    # RFC 5321 §4.5.3.1.10. A server that takes nobody at all is not asked again and again.
    return refused if len(refused) < len(outcomes) else []


def bytes_sent(work: Work, outcomes: Sequence[Outcome]) -> int:
    """Of the message, in one transaction; 0 where the server never asked for it (T-005)."""
    is_sent = any(outcome.stage is Stage.END_OF_DATA for outcome in outcomes)
    return work.message.size_bytes if is_sent else 0


def went_unheard(outcomes: Sequence[Outcome]) -> bool:
    """The connection was gone before the server answered to anything of this message."""
    return all(
        outcome.stage is Stage.MAIL
        and (outcome.reply.code == 421 if outcome.by_peer else outcome.reply == CONNECTION_LOST)
        for outcome in outcomes
    )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or error})"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
