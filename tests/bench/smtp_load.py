"""SMTP work: Postfix's smtp-source sends, its smtp-sink receives, and both are counted."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.imap_client import ImapClient
from tests.bench.systems import PASSWORD, SINK_DOMAIN, System, Unverified

ARRIVAL_SECONDS = 120
GENERATORS = 10  # processes at most, each with a recipient of its own
SENDER = "sender@origin.test"


def send(
    system: System,
    recipients: list[str],
    *,
    messages: int,
    sessions: int,
    message_bytes: int,
    keep_connections: bool = True,
) -> dict[str, int]:
    """Send and wait for the last reply; how many messages each recipient was sent.

    Raises Unverified unless every message got its 250.
    """
    generators = min(sessions, GENERATORS, len(recipients))
    share, lines = messages // generators, []
    for recipient in recipients[:generators]:
        counts = f"-s {sessions // generators} -m {share} -l {message_bytes}"
        keep = ["-d"] if keep_connections else []
        target = f"127.0.0.1:{system.ports['smtp']}"
        who = ["-f", SENDER, "-t", recipient, "-M", "generator.test"]
        lines.append(["smtp-source", *keep, *counts.split(), *who, target])
    running = [subprocess.Popen(line, stderr=subprocess.PIPE) for line in lines]
    for process in running:
        _, complaint = process.communicate()
        if process.returncode or b"fatal" in complaint:
            raise Unverified(f"{system.name}: smtp-source: {complaint.decode()[:300]}")
    return dict.fromkeys(recipients[:generators], share)


class Arrivals:
    """Watches the inboxes of some addresses; logged in before the clock starts."""

    def __init__(self, system: System, recipients: list[str]) -> None:
        self._clients = {
            recipient: ImapClient.logged_in(system.ports["imap"], recipient, PASSWORD)
            for recipient in recipients
        }

    def wait_for(self, expected: dict[str, int]) -> None:
        """Return when every inbox holds what it was sent. Raises Unverified if one never does."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        for recipient, number in expected.items():
            while (found := self._count(recipient)) != number:
                if time.monotonic() > deadline or found > number:
                    raise Unverified(f"{recipient} has {found} messages of {number}")
                time.sleep(0.02)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _count(self, recipient: str) -> int:
        response = self._clients[recipient].command(b"STATUS INBOX (MESSAGES)")
        match = re.search(rb"MESSAGES (\d+)", response)
        if match is None:
            raise Unverified(repr(response))
        return int(match[1])


class Sink:
    """A running smtp-sink and what it has counted."""

    def __init__(self, port: int, output: Path) -> None:
        self._output = output
        line = ["smtp-sink", "-c", "-u", "nobody", f"127.0.0.1:{port}", "1000"]
        self._process = subprocess.Popen(line, stdout=output.open("wb"))

    def count(self) -> int:
        found = re.findall(rb"mesg=(\d+)", self._output.read_bytes()[-400:])
        return int(found[-1]) if found else 0

    def wait_for(self, number: int) -> None:
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while (found := self.count()) != number:
            if time.monotonic() > deadline or found > number:
                raise Unverified(f"the sink has {found} messages of {number}")
            time.sleep(0.02)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@contextmanager
def sink(system: System) -> Iterator[Sink]:
    running = Sink(system.sink_port, system.directory / "sink-output")
    time.sleep(0.3)
    try:
        yield running
    finally:
        running.stop()


def outside_addresses(number: int) -> list[str]:
    return [f"rcpt{n}@{SINK_DOMAIN}" for n in range(number)]
