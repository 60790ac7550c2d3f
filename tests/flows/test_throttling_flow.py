"""A domain sends more than its hour allows: what its users, its trace and its operator see."""

from __future__ import annotations

import asyncio
import imaplib
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.dns_server import DnsServer
from tests.factories import PASSWORD
from tests.running import RunningServer
from tests.sinks import Sink
from tests.submitting import ALICE, submit

FILE = f"""
domains:
  - name: home.example
    admin: {{username: admin, password: "{PASSWORD}"}}
    throttling: {{outgoing_messages_per_hour: 3, outgoing_messages_per_hour_enabled: true}}
    users:
      - username: alice
        password: "{PASSWORD}"
        outgoing_messages_per_hour: 2
        outgoing_messages_per_hour_enabled: true
"""
PATIENCE_SECONDS = 40


@pytest.mark.spec("T-002", "T-003", "T-011", "T-013", "T-014", "E-023")
async def test_the_third_message_of_the_hour_waits_until_it_is_released(
    tmp_path: Path, own_database: str | None
) -> None:
    await _stay_clear_of_the_hour()
    records = {
        ("outside.test", "MX"): ["10 mx.outside.test."],
        ("mx.outside.test", "A"): ["127.0.0.1"],
    }
    async with DnsServer(records) as dns, Sink(host="127.0.0.1") as sink:
        server = RunningServer(
            tmp_path / "data",
            database_url=own_database,
            dns_servers=dns.address,
            outgoing_port=sink.port,
        )
        await asyncio.to_thread(server.start)
        try:
            await asyncio.to_thread(server.manage, "apply", "-", text=FILE)
            for number in range(3):
                await asyncio.to_thread(submit, server, ALICE, f"r{number}@outside.test")
            await _until(lambda: len(sink.taken) == 2)
            [shown] = await _shown(server)
            assert (shown["who"], shown["reason"], shown["waiting"]) == (ALICE, "messages", 1)
            told = await asyncio.to_thread(server.manage, "trace", "r2@outside.test")
            assert f"{ALICE} is limited: 2 of 2 messages this hour; next slot" in told
            assert "Throttled until" in await asyncio.to_thread(server.manage, "spool", "list")
            snapshot = await asyncio.to_thread(server.manage, "snapshot", "--short")
            assert "outgoing_messages_per_hour: 2" in snapshot
            done = await asyncio.to_thread(server.manage, "throttle", "release", ALICE)
            assert "1 recipients may go on" in done
            await _until(lambda: len(sink.taken) == 3)
            assert await asyncio.to_thread(_warnings, server) == 1
        finally:
            await asyncio.to_thread(server.stop)


async def _shown(server: RunningServer) -> list[dict[str, object]]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = json.loads(await asyncio.to_thread(server.manage, "throttle", "list", "--json"))
        if found:
            return list(found)
        assert time.monotonic() < deadline, "nobody was throttled"


def _warnings(server: RunningServer) -> int:
    """Mail in the administrator's mailbox."""
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=20) as client:
        client.login("admin@home.example", PASSWORD)
        [count] = client.select("INBOX")[1]
        return int(count or b"0")


async def _stay_clear_of_the_hour() -> None:
    left = 3600 - time.time() % 3600
    if left < 60:
        await asyncio.sleep(left)


async def _until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.1)
