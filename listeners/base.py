"""A listener: it binds endpoints, lets clients in by the gate, and ends sessions in good order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

import structlog

from blobs.ids import new_id
from clock.moments import utc_now
from listeners import activation, proxied, traffic
from listeners.gate import Gate, Refusal, plain_address
from listeners.tls import Certificates
from logbook.taps import Tap
from operations import trustedproxies
from operations.tally import TALLY
from protocols.proxy import ProxyMalformed

log = structlog.get_logger(__name__)

BACKLOG = 1024
HANDSHAKE_SECONDS = 20.0
ACCEPT_AGAIN_SECONDS = 1.0
DROP_SECONDS = 0.5

# As sockets give it: the IP, the port, and for IPv6 two numbers more.
Address = Any


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """An (IP, port) pair of one protocol (N-003). `purpose` tells SMTP's two kinds apart."""

    ip: str
    port: int
    is_tls: bool = False  # from the first byte on (N-004)
    purpose: str = ""


class Session(Protocol):
    """What a listener needs of a protocol's sessions, besides being an asyncio.Protocol.

    A session is made with its Visit and calls `visit.end()` in `connection_lost`.
    """

    transport: asyncio.Transport | None

    def drain(self) -> None:
        """Finish what is in hand, take nothing new, then say good-bye and close."""

    def retire(self) -> None:
        """As `drain`, but what the client is about may be finished, too (M-008)."""

    def cut(self) -> None:
        """Close now, without a word."""


@dataclass(slots=True, eq=False)
class Visit:
    """One client's stay, from the gate until the connection is gone (N-008)."""

    listener: Listener
    endpoint: Endpoint
    client_ip: str
    client_port: int
    local_ip: str
    is_encrypted: bool
    session: Session | None = None
    handshake: asyncio.Task[None] | None = None  # TLS from the first byte on, not yet agreed
    is_probe: bool = False  # by this very process, to see whether it answers
    account_id: int | None = None
    domain_id: int | None = None
    logged_in_at: datetime | None = None
    id: int = field(default_factory=new_id)  # in the registry of sessions
    domains: tuple[str, ...] = ()  # of ours that the session is about, for the log
    senders: tuple[str, ...] = ()  # those of them that send the present message
    tap: Tap | None = None  # records what is said, while somebody asks for it

    def log_in(self, account_id: int, domain_id: int | None) -> bool:
        """Remember whose session this is; False: the user has too many (N-007)."""
        if not self.listener.gate.enter_user(account_id):
            return False
        if self.account_id is not None:
            self.listener.gate.leave_user(self.account_id)
        self.account_id, self.domain_id = account_id, domain_id
        self.logged_in_at = utc_now()
        TALLY.logged_in(self.listener.name, account_id=account_id, domain_id=domain_id)
        traffic.logged_in(self)
        return True

    def end(self) -> None:
        """The connection is gone. More than one call does no harm."""
        self.listener.forget(self)


MakeSession = Callable[[Visit], asyncio.Protocol]


