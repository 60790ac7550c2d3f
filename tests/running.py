"""A whole server as a real process on free loopback ports, for tests that come in by a door."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path

from tests import databases
from tests.commands import Commands

ROOT = databases.ROOT
STANDARD_PORTS = {
    "smtp": 25, "submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995, "imap": 143,
    "imaps": 993, "ldap": 389, "ldap_tls": 636, "http": 80, "https": 443,
}  # fmt: skip
# No two of them are a multiple of this apart: servers whose offsets are share no port.
OFFSET_STEP = 32
START_SECONDS = 180.0  # a busy machine takes its time
STOP_SECONDS = 30.0
COMMAND_SECONDS = 120.0


class NotStarted(Exception):
    """The server ended or was silent; the text is its log."""


class RunningServer:
    """`./serve` on a data folder of its own. Start it with `start()`, end it with `stop()`."""

    def __init__(
        self,
        data: Path,
        *,
        database_url: str | None = None,
        is_empty: bool = False,
        **settings: object,
    ) -> None:
        """`is_empty`: its first start makes all that it needs, the tables too."""
        self.data = data
        self._has_tables = is_empty or database_url is not None
        self.log_path = data.with_name(f"{data.name}.log")
        claim, self.offset = claim_offset()
        weakref.finalize(self, claim.close)
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("MAILHOST_")
        }
        self.environment.pop("DJANGO_SETTINGS_MODULE", None)
        self.environment.update(
            MAILHOST_DATA=str(data),
            MAILHOST_PORT_OFFSET=str(self.offset),
            MAILHOST_HOSTNAME="mail.test",
            MAILHOST_LOG_FORMAT="logfmt",
        )
        if database_url is not None:
            self.environment["MAILHOST_DATABASE_URL"] = database_url
        for name, value in settings.items():
            self.environment[f"MAILHOST_{name.upper()}"] = str(value)
        self.process: subprocess.Popen[bytes] | None = None
        self._commands = Commands()

    def port(self, service: str) -> int:
        """The port of "smtp", "submission", "submissions", "imap", "imaps", "pop3", "ldap", ..."""
        return STANDARD_PORTS[service] + self.offset

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self) -> RunningServer:
        """Returns when every part is ready. Raises NotStarted."""
        with tempfile.TemporaryDirectory(prefix="mh-") as folder:
            path = str(Path(folder) / "notify")
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notes:
                notes.bind(path)
                notes.settimeout(0.1)
                self.launch(NOTIFY_SOCKET=path)
                self._wait_ready(notes)
        return self

    def prepare(self) -> RunningServer:
        """From here on `manage` works: what it sets up now, all processes know when they start."""
        if not self._has_tables:
            self._has_tables = True
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            tables = self.data / "mailhost.sqlite3"
            if not tables.exists():
                tables.write_bytes(databases.sqlite_with_tables())
        return self

    def launch(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start the process without waiting for it."""
        self.prepare()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "serve"],
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.process

    def _wait_ready(self, notes: socket.socket) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                if b"READY=1" in notes.recv(65_536).splitlines():
                    return
            except TimeoutError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise NotStarted(self.log)

    def manage(self, *arguments: str, text: str | None = None) -> str:
        """The output of a management command; `text` is its input. Raises CalledProcessError."""
        done = self._commands.run(
            *arguments, environment=self.environment, text=text, seconds=COMMAND_SECONDS
        )
        if done.returncode:
            raise subprocess.CalledProcessError(
                done.returncode, arguments, done.stdout, done.stderr
            ) from RuntimeError(done.stdout + done.stderr)
        return done.stdout

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Drain; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the supervisor at once; its parts follow by themselves."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def pids(self, command: str) -> list[int]:
        """The processes of this server that run `manage.py <command>`, such as `serve_mail`."""
        assert self.process is not None
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    name = (entry / "comm").read_text().strip()
                    parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue  # it ended meanwhile
                if parent == self.process.pid and command == name:
                    found.append(int(entry.name))
        return found


def claim_offset() -> tuple[socket.socket, int]:
    """An offset at which every standard port is free on loopback now.

    Of all tests of this machine nobody else gets it before that socket is closed.
    """
    for _ in range(200):
        # Below 32768, where the system begins to choose ports for clients.
        offset = random.SystemRandom().randrange(10_000, 31_000, OFFSET_STEP)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0mailhost-tests-offset-{offset}")
        except OSError:
            claim.close()
            continue
        if all(_is_free(port + offset) for port in STANDARD_PORTS.values()):
            return claim, offset
        claim.close()
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
