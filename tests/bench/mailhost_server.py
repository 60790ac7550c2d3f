"""MailHost under measurement: everything on, on a data folder and ports of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.bench.systems import (
    ACCOUNTS,
    DOMAIN,
    PASSWORD,
    SINK_DOMAIN,
    System,
    address,
)
from tests.running import RunningServer

SERVICES = ("smtp", "imap", "imaps", "pop3")


class MailHost(System):
    """One server with web, jobs and all default checks."""

    name = "MailHost"

    def __init__(self, directory: Path, sink_port: int) -> None:
        super().__init__(directory, sink_port)
        directory.mkdir()
        self._server = RunningServer(directory / "data")
        self.ports = {name: self._server.port(name) for name in SERVICES}

    def prepare(self) -> None:
        """A first start makes database, keys and certificate; the measured one finds them."""
        self._server.start()
        try:
            settings = self.directory / "bench.yaml"
            settings.write_text(_provisioning(self.sink_port))
            self._server.manage("apply", str(settings), "--allow-weak-passwords")
        finally:
            self._server.stop()

    def launch(self) -> list[subprocess.Popen[bytes]]:
        return [self._server.launch()]

    def flush(self) -> None:
        self._server.manage("spool", "force", "--all")

    def deferred(self) -> int:
        return int(self._server.manage("spool", "count").split()[0])


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
        "relay_networks: [{network: 127.0.0.0/8}]",
        "gateways:",
        f"  - {{name: sink, host: 127.0.0.1, port: {sink_port}, domains: [{SINK_DOMAIN}]}}",
    ]
    return "\n".join(lines) + "\n"