class Listener:
    """All endpoints of one protocol in one process.

    `make_session` returns an object that is both an asyncio.Protocol and a Session; `refuse` the
    bytes that turn a client away (on TLS endpoints it is turned away without a word).
    """

    def __init__(
        self,
        name: str,
        *,
        make_session: MakeSession,
        refuse: Callable[[Refusal], bytes],
        gate: Gate,
        certificates: Certificates,
        shares_ports: bool = False,
    ) -> None:
        self.name = name
        self.gate = gate
        self.certificates = certificates
        self.refuse = refuse
        self.make_session = make_session
        self.visits: set[Visit] = set()
        # Pairs that belong to one domain alone: its users may log in by their bare name (N-010).
        self.sole_domain: dict[tuple[str, int], int] = {}
        self.is_draining = False
        self._shares_ports = shares_ports
        self._servers: dict[Endpoint, asyncio.Server | _Door] = {}
        # What could not be bound, and why.
        self.failures: dict[Endpoint, str] = {}
        self.entered = 0  # visits so far
        self.own_probes: set[int] = set()  # local ports of this process's probes
        self._all_gone = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def endpoints(self) -> list[Endpoint]:
        """What is bound now; a port of 0 shows as the one that the system chose."""
        return sorted(self._servers)

    async def bind(self, wanted: Iterable[Endpoint]) -> None:
        """Listen on exactly these endpoints from now on; open sessions stay (N-003).

        An endpoint that cannot be bound is reported and tried again at the next call.
        """
        wanted = without_covered(wanted)
        for endpoint in self._servers.keys() - wanted:
            self._close_endpoint(endpoint)
        self.failures = {each: why for each, why in self.failures.items() if each in wanted}
        for endpoint in sorted(wanted - self._servers.keys()):
            await self._open(endpoint)

    async def _open(self, endpoint: Endpoint) -> None:
        try:
            opened = open_socket(endpoint, shares_port=self._shares_ports)
        except OSError as error:
            # Said once, not at every try.
            if endpoint not in self.failures:
                log.error(
                    "endpoint cannot be bound", protocol=self.name, ip=endpoint.ip,
                    port=endpoint.port, error=str(error),
                )  # fmt: skip
            self.failures[endpoint] = error.strerror or str(error)
            return
        self.failures.pop(endpoint, None)
        if endpoint.port == 0:
            port = opened.getsockname()[1]
            endpoint = Endpoint(endpoint.ip, port, endpoint.is_tls, endpoint.purpose)
        loop = asyncio.get_running_loop()
        if endpoint.is_tls or trustedproxies.are_listed():
            self._servers[endpoint] = _Door(self, endpoint, opened)
        else:
            self._servers[endpoint] = await loop.create_server(
                lambda: _Doorman(self, endpoint), sock=opened, backlog=BACKLOG
            )
        log.info("endpoint open", protocol=self.name, ip=endpoint.ip, port=endpoint.port)

    def _close_endpoint(self, endpoint: Endpoint, *, stays_open: bool = False) -> None:
        """`stays_open`: where systemd has opened it, clients may wait there for the next start."""
        self._servers.pop(endpoint).close()
        if not stays_open:
            activation.silence(endpoint.ip, endpoint.port)
        log.info("endpoint closed", protocol=self.name, ip=endpoint.ip, port=endpoint.port)

    def end_sessions(self, is_meant: Callable[[Visit], bool]) -> int:
        """Drain the sessions of, say, one user or one domain (D-036); returns how many."""
        meant = [visit for visit in self.visits if is_meant(visit)]
        for visit in meant:
            if visit.session is not None:
                visit.session.drain()
        return len(meant)

    def drop_sessions(self, is_meant: Callable[[Visit], bool]) -> int:
        """The same within a second: who has not said good-bye by then is cut off (M-047)."""
        meant = [visit for visit in self.visits if is_meant(visit)]
        for visit in meant:
            if visit.session is not None:
                visit.session.drain()
            elif visit.handshake is not None:
                visit.handshake.cancel()
        if meant:
            asyncio.get_running_loop().call_later(DROP_SECONDS, self._cut, meant)
        return len(meant)

    def close_endpoints(self, *, stays_open: bool = False) -> None:
        """Accept nobody any more; open sessions stay."""
        for endpoint in list(self._servers):
            self._close_endpoint(endpoint, stays_open=stays_open)
        self.failures.clear()

    async def drain(self, seconds: float) -> None:
        """Accept nobody, let sessions finish what is in hand, cut the rest after `seconds`."""
        self.is_draining = True
        self.close_endpoints(stays_open=True)  # the process ends: systemd goes on listening
        self.end_sessions(lambda visit: True)
        await self._wait_and_cut(seconds)

    async def retire(self, seconds: float) -> None:
        """Stop the service (M-008): as `drain`, but clients may finish what they are about."""
        self.is_draining = True
        self.close_endpoints()
        for visit in list(self.visits):
            if visit.session is not None:
                visit.session.retire()
        await self._wait_and_cut(seconds)

    def reopen(self) -> None:
        """The service may begin again: whoever calls this binds endpoints next."""
        self.is_draining = False
        self._all_gone.clear()

    async def _wait_and_cut(self, seconds: float) -> None:
        if self.visits:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_gone.wait()
        self._cut(list(self.visits))
        for task in list(self._tasks):
            task.cancel()

    @staticmethod
    def _cut(visits: Iterable[Visit]) -> None:
        for visit in visits:
            if visit.session is not None:
                visit.session.cut()

    def forget(self, visit: Visit) -> None:
        """The other half of `Visit.end`."""
        if visit not in self.visits:
            return
        self.visits.remove(visit)
        traffic.ended(visit)
        self.gate.leave(visit.client_ip)
        if visit.account_id is not None:
            self.gate.leave_user(visit.account_id)
        if self.is_draining and not self.visits:
            self._all_gone.set()

    def run_beside(self, task: asyncio.Task[None]) -> None:
        """Keep a reference until the task ends, and end it with the listener."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Doorman(asyncio.Protocol):
    """Asks the gate and hands the connection to a session."""

    def __init__(self, listener: Listener, endpoint: Endpoint) -> None:
        self._listener = listener
        self._endpoint = endpoint

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by class, only by what they do.
        transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        local = transport.get_extra_info("sockname")
        if not peer or not local:  # the client is gone already
            transport.abort()
            return
        visit = _admit(self._listener, self._endpoint, peer, local, peer=peer)
        if isinstance(visit, Visit):
            _hand_over(visit, transport)
        else:
            transport.write(self._listener.refuse(visit))
            transport.close()


class _Door:
    """Accepts where something comes before the session: a proxy's word, TLS.

    First a trusted proxy says for whom it connects (M-022); the gate comes before any TLS work,
    TLS before any byte. Not `create_server`: TLS can't be put under a connection that it has made
    already, because uvloop begins to read when `connection_made` returns, paused or not, and the
    client's first bytes would be lost.
    """

    def __init__(self, listener: Listener, endpoint: Endpoint, opened: socket.socket) -> None:
        self._listener = listener
        self._endpoint = endpoint
        self._socket = opened
        opened.setblocking(False)  # one from systemd may block
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened, self._accept)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                connection, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                # Such as too many open files: waiting helps, asking again at once does not.
                log.error("cannot accept", protocol=self._listener.name, error=str(error))
                self._loop.remove_reader(self._socket)
                self._loop.call_later(ACCEPT_AGAIN_SECONDS, self._go_on)
                return
            self._let_in(connection, peer)

    def _go_on(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.add_reader(self._socket, self._accept)

    def _let_in(self, connection: socket.socket, peer: Address) -> None:
        connection.setblocking(False)
        if trustedproxies.is_trusted(peer[0]):
            self._listener.run_beside(self._loop.create_task(self._hear_proxy(connection, peer)))
        else:
            self._welcome(connection, peer, peer)

    async def _hear_proxy(self, connection: socket.socket, proxy: Address) -> None:
        try:
            header = await proxied.announcement(connection)
        except (ProxyMalformed, OSError, asyncio.CancelledError) as error:
            log.info(
                "a proxy did not say for whom it connects", protocol=self._listener.name,
                proxy=plain_address(proxy[0]), error=str(error),
            )  # fmt: skip
            connection.close()
            return
        self._welcome(connection, header.client or proxy, proxy)

    def _welcome(self, connection: socket.socket, client: Address, peer: Address) -> None:
        local = connection.getsockname()
        visit = _admit(self._listener, self._endpoint, client, local, peer=peer)
        if isinstance(visit, Visit):
            task = self._loop.create_task(self._begin(connection, visit))
            visit.handshake = task
            self._listener.run_beside(task)
            return
        if not self._endpoint.is_tls:
            with contextlib.suppress(OSError):
                connection.send(self._listener.refuse(visit))
        connection.close()

    async def _begin(self, connection: socket.socket, visit: Visit) -> None:
        is_tls = self._endpoint.is_tls
        context = self._listener.certificates.context_on(visit.local_ip)
        try:
            await self._loop.connect_accepted_socket(
                lambda: _Guest(visit),
                connection,
                ssl=context if is_tls else None,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if is_tls else None,
            )
        except (OSError, asyncio.CancelledError) as error:
            log.debug("handshake failed", client=visit.client_ip, error=str(error))
            connection.close()
            visit.end()


class _Guest(asyncio.Protocol):
    """Stands in for the session until the handshake, if there is one, is done."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._visit in self._visit.listener.visits:
            _hand_over(self._visit, cast(asyncio.Transport, transport))

    def connection_lost(self, error: Exception | None) -> None:
        """Only where the connection ends before a session has taken it over."""
        self._visit.end()


