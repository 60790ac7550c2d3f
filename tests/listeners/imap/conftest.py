"""A running IMAP listener, somebody to talk to it, and messages to talk about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blobs.committer import process_committer
from clock.moments import to_micros, utc_now
from listeners.context import Context
from listeners.imap.server import make_listener
from mailboxes.appending import Append
from switchboard.subscribe import Switchboard
from tests.factories import PASSWORD
from tests.listeners.running import PLAIN, TLS, RunningListener
from tests.listeners.talking import Talking, talks

HOSTS = {"plain": PLAIN.ip, "tls": TLS.ip}
MESSAGE = (
    b"Date: Sat, 21 Nov 2026 22:28:07 +0000\r\nFrom: Ada <ada@example.org>\r\n"
    b"To: bob@example.com\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n\r\nDear Bob\r\n"
)
MIXED = (Path(__file__).parent / "mixed.eml").read_bytes()


class RunningImap(RunningListener):
    """With a switchboard, so that sessions are told of changes."""

    async def _start(self, make_listener, endpoints):
        self.board = Switchboard()
        await self.board.start()
        listener = make_listener(Context(self.board, self.certificates))
        await listener.bind(endpoints)
        return listener

    def stop(self):
        self.call(self.board.stop())
        super().stop()


class Talk(Talking):
    """One IMAP client, one command at a time."""

    def __init__(self, host, port, *, is_tls=False, greets=True):
        super().__init__(host, port, is_tls=is_tls)
        self.greeting = self.line() if greets else b""

    def line(self) -> bytes:
        """One line with its literals, without its end; empty when the connection is closed."""
        line = self.lines.readline()
        while literal := re.search(rb"\{(\d+)\}\r\n\Z", line):
            line += self.lines.read(int(literal[1])) + self.lines.readline()
        return line.removesuffix(b"\r\n")

    def until(self, tag: bytes) -> list[bytes]:
        """All lines up to the one with the tag."""
        found = [self.line()]
        while not found[-1].startswith(tag + b" "):
            assert found[-1], found
            found.append(self.line())
        return found

    def say(self, command: bytes, tag: bytes = b"a") -> list[bytes]:
        self.send(tag + b" " + command + b"\r\n")
        return self.until(tag)

    def ok(self, command: bytes) -> list[bytes]:
        """The untagged responses of a command that must succeed."""
        *untagged, tagged = self.say(command)
        assert tagged.startswith(b"a OK"), (untagged, tagged)
        return untagged

    def refused(self, command: bytes) -> bytes:
        """What a command that must fail is answered, without the tag."""
        tagged = self.say(command)[-1]
        assert not tagged.startswith(b"a OK"), tagged
        return tagged.removeprefix(b"a ")

    def append(self, message=MESSAGE, folder=b"INBOX", flags=b"") -> bytes:
        """The response code's UID."""
        arguments = b"%b %b{%d+}\r\n%b" % (
            folder,
            flags + b" " if flags else b"",
            len(message),
            message,
        )
        tagged = self.say(b"APPEND " + arguments)[-1]
        return re.match(rb"a OK \[APPENDUID \d+ (\d+)\]", tagged)[1]


@pytest.fixture
def imap(world, settings, tmp_path):
    settings.MAILHOST_HOSTNAME = "mx.test"
    running = RunningImap(make_listener, tmp_path, [PLAIN, TLS])
    yield running
    running.stop()


@pytest.fixture
def talk(imap):
    """Opens a connection: `talk()`, `talk("tls")`."""
    with talks(Talk, HOSTS, imap.ports) as connect:
        yield connect


@pytest.fixture
def alice(talk):
    """Opens a connection and logs alice in; `alice(b"INBOX")` selects a folder too."""

    def connect(folder=b"", name=b"alice@example.com"):
        one = talk()
        one.ok(b'LOGIN %b "%b"' % (name, PASSWORD.encode()))
        if folder:
            one.ok(b"SELECT " + folder)
        return one

    return connect


@pytest.fixture
def deliver(world):
    """Brings a message into alice's INBOX, as another process would."""

    def bring(message=MESSAGE, **values):
        job = Append.of(
            message,
            account_id=world.alice.pk,
            domain_id=world.alice.domain_id,
            received_at=to_micros(utc_now()),
            **values,
        )
        return process_committer().commit_now(job)

    return bring
