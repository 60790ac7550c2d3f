"""A listener: it binds endpoints, lets clients in by the gate, and ends sessions in good order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from blobs.ids import new_id
from clock.moments import utc_now
from listeners import activation, traffic
from listeners.accepting import HANDSHAKE_SECONDS, Acceptor, Address, Doorman
from listeners.gate import Gate, Refusal, plain_address
from listeners.sockets import BACKLOG, Endpoint, open_socket, without_covered
from listeners.tls import Certificates
from logbook.taps import Tap
from operations import trustedproxies
from operations.tally import TALLY

log = structlog.get_logger(__name__)

DROP_SECONDS = 0.5


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

    def log_out(self) -> None:
        """The connection is a stranger's again, as LDAP allows it (RFC 4511 §4.2.1)."""
        if self.account_id is not None:
            self.listener.gate.leave_user(self.account_id)
        self.account_id = self.domain_id = self.logged_in_at = None
        self.domains = ()

    def begin(self, transport: asyncio.Transport) -> None:
        """A session takes the connection over."""
        session = self.listener.make_session(self)
        self.session = session  # type: ignore[assignment]  # it is both, see MakeSession
        self.handshake = None
        transport.set_protocol(session)
        session.connection_made(transport)
        if self.listener.is_draining:
            self.session.drain()  # type: ignore[union-attr]

    def end(self) -> None:
        """The connection is gone. More than one call does no harm."""
        self.listener.forget(self)


MakeSession = Callable[[Visit], asyncio.Protocol]


class Listener:
    """All endpoints of one protocol in one process.

    `make_session` returns an object that is both an asyncio.Protocol and a Session; `refuse` the
    bytes that turn a client away (on TLS endpoints it is turned away without a word). `question`
    is what a session answers where it does not speak first: a probe begins with it.
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
        question: bytes = b"",
    ) -> None:
        self.name = name
        self.question = question
        self.gate = gate
        self.certificates = certificates
        self.refuse = refuse
        self.make_session = make_session
        self.visits: set[Visit] = set()
        # Pairs that belong to one domain alone: its users may log in by their bare name (N-010).
        self.sole_domain: dict[tuple[str, int], int] = {}
        self.is_draining = False
        self._shares_ports = shares_ports
        self._servers: dict[Endpoint, asyncio.Server | Acceptor] = {}
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
            self._servers[endpoint] = Acceptor(self, endpoint, opened)
        else:
            self._servers[endpoint] = await loop.create_server(
                lambda: Doorman(self, endpoint), sock=opened, backlog=BACKLOG
            )
        log.info("endpoint open", protocol=self.name, ip=endpoint.ip, port=endpoint.port)

    def _close_endpoint(self, endpoint: Endpoint, *, stays_open: bool = False) -> None:
        """`stays_open`: where systemd has opened it, clients may wait there for the next start."""
        self._servers.pop(endpoint).close()
        if not stays_open:
            activation.silence(endpoint.ip, endpoint.port)
        log.info("endpoint closed", protocol=self.name, ip=endpoint.ip, port=endpoint.port)

    def admit(
        self, endpoint: Endpoint, client: Address, local: Address, *, peer: Address
    ) -> Visit | Refusal:
        """A new visit if the gate lets the client in, why not if it doesn't.

        `peer` is the client, or a proxy of ours that connects for it.
        """
        client_ip = plain_address(client[0])
        refusal = self.gate.enter(client_ip)
        if refusal is not None:
            log.info(
                "connection refused", protocol=self.name, client=client_ip, reason=refusal.value
            )
            traffic.turned_away(self.name, client_ip, refusal.value)
            return refusal
        local_ip = plain_address(local[0])
        visit = Visit(self, endpoint, client_ip, client[1], local_ip, endpoint.is_tls)
        self.visits.add(visit)
        self.entered += 1
        visit.is_probe = client is peer and peer[1] in self.own_probes
        if not visit.is_probe:
            TALLY.connected(self.name)
        traffic.began(visit)
        return visit

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
