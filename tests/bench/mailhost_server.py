"""MailHost under measurement: a data directory and ports of its own, run by `manage.py serve`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.systems import (
    ACCOUNTS,
    DOMAIN,
    PASSWORD,
    SINK_DOMAIN,
    System,
    address,
)

ROOT = Path(__file__).resolve().parents[2]
STANDARD_PORTS = {"smtp": 25, "imap": 143, "imaps": 993, "pop3": 110}
ALL_PORTS = [*STANDARD_PORTS.values(), 80, 389, 443, 465, 587, 636, 995]


class MailHost(System):
    """One server with everything on: web, jobs and all default checks."""

    name = "MailHost"

    def __init__(self, directory: Path, sink_port: int) -> None:
        super().__init__(directory, sink_port)
        offset = free_offset()
        self.ports = {name: port + offset for name, port in STANDARD_PORTS.items()}
        self._environment = os.environ | {
            "MAILHOST_DATA": str(directory / "data"),
            "MAILHOST_BIND": "127.0.0.1",
            "MAILHOST_PORT_OFFSET": str(offset),
            "MAILHOST_HOSTNAME": "mx.bench.test",
        }

    def prepare(self) -> None:
        self.directory.mkdir()
        self.manage("migrate", "--verbosity", "0")
        settings = self.directory / "bench.yaml"
        settings.write_text(_provisioning(self.sink_port))
        self.manage("apply", str(settings), "--allow-weak-passwords")

    def launch(self) -> list[subprocess.Popen[bytes]]:
        log = (self.directory / "output").open("ab")
        line = [sys.executable, "manage.py", "serve"]
        return [
            subprocess.Popen(
                line,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        ]

    def manage(self, *words: str) -> str:
        """Run a management command of this server; its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{words[0]}: {done.stdout}{done.stderr}")
        return done.stdout

    def flush(self) -> None:
        self.manage("spool", "force", "--all")

    def deferred(self) -> int:
        return int(self.manage("spool", "count").split()[0])


def _provisioning(sink_port: int) -> str:
    lines = [
        "domains:",
        f"  - name: {DOMAIN}",
        f"    admin: {{username: admin, password: {PASSWORD}}}",
        "    limits: {users: 0, max_message_size_kb: 0, disk_space_mb: 0}",
        "    users:",
    ]
    for number in range(ACCOUNTS):
        name = address(number).partition("@")[0]
        lines.append(f"      - {{username: {name}, password: {PASSWORD}}}")
    lines += [
        "gateways:",
        f"  - {{name: sink, host: 127.0.0.1, port: {sink_port}, domains: [{SINK_DOMAIN}]}}",
    ]
    return "\n".join(lines) + "\n"


def free_offset() -> int:
    """An offset at which every standard port is free on loopback."""
    for offset in range(20000, 60000, 1000):
        offset += time.time_ns() // 1000 % 900
        if all(_is_free(port + offset) for port in ALL_PORTS):
            return offset
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
