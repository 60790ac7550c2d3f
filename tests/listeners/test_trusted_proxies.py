"""Proxies in front of the mail ports: the client is whom a listed one names (M-022)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest

from clock.moments import utc_now
from listeners import login, probe, proxied
from listeners.accepting import Acceptor
from listeners.gate import Refusal
from listeners.smtp.server import make_listener
from operations import settings as operations_settings
from operations.models import RelayNetwork
from protocols.proxy import LOCAL
from tests.listeners.running import PLAIN, TLS, RunningListener
from tests.proxyheaders import binary, line

PROXY = "127.0.0.9"
ANN, BEN = "203.0.113.7", "2001:db8::7"
HOSTS = {"plain": PLAIN.ip, "tls": TLS.ip}


@pytest.fixture
def smtp(
    world: Any, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> Iterator[RunningListener]:
    """Behind a proxy that connects from PROXY."""
    monkeypatch.setattr(login, "FAILURE_SECONDS", 0.01)
    settings.MAILHOST_TRUSTED_PROXIES = [f"{PROXY}/32", "192.0.2.0/24"]
    running = RunningListener(make_listener, tmp_path, [PLAIN, TLS])
    yield running
    running.stop()


class Caller:
    """Connects from an address of this machine; says `header` before anything else."""

    def __init__(self, smtp: RunningListener, header: bytes, *, of: str, by: str = PROXY) -> None:
        address = HOSTS[of], smtp.ports[of]
        self.socket = socket.create_connection(address, timeout=20, source_address=(by, 0))
        self.socket.sendall(header)
        if of == "tls":
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket, server_hostname="mx.test")
        self.lines = self.socket.makefile("rb")

    def say(self, text: str) -> str:
        self.socket.sendall(text.encode() + b"\r\n")
        return self.hear()

    def hear(self) -> str:
        """The last line of a reply; empty when the connection is closed."""
        while (heard := self.lines.readline().decode())[3:4] == "-":
            pass
        return heard

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()
        self.socket.close()


def headers(client: str) -> list[bytes]:
    found = ip_address(client)
    server = ip_address("198.51.100.1" if found.version == 4 else "2001:db8::1")
    ends = (found, server, 4711, 25)
    return [line(ends), binary(ends), binary(ends, b"\x03\x00\x04abcd")]


def clients(smtp: RunningListener) -> list[tuple[str, int]]:
    return [(visit.client_ip, visit.client_port) for visit in smtp.listener.visits]


@pytest.mark.spec("M-022")
@pytest.mark.parametrize("of", ["plain", "tls"])
def test_the_client_is_whom_a_listed_proxy_names(smtp: RunningListener, of: str) -> None:
    RelayNetwork.objects.create(network=f"{ANN}/32", created_at=utc_now())
    operations_settings.forget()
    operations_settings.current()
    for client, may_relay in ((ANN, True), (BEN, False)):
        for header in headers(client):
            with Caller(smtp, header, of=of) as caller:
                assert caller.hear().startswith("220")
                assert caller.say("EHLO client.test").startswith("250")
                assert clients(smtp) == [(client, 4711)]
                assert caller.say("MAIL FROM:<a@elsewhere.test>").startswith("250")
                reply = caller.say("RCPT TO:<someone@target.test>")
                assert reply.startswith("250" if may_relay else "5"), (client, reply)
                assert caller.say("QUIT").startswith("221")


@pytest.mark.spec("M-022")
def test_the_header_may_come_with_what_follows_or_octet_by_octet(smtp: RunningListener) -> None:
    for header in headers(ANN):
        with Caller(smtp, header + b"EHLO client.test\r\n", of="plain") as caller:
            assert caller.hear().startswith("220") and caller.hear().startswith("250")
        with Caller(smtp, b"", of="plain") as caller:
            caller.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in header:
                caller.socket.sendall(bytes([octet]))
            assert caller.hear().startswith("220")
            assert (ANN, 4711) in clients(smtp)


@pytest.mark.spec("M-022")
def test_a_listed_proxy_must_say_for_whom_it_connects(
    smtp: RunningListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Caller(smtp, b"EHLO client.test\r\n", of="plain") as caller:
        assert closed_without_a_word(caller)
    monkeypatch.setattr(proxied, "ANNOUNCEMENT_SECONDS", 0.05)
    for header in (b"", b"PROXY TCP4 203.0"):
        with Caller(smtp, header, of="plain") as caller:
            assert closed_without_a_word(caller)
    assert clients(smtp) == []


def closed_without_a_word(caller: Caller) -> bool:
    try:
        return caller.hear() == ""
    except ConnectionError:
        return True


@pytest.mark.spec("M-022")
def test_anybody_else_claims_in_vain(smtp: RunningListener) -> None:
    for header in headers(ANN):
        with Caller(smtp, header, of="plain", by="127.0.0.8") as caller:
            assert caller.hear().startswith("220")
            assert [client for client, _ in clients(smtp)] == ["127.0.0.8"]
            assert caller.hear().startswith("5")
    with Caller(smtp, b"", of="tls", by="127.0.0.8") as caller:
        assert caller.hear().startswith("220")


@pytest.mark.spec("M-022")
def test_limits_and_blocks_are_the_clients_not_the_proxys(
    smtp: RunningListener, limits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits(sessions_per_address=1)
    ann, ben = headers(ANN)[0], headers(BEN)[0]
    for of in ("plain", "tls"):
        with Caller(smtp, ann, of=of) as first:
            assert first.hear().startswith("220")
            with Caller(smtp, ann, of="plain") as second:
                assert second.hear().startswith("421") and second.hear() == ""
            with Caller(smtp, ben, of="plain") as third:
                assert third.hear().startswith("220")
            assert first.say("QUIT").startswith("221")
    monkeypatch.setattr(smtp.listener.gate, "_is_barred", {ANN: Refusal.BLOCKED}.get)
    with Caller(smtp, ann, of="plain") as blocked:
        assert blocked.hear()[:3] in ("421", "554")


def test_a_proxy_that_speaks_for_itself_and_the_servers_own_question_are_heard(
    smtp: RunningListener, settings: Any
) -> None:
    with Caller(smtp, LOCAL, of="plain") as caller:
        assert caller.hear().startswith("220")
        assert [client for client, _ in clients(smtp)] == [PROXY]
    settings.MAILHOST_TRUSTED_PROXIES = ["127.0.0.0/8"]
    assert smtp.call(probe.probe(smtp.listener)) == ""


def test_where_no_proxy_is_listed_nothing_stands_before_the_session(
    world: Any, tmp_path: Any
) -> None:
    running = RunningListener(make_listener, tmp_path, [PLAIN])
    try:
        assert not any(isinstance(one, Acceptor) for one in running.listener._servers.values())
    finally:
        running.stop()
