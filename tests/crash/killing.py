"""Kills parts of a running server at random moments under load, and judges what is left."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.inspection import inspect
from tests.crash.load import Promises, Sender
from tests.running import RunningServer

DOMAIN = "crash.test"
PASSWORD = "crash-password-1"
RECIPIENTS = 6
SENDERS = 6
BACK_SECONDS = 60
# Most kills hit the process that holds the promises.
VICTIMS = ["mail"] * 6 + ["everything"] * 2 + ["any part"] * 2


@dataclass
class Report:
    """How the run went."""

    kills: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    unknown: int = 0
    unknown_delivered: int = 0

    def __str__(self) -> str:
        kills = ", ".join(f"{number} x {what}" for what, number in self.kills.items())
        return (
            f"kills: {kills}; {self.accepted} copies promised and all there once; of "
            f"{self.unknown} without a reply {self.unknown_delivered} were delivered"
        )


def addresses(round_: int) -> list[str]:
    return [f"user{round_ * RECIPIENTS + n}@{DOMAIN}" for n in range(RECIPIENTS)]


def provision(server: RunningServer, rounds: int, path: Path) -> None:
    """One domain with enough mailboxes, in the way a provider makes them."""
    lines = [
        "domains:",
        f"  - name: {DOMAIN}",
        f"    admin: {{username: admin, password: {PASSWORD}}}",
        "    limits: {users: 0, max_message_size_kb: 0, disk_space_mb: 0}",
        "    users:",
    ]
    for n in range(rounds * RECIPIENTS):
        lines.append(f"      - {{username: user{n}, password: {PASSWORD}}}")
    path.write_text("\n".join(lines) + "\n")
    server.manage("apply", str(path), "--allow-weak-passwords")


def kill_and_judge(
    server: RunningServer, *, kills: int, rounds: int, seed: int, message_bytes: int = 30_000
) -> Report:
    """`kills` kills in `rounds` rounds, each judged by itself. Raises inspection.Broken."""
    dice, report = random.Random(seed), Report()
    for round_ in range(rounds):
        recipients, promises = addresses(round_), Promises()
        senders = [
            Sender(f"r{round_}s{n}", server.port("smtp"), recipients, promises, message_bytes)
            for n in range(SENDERS)
        ]
        for sender in senders:
            sender.start()
        share = kills * (round_ + 1) // rounds - kills * round_ // rounds
        for _ in range(share):
            time.sleep(dice.uniform(0.2, 2.0))
            report.kills[_kill(server, dice)] += 1
            _wait_until_back(server)
        time.sleep(0.5)
        for sender in senders:
            sender.stop()
        found = inspect(server, promises, recipients, PASSWORD)
        report.accepted += len(promises.accepted)
        report.unknown += len(promises.unknown)
        report.unknown_delivered += len(promises.unknown & found.keys())
    return report


def _kill(server: RunningServer, dice: random.Random) -> str:
    """SIGKILL, so that nothing can be finished; what was killed."""
    assert server.process is not None
    victim = dice.choice(VICTIMS)
    parts = _children(server.process.pid)
    if victim == "everything":
        # The supervisor first, or it would start anew what is killed behind it.
        for pid in (server.process.pid, *parts):
            _end(pid)
        server.process.wait()
        return victim
    pids = server.pids("serve_mail") if victim == "mail" else parts
    for pid in [dice.choice(pids)] if pids else []:
        _end(pid)
    return victim


def _wait_until_back(server: RunningServer) -> None:
    assert server.process is not None
    if server.process.poll() is not None:
        server.start()
    deadline = time.monotonic() + BACK_SECONDS
    while True:
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", server.port("smtp")), 5) as s,
        ):
            s.settimeout(5)
            if s.recv(3) == b"220":
                return
        if time.monotonic() > deadline:
            raise AssertionError(f"the server did not come back:\n{server.log[-3000:]}")
        time.sleep(0.1)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
