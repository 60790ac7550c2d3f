"""A running SMTP listener and somebody to talk to it."""

from __future__ import annotations

import socket
import ssl

import pytest

from blobs.committer import stop_process_committer
from listeners import login
from listeners.smtp.server import make_listener
from operations import settings as operations_settings
from operations.models import ListenerSettings
from tests.listeners.running import PLAIN, SUBMISSION, TLS, RunningListener
from tests.listeners.world import build_world

HOSTS = {"plain": PLAIN.ip, "submission": SUBMISSION.ip, "tls": TLS.ip}


class Talk:
    """One SMTP client, one line at a time."""

    def __init__(self, host, port, *, is_tls=False, greets=True):
        self.socket = socket.create_connection((host, port), timeout=20)
        if is_tls:
            self._wrap()
        else:
            self.replies = self.socket.makefile("rb")
        self.greeting = self.read() if greets else ""

    def _wrap(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname="mx.test")
        self.replies = self.socket.makefile("rb")

    def send(self, octets):
        self.socket.sendall(octets)

    def read(self) -> str:
        """One whole reply; empty when the connection is closed."""
        lines = []
        while True:
            line = self.replies.readline().decode()
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    def say(self, line) -> str:
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.read()

    def hello(self) -> str:
        return self.say("EHLO client.test")

    def start_tls(self):
        assert self.say("STARTTLS").startswith("220")
        self._wrap()

    def submit(self, message=b"Subject: hello\r\n\r\nHello\r\n") -> str:
        assert self.say("DATA").startswith("354")
        self.send(message + b".\r\n")
        return self.read()

    def close(self):
        self.replies.close()
        self.socket.close()


@pytest.fixture
def world(transactional_db):
    yield build_world()
    stop_process_committer(20)


@pytest.fixture
def smtp(world, settings, monkeypatch, tmp_path):
    monkeypatch.setattr(login, "FAILURE_SECONDS", 0.01)
    settings.MAILHOST_HOSTNAME = "mx.test"
    running = RunningListener(make_listener, tmp_path, [PLAIN, TLS, SUBMISSION])
    yield running
    running.stop()


@pytest.fixture
def limits(world):
    """Changes the listeners' settings: `limits(message_size_mb=1)`."""

    def change(**values):
        ListenerSettings.objects.update_or_create(pk=1, defaults=values)
        operations_settings.forget()
        operations_settings.current()

    return change


@pytest.fixture
def talk(smtp):
    """Opens a connection: `talk()`, `talk("submission")`, `talk("tls")`."""
    opened = []

    def connect(purpose="plain", *, greets=True):
        one = Talk(HOSTS[purpose], smtp.ports[purpose], is_tls=purpose == "tls", greets=greets)
        opened.append(one)
        return one

    yield connect
    for one in opened:
        one.close()