def _admit(
    listener: Listener, endpoint: Endpoint, client: Address, local: Address, *, peer: Address
) -> Visit | Refusal:
    """A new visit if the gate lets the client in, why not if it doesn't.

    `peer` is the client, or a proxy of ours that connects for it.
    """
    client_ip = plain_address(client[0])
    refusal = listener.gate.enter(client_ip)
    if refusal is not None:
        log.info(
            "connection refused", protocol=listener.name, client=client_ip, reason=refusal.value
        )
        traffic.turned_away(listener.name, client_ip, refusal.value)
        return refusal
    local_ip = plain_address(local[0])
    visit = Visit(listener, endpoint, client_ip, client[1], local_ip, endpoint.is_tls)
    listener.visits.add(visit)
    listener.entered += 1
    visit.is_probe = client is peer and peer[1] in listener.own_probes
    if not visit.is_probe:
        TALLY.connected(listener.name)
    traffic.began(visit)
    return visit


def _hand_over(visit: Visit, transport: asyncio.Transport) -> None:
    session = visit.listener.make_session(visit)
    visit.session = session  # type: ignore[assignment]  # it is both, see MakeSession
    visit.handshake = None
    transport.set_protocol(session)
    session.connection_made(transport)
    if visit.listener.is_draining:
        visit.session.drain()  # type: ignore[union-attr]


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    certificates: Certificates,
    *,
    seconds: float = HANDSHAKE_SECONDS,
) -> asyncio.Transport:
    """Turn an open connection to TLS. Raises OSError (ssl.SSLError, ConnectionError, timeout)."""
    local = transport.get_extra_info("sockname")
    encrypted = await asyncio.get_running_loop().start_tls(
        transport,
        protocol,
        certificates.context_on(plain_address(local[0]) if local else ""),
        server_side=True,
        ssl_handshake_timeout=seconds,
    )
    if encrypted is None:
        raise ConnectionAbortedError("the client is gone")
    return encrypted


