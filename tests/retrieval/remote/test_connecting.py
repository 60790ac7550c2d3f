"""Whom sessions connect to, and how sure they are of whom they have met."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
import trustme
import uvloop

from operations.addresses import own_addresses
from retrieval.remote import connecting
from retrieval.remote.connecting import may_connect
from retrieval.remote.errors import RemoteFailed, TargetForbidden
from retrieval.remote.pop3 import Pop3Session
from retrieval.remote.server import Limits, Remote, Security
from tests.dns_server import DnsServer
from tests.retrieval.remote.conftest import LOOPBACK, server_context
from tests.retrieval.remote.liar import pop3

pytestmark = pytest.mark.spec("N-060", lacks="filters of fetched mail")
LIMITS = Limits(connect_seconds=5, reply_seconds=5)


async def enter(remote, allowed=LOOPBACK, limits=LIMITS) -> None:
    async with Pop3Session.open(remote, limits, allowed):
        pass


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0", "0.0.0.0", "::1", "::",
        "::ffff:127.0.0.1", "::ffff:7f00:1", "10.1.2.3", "172.31.255.254", "192.168.0.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "255.255.255.255", "fe80::1", "fc00::1",
        "fd12:3456::1", "ff02::1", "64:ff9b::7f00:1", "2002:7f00:1::", "192.0.2.1",
    ],
)  # fmt: skip
async def test_private_addresses_are_not_connected_to(host):
    async with pop3().serving() as liar:
        with pytest.raises(TargetForbidden, match="leads to a private address") as failure:
            await enter(liar.remote(host=host), allowed=())
    assert failure.value.stage == "connect"
    assert liar.commands == []


async def test_addresses_of_allowed_networks_are_connected_to():
    async with pop3().serving() as liar:
        await enter(liar.remote(host="127.0.0.1"), [ip_network("127.0.0.1/32")])
        await enter(liar.remote(host="::ffff:127.0.0.1"), [ip_network("127.0.0.1/32")])
        with pytest.raises(TargetForbidden):
            await enter(liar.remote(host="127.0.0.1"), [ip_network("127.0.0.2/32")])


def test_the_servers_own_public_address_is_not_connected_to():
    own = frozenset({"93.184.215.14", "2606:4700::1111"})
    assert may_connect("93.184.215.15", (), own)
    assert may_connect("2606:4700::1112", (), own)
    for address in (
        "93.184.215.14",
        "::ffff:93.184.215.14",
        "2606:4700::1111",
        "2606:4700:0::1111",
    ):
        assert not may_connect(address, (), own)
        assert may_connect(address, [ip_network("0.0.0.0/0"), ip_network("::/0")], own)


def test_own_addresses_are_those_of_this_machine():
    assert {"127.0.0.1", "::1"} <= own_addresses()


async def test_of_several_addresses_only_those_that_are_allowed_are_tried(monkeypatch):
    """A name is looked up once: what a second look-up would say does not matter (rebinding)."""
    asked = []

    def look_up(host, port, *args, **kwargs):
        asked.append(host)
        addresses = ["127.0.0.2", "127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    own_addresses()
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with pop3().serving() as liar:
        await enter(liar.remote(host="rebinding.example"), [ip_network("127.0.0.1/32")])
    assert asked == ["rebinding.example"]


@pytest.mark.parametrize("host", ["no-such-name.invalid", "", "a" * 70 + ".example", "a\0b", "a b"])
async def test_a_name_that_nobody_has_is_said_so(host):
    with pytest.raises(RemoteFailed, match="No server is known by the name") as failure:
        await enter(Remote(host, 110, Security.NONE, "anne", "secret"))
    assert failure.value.stage == "connect"


def test_name_servers_that_are_silent_keep_nobody_waiting(monkeypatch):
    asked, answered = threading.Event(), threading.Event()

    def look_up(*_args, **_kwargs):
        asked.set()
        answered.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    began = time.monotonic()
    with pytest.raises(RemoteFailed, match="was not looked up in time"):
        remote = Remote("silent.example", 110, Security.NONE, "anne", "secret")
        asyncio.run(enter(remote, limits=Limits(connect_seconds=0.2)))
    assert time.monotonic() - began < 10  # neither the session nor the end of its loop
    assert asked.is_set()
    answered.set()


async def test_the_operators_name_servers_are_asked_and_not_the_systems(monkeypatch):
    """What they say of a private address counts as little as anybody else's word."""
    own_addresses()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: pytest.fail("asked"))
    records = {("pop.far.test", "A"): ["127.0.0.1"]}
    async with DnsServer(records) as dns, pop3().serving() as liar:
        remote = replace(liar.remote(host="pop.far.test"), name_servers=(dns.address,))
        await enter(remote, [ip_network("127.0.0.1/32")])
        with pytest.raises(TargetForbidden):
            await enter(remote, [])
        with pytest.raises(RemoteFailed, match="No server is known by the name"):
            await enter(replace(remote, host="nobody.far.test"), [])


@pytest.mark.parametrize("port", [-1, 0, 65_536])
async def test_a_port_that_cannot_be_is_said_so(port):
    with pytest.raises(RemoteFailed, match="There is no port"):
        await enter(Remote("127.0.0.1", port, Security.NONE, "anne", "secret"))


