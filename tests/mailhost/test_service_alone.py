"""Each mail service as a process of its own, by its own command: together they are a server."""

from __future__ import annotations

import asyncio
import contextlib
import imaplib
import poplib
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from listeners.readiness import Listening
from tests import databases
from tests.dns_server import DnsServer
from tests.factories import PASSWORD
from tests.listeners.ldap.talk import Talk, search
from tests.running import ROOT, RunningServer
from tests.sinks import Sink
from tests.submitting import ALICE, HOME

PORTS = {
    "serve_smtp": {25, 587, 465},
    "serve_pop": {110, 995},
    "serve_imap": {143, 993},
    "serve_ldap": {389, 636},
    "serve_spool": set(),
    "serve_retrieval": set(),
}
SECONDS = 120.0  # a busy machine takes its time


class Alone:
    """One command on the data of `server`."""

    def __init__(self, server: RunningServer, command: str) -> None:
        self._offset = server.offset
        self._notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notes.settimeout(SECONDS)
        path = server.data.with_name(f"{command}.notify")
        self._notes.bind(str(path))
        self.log = server.data.with_name(f"{command}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), command],
            env={**server.environment, "NOTIFY_SOCKET": str(path)},
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    def ports(self) -> set[int]:
        """Those it has opened, without the offset, once it has said that it is ready."""
        while "READY=1" not in (lines := self._notes.recv(65_536).decode().splitlines()):
            pass
        notes = [line.partition("=")[2] for line in lines if line.startswith("X_LISTENING=")]
        found = [Listening.decode(note) for note in notes]
        assert not [one.problem for one in found if one.problem]
        return {one.port - self._offset for one in found}

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()
        self._notes.close()


@pytest.fixture
def prepared(tmp_path: Path, database_url: str | None) -> Iterator[RunningServer]:
    """Tables and keys, but nothing that runs."""
    with databases.fresh(database_url) as url:
        server = RunningServer(tmp_path / "data", database_url=url)
        server.data.mkdir(mode=0o700)
        if url is None:
            (server.data / "mailhost.sqlite3").write_bytes(databases.sqlite_with_tables())
        yield server


@pytest.mark.spec("N-001")
async def test_a_command_runs_its_service_alone_and_ends_it_gracefully(
    prepared: RunningServer,
) -> None:
    records = {("out.test", "MX"): ["10 mx.out.test."], ("mx.out.test", "A"): ["127.0.0.1"]}
    async with DnsServer(records) as dns, Sink(host="127.0.0.1") as sink:
        prepared.environment |= {
            "MAILHOST_DNS_SERVERS": dns.address,
            "MAILHOST_OUTGOING_PORT": str(sink.port),
        }
        await asyncio.to_thread(prepared.manage, "apply", "-", text=HOME)
        with contextlib.ExitStack() as stack:
            running = {command: Alone(prepared, command) for command in PORTS}
            for one in running.values():
                stack.callback(one.close)
            for command, expected in PORTS.items():
                assert await asyncio.to_thread(running[command].ports) == expected
            await asyncio.to_thread(_write_and_read, prepared)
            async with asyncio.timeout(SECONDS):
                while not sink.taken:  # by the process of the spool alone
                    await asyncio.sleep(0.05)
            assert b"Subject: hello" in sink.taken[0].body
            await asyncio.to_thread(_end, prepared, running)


def _write_and_read(server: RunningServer) -> None:
    with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=SECONDS) as smtp:
        smtp.login(ALICE, PASSWORD)
        smtp.sendmail(ALICE, [ALICE, "bob@out.test"], b"Subject: hello\r\n\r\nHello\r\n")
    pop = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=SECONDS)
    pop.user(ALICE)
    pop.pass_(PASSWORD)
    assert b"Subject: hello" in pop.retr(1)[1]
    pop.quit()
    book = Talk("127.0.0.1", server.port("ldap")).log_in(ALICE)
    assert book.ask(search(1, base="", scope=1)).code == 0 and len(book.names) == 1
    book.close()


def _end(server: RunningServer, running: dict[str, Alone]) -> None:
    """Whoever looks at a mailbox is told; nothing listens afterwards."""
    imap = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=SECONDS)
    imap.login(ALICE, PASSWORD)
    assert imap.select()[1] == [b"1"]
    assert running["serve_imap"].end() == 0
    assert imap.readline().startswith(b"* BYE")
    imap.shutdown()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port("imap")), timeout=SECONDS)
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=SECONDS) as smtp:
        assert smtp.noop()[0] == 250  # the others go on
    others = set(PORTS) - {"serve_imap"}
    assert {running[command].end() for command in others} == {0}
