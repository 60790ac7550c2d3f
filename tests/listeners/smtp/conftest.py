"""A running SMTP listener and somebody to talk to it."""

from __future__ import annotations

import pytest

from listeners import login
from listeners.smtp.server import make_listener
from tests.listeners.running import PLAIN, SUBMISSION, TLS, RunningListener
from tests.listeners.talking import Talking, talks

HOSTS = {"plain": PLAIN.ip, "submission": SUBMISSION.ip, "tls": TLS.ip}


class Talk(Talking):
    """One SMTP client, one line at a time."""

    def __init__(self, host, port, *, is_tls=False, greets=True):
        super().__init__(host, port, is_tls=is_tls)
        self.greeting = self.read() if greets else ""

    def read(self) -> str:
        """One whole reply; empty when the connection is closed."""
        lines = []
        while True:
            line = self.lines.readline().decode()
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
        self.wrap()

    def submit(self, message=b"Subject: hello\r\n\r\nHello\r\n") -> str:
        assert self.say("DATA").startswith("354")
        self.send(message + b".\r\n")
        return self.read()


@pytest.fixture
def smtp(world, settings, monkeypatch, tmp_path):
    monkeypatch.setattr(login, "FAILURE_SECONDS", 0.01)
    settings.MAILHOST_HOSTNAME = "mx.test"
    running = RunningListener(make_listener, tmp_path, [PLAIN, TLS, SUBMISSION])
    yield running
    running.stop()


@pytest.fixture
def talk(smtp):
    """Opens a connection: `talk()`, `talk("submission")`, `talk("tls")`."""
    with talks(Talk, HOSTS, smtp.ports) as connect:
        yield connect
