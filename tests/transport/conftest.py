"""A far domain that is as careful about encryption as each test wants it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field

import pytest
import trustme
from asgiref.sync import sync_to_async

from spool.resolver import Resolver
from tests import factories
from tests.dns_server import DnsServer
from tests.spool import outgoing
from tests.spool.outgoing import running_manager
from transport.office import TransportOffice
from transport.overrides import forget

FAR = {
    ("far.test", "MX"): ["10 mx.far.test."],
    ("mx.far.test", "A"): ["127.0.0.1"],
    ("mta-sts.far.test", "A"): ["127.0.0.1"],
}


@pytest.fixture(autouse=True)
def _fresh():
    outgoing.forget_everything()
    forget()
    yield
    outgoing.stop_committer()


@pytest.fixture
def one(_fresh, transactional_db):
    return factories.make_domain("one.example", "alice")


@pytest.fixture
async def far():
    async with DnsServer(dict(FAR)) as server:
        yield server


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def certified(authority):
    """Issues a certificate for names, and what a server needs to show it."""

    def issue(*names, by=authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = by.issue_cert(*names)
        certificate.configure_cert(context)
        return context, certificate

    return issue


@dataclass
class PolicyServer:
    """HTTPS on loopback: `response` is sent whatever is asked."""

    tls: ssl.SSLContext
    response: bytes = b""
    asked: list[bytes] = field(default_factory=list)
    port: int = 0

    def serve(self, *lines: str, status: str = "200 OK", kind: str = "text/plain") -> None:
        body = "".join(f"{line}\r\n" for line in lines).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.response = head.encode() + body

    async def __aenter__(self) -> PolicyServer:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_details: object) -> None:
        self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.response)
            await writer.drain()
        writer.close()


@pytest.fixture
async def policy_server(certified):
    context, _ = certified("mta-sts.far.test")
    async with PolicyServer(context) as server:
        yield server


@pytest.fixture
def spool(far, trusted):
    """A manager with the office of the server itself; `port` is that of the far server."""

    @contextlib.asynccontextmanager
    async def running(port: int, *, https_port: int = 1):
        resolver = Resolver([far.address])

        async def in_thread(function, /, *args, **kwargs):
            return await sync_to_async(function, thread_sensitive=False)(*args, **kwargs)

        office = TransportOffice(
            resolver,
            in_thread,
            servers=[far.address],
            certificate_authorities=trusted,
            https_port=https_port,
        )
        office.start()
        try:
            async with running_manager(
                far, port=port, certificate_authorities=trusted, ask_demand=office.ask_demand
            ) as manager:
                manager.office = office
                yield manager
        finally:
            await office.stop()
            await resolver.close()

    return running
