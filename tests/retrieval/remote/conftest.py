"""Mailboxes on servers that play the other server here: our own, and Dovecot."""

from __future__ import annotations

import imaplib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from uuid import uuid4

import pytest
import trustme

from retrieval.remote.server import Limits, Remote, Security
from tests.retrieval.remote import dovecot
from tests.running import RunningServer

PASSWORD = "remote-password-1"
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
LIMITS = Limits(connect_seconds=20, reply_seconds=20)
USERS = f"""
domains:
  - name: remote.example
    admin: {{username: admin, password: {PASSWORD}}}
    users:
      - {{username: fetched, password: {PASSWORD}}}
"""


@dataclass(frozen=True)
class Mailbox:
    """An account on a server, and its user's own way into it."""

    ports: dict[str, int]  # imap, imaps, pop3, pop3s
    username: str
    password: str
    delimiter: str  # of its folders

    def at(self, service: str, security: Security = Security.NONE, **values) -> Remote:
        given = {"username": self.username, "password": self.password, "verifies": False}
        return Remote("127.0.0.1", self.ports[service], security, **{**given, **values})

    def log_in(self) -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.ports["imap"], timeout=20)
        client.login(self.username, self.password)
        return client

    def put(self, *messages: bytes, folder: str = "INBOX", flags: str = "") -> None:
        with self.log_in() as client:
            for message in messages:
                status, detail = client.append(
                    folder, flags, imaplib.Time2Internaldate(time.time()), message
                )
                assert status == "OK", detail

    def bodies(self, folder: str = "INBOX") -> list[bytes]:
        with self.log_in() as client:
            client.select(folder, readonly=True)
            parts = client.uid("FETCH", "1:*", "BODY.PEEK[]")[1]
            return [part[1] for part in parts if isinstance(part, tuple)]

    def empty(self, folder: str = "INBOX") -> None:
        with self.log_in() as client:
            client.select(folder)
            client.store("1:*", "+FLAGS", "\\Deleted")
            client.expunge()


@pytest.fixture(scope="session")
def users_of_our_own(server: RunningServer) -> RunningServer:
    server.manage("apply", "-", "--allow-weak-passwords", text=USERS)
    return server


@pytest.fixture(scope="session")
def dovecot_ports() -> Iterator[dict[str, int]]:
    if dovecot.PROGRAM is None:
        pytest.skip("Dovecot is not installed")
    with dovecot.running() as ports:
        yield ports


@pytest.fixture(params=["MailHost", "Dovecot"])
def mailbox(request: pytest.FixtureRequest) -> Mailbox:
    """An empty mailbox, on our own server and on Dovecot in turn."""
    if request.param == "MailHost":
        return request.getfixturevalue("ours")
    return request.getfixturevalue("dovecots")


@pytest.fixture
def ours(users_of_our_own: RunningServer) -> Mailbox:
    ports = {each: users_of_our_own.port(each) for each in dovecot.SERVICES}
    found = Mailbox(ports, "fetched@remote.example", PASSWORD, "/")
    found.empty()
    return found


@pytest.fixture
def dovecots(dovecot_ports: dict[str, int]) -> Mailbox:
    return Mailbox(dovecot_ports, f"user-{uuid4().hex}", dovecot.PASSWORD, ".")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a server needs to be "localhost"."""
    return server_context(authority, "localhost")


def server_context(authority: trustme.CA, *names: str, **certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **certificate).configure_cert(context)
    return context