def open_socket(endpoint: Endpoint, *, shares_port: bool = False) -> socket.socket:
    """A bound socket that listens; `::` takes IPv4 clients as well. Raises OSError.

    Where systemd has opened this pair already, that socket is used.
    """
    inherited = activation.take(endpoint.ip, endpoint.port)
    if inherited is not None:
        inherited.listen(BACKLOG)  # again, where the service had been stopped
        return inherited
    family = socket.AF_INET6 if ":" in endpoint.ip else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, endpoint.ip != "::")
        opened.bind((endpoint.ip, endpoint.port))
        opened.listen(BACKLOG)
    except OSError:
        opened.close()
        raise
    return opened


def without_covered(endpoints: Iterable[Endpoint]) -> set[Endpoint]:
    """Drop pairs on a port that a wildcard address takes anyway, and second claims on a pair.

    Where one pair is claimed for two purposes the first in order wins.
    """
    kept: dict[tuple[str, int], Endpoint] = {}
    for endpoint in sorted(endpoints):
        kept.setdefault((endpoint.ip, endpoint.port), endpoint)
    # Port 0 means any free one: nothing is covered there.
    wild = {(e.ip, e.port) for e in kept.values() if e.ip in ("0.0.0.0", "::") and e.port}  # noqa: S104
    return {endpoint for (ip, port), endpoint in kept.items() if not _is_covered(ip, port, wild)}


def _is_covered(ip: str, port: int, wild: set[tuple[str, int]]) -> bool:
    if ip == "::":
        return False
    if ("::", port) in wild:
        return True
    return ip != "0.0.0.0" and ":" not in ip and ("0.0.0.0", port) in wild  # noqa: S104
