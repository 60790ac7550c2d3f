"""A mail system under measurement: where it listens, which processes it is, who has a mailbox."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

DOMAIN = "bench.test"
SINK_DOMAIN = "sink.test"
PASSWORD = "bench-password-1"
ACCOUNTS = 600


class Unverified(Exception):
    """The work did not arrive as it should have; the figure would be worth nothing."""


class System(ABC):
    """Started once in a directory of its own; every unit of work finds it by these facts."""

    name: str
    ports: dict[str, int]  # smtp, imap, imaps, pop3

    def __init__(self, directory: Path, sink_port: int) -> None:
        self.directory = directory
        self.sink_port = sink_port
        self.start_seconds = 0.0
        self._next_account = 0
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def roots(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self._processes)

    def start(self) -> None:
        self.prepare()
        began = time.monotonic()
        self._processes = self.launch()
        for port in self.ports.values():
            self._await_port(port, began + 60)
        self.start_seconds = time.monotonic() - began

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes = []

    def fresh_addresses(self, number: int) -> list[str]:
        """Addresses whose mailboxes no earlier measurement has touched."""
        first, self._next_account = self._next_account, self._next_account + number
        if self._next_account > ACCOUNTS:
            raise RuntimeError(f"more than {ACCOUNTS} mailboxes are needed")
        return [address(n) for n in range(first, self._next_account)]

    @abstractmethod
    def prepare(self) -> None:
        """Write the configuration and make the mailboxes; not part of the start-up time."""

    @abstractmethod
    def launch(self) -> list[subprocess.Popen[bytes]]: ...

    @abstractmethod
    def flush(self) -> None:
        """Ask for an attempt of everything deferred, now."""

    @abstractmethod
    def deferred(self) -> int:
        """How many recipients wait in the spool."""

    def _await_port(self, port: int, deadline: float) -> None:
        while True:
            for process in self._processes:
                if process.poll() is not None:
                    raise RuntimeError(f"{self.name} ended with {process.returncode}")
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name}: nothing on port {port}") from None
                time.sleep(0.02)


def address(number: int) -> str:
    return f"user{number}@{DOMAIN}"


def unverified_tls() -> ssl.SSLContext:
    """The certificates of a measurement are made for it: nothing to verify against."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