async def test_a_closed_port_is_said_so():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        remote = Remote("127.0.0.1", closed.getsockname()[1], Security.NONE, "anne", "secret")
        with pytest.raises(RemoteFailed, match=r"on port \d+: connection refused\.$"):
            await enter(remote)


async def test_a_server_that_takes_no_connection_is_not_waited_for_for_ever():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        remote = Remote("127.0.0.1", full.getsockname()[1], Security.NONE, "anne", "secret")
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        try:
            with pytest.raises(RemoteFailed, match="no answer in time"):
                await enter(remote, limits=Limits(connect_seconds=1.5))
        finally:
            for each in waiting:
                each.close()


def test_a_password_stands_in_no_repr():
    assert "secret" not in repr(Remote("a.example", 110, Security.TLS, "anne", "secret"))


# --- encryption ---


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """The authority is one that this system trusts."""
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    connecting._context.cache_clear()
    yield
    connecting._context.cache_clear()


class Encrypted:
    """A POP3 server that speaks TLS from the first octet, and lets nobody in."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    async def __aenter__(self) -> Encrypted:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_details: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK ready\r\n")
        while await reader.readline():
            writer.write(b"-ERR no\r\n")
        writer.close()

    def remote(self, host: str = "localhost", verifies: bool = True) -> Remote:
        return Remote(host, self.port, Security.TLS, "anne", "secret", verifies)


async def failure_at(server: Encrypted, **remote) -> RemoteFailed:
    with pytest.raises(RemoteFailed) as failure:
        await enter(server.remote(**remote))
    return failure.value


async def test_a_good_certificate_is_trusted(trusted, tls):
    async with Encrypted(tls) as server:
        assert (await failure_at(server)).stage == "login"


async def test_a_certificate_of_an_unknown_authority_is_not(tls):
    connecting._context.cache_clear()
    async with Encrypted(tls) as server:
        failure = await failure_at(server)
        assert failure.stage == "tls"
        assert failure.text.startswith("The certificate of localhost is not trusted: ")
        assert (await failure_at(server, verifies=False)).stage == "login"


async def test_a_certificate_of_another_name_is_not(trusted, authority):
    async with Encrypted(server_context(authority, "other.example")) as server:
        for host in ("localhost", "127.0.0.1"):
            failure = await failure_at(server, host=host)
            assert failure.stage == "tls"
            assert failure.text == f"The certificate that {host} shows is for another name."


async def test_a_certificate_of_an_address_is_for_that_address(trusted, authority):
    async with Encrypted(server_context(authority, "127.0.0.1")) as server:
        assert (await failure_at(server, host="127.0.0.1")).stage == "login"
        assert (await failure_at(server, host="localhost")).stage == "tls"


async def test_an_expired_certificate_is_not_trusted(trusted, authority):
    context = server_context(
        authority, "localhost", not_after=datetime.now(UTC) - timedelta(days=1)
    )
    async with Encrypted(context) as server:
        failure = await failure_at(server)
        assert (failure.stage, failure.text) == ("tls", "The certificate of localhost has expired.")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_tls_before_1_2_is_not_spoken(trusted, authority):
    context = server_context(authority, "localhost", key_type=trustme.KeyType.RSA)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with Encrypted(context) as server:
        assert (await failure_at(server)).stage == "tls"
        assert (await failure_at(server, verifies=False)).stage == "tls"


@pytest.mark.parametrize("verifies", [True, False])
async def test_a_certificate_is_looked_at_behind_starttls_too(tls, verifies):
    connecting._context.cache_clear()
    offered = b"+OK\r\nSTLS\r\nUIDL\r\n.\r\n"
    async with pop3({b"CAPA": offered}, tls=tls).serving() as liar:
        remote = liar.remote(Security.STARTTLS, host="localhost", verifies=verifies)
        if verifies:
            with pytest.raises(RemoteFailed, match="is not trusted") as failure:
                await enter(remote)
            assert failure.value.stage == "tls"
        else:
            await enter(remote)
    assert (b"PASS secret" in liar.commands) is not verifies


async def test_a_port_without_tls_is_said_so():
    async with pop3().serving() as liar:
        with pytest.raises(RemoteFailed, match="perhaps another port or STARTTLS") as failure:
            await enter(liar.remote(Security.TLS))
    assert failure.value.stage == "tls"


async def test_a_handshake_is_not_waited_for_for_ever():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        remote = Remote("127.0.0.1", silent.getsockname()[1], Security.TLS, "anne", "secret")
        with pytest.raises(RemoteFailed, match="handshake took too long"):
            await enter(remote, limits=Limits(connect_seconds=1.5))


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
def test_sessions_work_on_the_listeners_loop_too(tls, security):
    async def converse() -> list[bytes]:
        async with pop3({b"CAPA": b"+OK\r\nSTLS\r\nUIDL\r\n.\r\n"}, tls=tls).serving() as liar:
            remote = liar.remote(security)
            async with Pop3Session.open(remote, LIMITS, LOOPBACK) as session:
                (item,) = await session.listing()
                return [chunk async for chunk in session.retrieve(item)]

    assert uvloop.run(converse()) == [b"Subject: x\r\n"]
