"""To somebody else's server: one session, many messages (S-053, S-054, S-055)."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import partial

from clock.moments import to_micros, utc_now
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
from spool import mx
from spool.agents.connection import SessionLost, SmtpConnection
from spool.mx import Host, NoHost, Ourselves
from spool.resolver import Resolver
from spool.work import NOBODY, Peer, Result, Work

CONNECT_SECONDS = 30.0  # for each address; a host that is down must not hold a slot for minutes
SMTP_PORT = 25

NOT_REACHED = Reply(451, "4.4.1", "")
NO_HOST_LEFT = Reply(451, "4.4.1", "No mail server can be reached")


@dataclass(frozen=True, slots=True)
class RemoteRoute:
    """Where a session goes: the servers of a domain, or one that an operator named.

    Two recipients with equal routes may share a session.
    """

    domain: str  # "" with `host`
    host: str = ""
    port: int = SMTP_PORT
    use_mx: bool = False  # look `host` up by MX
    tls: Tls = Tls.IF_OFFERED
    verify_certificate: bool = False
    gateway_id: int | None = None
    source_ipv4: str | None = None  # the address of ours that it leaves from (G-015)
    source_ipv6: str | None = None

    def source_for(self, host: Host) -> tuple[str, int] | None:
        """What the socket is bound to; None: the system chooses."""
        source = self.source_ipv6 if ":" in host.address else self.source_ipv4
        return None if source is None else (source, 0)


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """What all sessions of this process have in common."""

    helo: str
    resolver: Resolver
    ourselves: Ourselves = mx.NOBODY
    port: int = SMTP_PORT
    certificate_authorities: str | None = None  # None: those the system trusts
    connect_seconds: float = CONNECT_SECONDS


class RemoteSession:
    """One connection at a time along a route; opened when first needed, and again when lost."""

    def __init__(
        self,
        route: RemoteRoute,
        settings: RemoteSettings,
        login: Callable[[], ChooseSasl | None] = lambda: None,
    ) -> None:
        """`login` says at each connection how to log in; None: not at all."""
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
                connection = await self._ready()
            except NoHost as error:
                self._peer = NOBODY
                outcome = Outcome(error.verdict, error.reply, Stage.CONNECT, by_peer=False)
                return (outcome,) * len(indexes), error.verdict is Verdict.DEFERRED
            except SessionLost as error:
                verdict = Verdict.DEFERRED  # another day the server may be in a better mood
                outcome = Outcome(verdict, error.reply, error.stage, by_peer=error.by_peer)
                return (outcome,) * len(indexes), True
            limit = connection.client.max_recipients or len(indexes)
            envelope = make_envelope(work, indexes[:limit])
            try:
                body = work.body if work.body is not None else read_body()
                if must_be_converted(envelope.body, connection.client.extensions):
                    body = await _seven_bit(body)
                    envelope = replace(envelope, body=Body.SEVEN_BIT, size_bytes=len(body))
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

    async def _ready(self) -> SmtpConnection:
        """The open connection, or a new one to the first host that takes it.

        Raises NoHost, or SessionLost with the words of the last host.
        """
        if self._connection is not None and self._connection.is_open:
            return self._connection
        self.abort()
        lost = SessionLost(NO_HOST_LEFT, Stage.CONNECT, by_peer=False)
        for host in await self._hosts():
            self._peer = Peer(host.name, host.address)
            try:
                connection = await self._open(host)
            except SessionLost as error:
                lost = error
                continue
            self._connection = connection
            has_dsn = "DSN" in connection.client.extensions
            self._peer = replace(self._peer, tls=connection.tls, has_dsn=has_dsn)
            return connection
        raise lost

    async def _hosts(self) -> tuple[Host, ...]:
        route, settings = self.route, self._settings
        if route.host and not route.use_mx:
            return await mx.hosts_by_name(route.host, resolver=settings.resolver)
        return await mx.hosts_for_domain(
            route.host or route.domain, resolver=settings.resolver, ourselves=settings.ourselves
        )

    async def _open(self, host: Host) -> SmtpConnection:
        """Raises SessionLost."""
        tls = self.route.tls
        try:
            return await self._greet(host, tls)
        except SessionLost as error:
            if tls is not Tls.IF_OFFERED or error.stage is not Stage.TLS:
                raise
        # S-055: where encryption is a bonus, a server that cannot do it still gets its mail.
        return await self._greet(host, Tls.NEVER)

    async def _greet(self, host: Host, tls: Tls) -> SmtpConnection:
        context = tls_context(
            verify=self.route.verify_certificate,
            authorities=self._settings.certificate_authorities,
        )
        is_name = not _is_address(host.name)
        client = SmtpClient(helo=self._settings.helo, tls=tls, choose_sasl=self._login())
        from_the_start = tls is Tls.ALREADY
        loop = asyncio.get_running_loop()
        factory = partial(
            SmtpConnection,
            client,
            tls_context=context,
            server_name=host.name if is_name else host.address,
        )
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                _, connection = await loop.create_connection(
                    factory,
                    host.address,
                    self.route.port,
                    local_addr=self.route.source_for(host),
                    ssl=context if from_the_start else None,
                    server_hostname=(host.name if is_name else host.address)
                    if from_the_start
                    else None,
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


def must_be_converted(body: Body, extensions: Container[str]) -> bool:
    """S-054: the server does not promise to pass what the message holds."""
    if body is Body.BINARY:
        return "BINARYMIME" not in extensions or "CHUNKING" not in extensions
    return body is Body.EIGHT_BIT and "8BITMIME" not in extensions


async def _seven_bit(body: bytes | AsyncIterator[bytes]) -> bytes:
    """All of the message at once, in a thread: rare, and slow for large ones."""
    if not isinstance(body, bytes):
        body = b"".join([chunk async for chunk in body])
    return await asyncio.get_running_loop().run_in_executor(None, to_seven_bit, body)


def make_envelope(work: Work, indexes: Sequence[int]) -> OutgoingEnvelope:
    message = work.message
    recipients = [work.recipients[index] for index in indexes]
    return OutgoingEnvelope(
        sender=message.sender,
        recipients=tuple(
            OutgoingRecipient(
                recipient.address,
                recipient.notify or None,
                recipient.orcpt
                or (f"rfc822;{recipient.original_address}" if recipient.notify else None),
            )
            for recipient in recipients
        ),
        size_bytes=message.size_bytes,
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


_contexts: dict[tuple[bool, str | None], ssl.SSLContext] = {}


def tls_context(*, verify: bool, authorities: str | None) -> ssl.SSLContext:
    """Shared by all connections: making one takes milliseconds."""
    context = _contexts.get((verify, authorities))
    if context is None:
        if verify:
            context = ssl.create_default_context(cafile=authorities)
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _contexts[verify, authorities] = context
    return context


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
