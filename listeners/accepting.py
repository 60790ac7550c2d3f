"""How a client comes in: a proxy's word, the gate, TLS, and then the session."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, cast

import structlog

from listeners import proxied
from listeners.gate import Refusal, plain_address
from listeners.sockets import BACKLOG, Endpoint
from operations import trustedproxies
from protocols.proxy import ProxyMalformed

if TYPE_CHECKING:
    from listeners.base import Listener, Visit

log = structlog.get_logger(__name__)

HANDSHAKE_SECONDS = 20.0
ACCEPT_AGAIN_SECONDS = 1.0

# As sockets give it: the IP, the port, and for IPv6 two numbers more.
Address = Any


class Doorman(asyncio.Protocol):
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
        visit = self._listener.admit(self._endpoint, peer, local, peer=peer)
        if isinstance(visit, Refusal):
            transport.write(self._listener.refuse(visit))
            transport.close()
        else:
            visit.begin(transport)


class Acceptor:
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
        visit = self._listener.admit(self._endpoint, client, local, peer=peer)
        if not isinstance(visit, Refusal):
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
            self._visit.begin(cast(asyncio.Transport, transport))

    def connection_lost(self, error: Exception | None) -> None:
        """Only where the connection ends before a session has taken it over."""
        self._visit.end()
