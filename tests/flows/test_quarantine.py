"""A user's program sends what a scanner has marked as spam: on a server with two mail processes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.dns_server import DnsServer
from tests.factories import PASSWORD
from tests.running import RunningServer
from tests.sinks import Sink
from tests.submitting import ALICE, submit

FILE = f"""
settings: {{spool: {{quarantines_spam: true, quarantine_days: 9}}}}
domains:
  - name: home.example
    admin: {{username: admin, password: "{PASSWORD}"}}
    users: [{{username: alice, password: "{PASSWORD}"}}]
"""
SPAM = {"X-Spam-Status": "Yes, score=9.9 required=5.0"}
# Its time is over, as if days had passed.
BACK_IN_TIME = (
    "from datetime import timedelta\n"
    "from spool.models import SpooledMessage, SpooledRecipient\n"
    "for one in SpooledRecipient.objects.filter(quarantined_until__isnull=False):\n"
    "    one.quarantined_until -= timedelta(days=10)\n"
    "    one.save(update_fields=['quarantined_until'])\n"
)
PATIENCE_SECONDS = 60


@pytest.mark.timeout(400)
@pytest.mark.spec("S-060", lacks="a spam filter of its own")
async def test_marked_mail_waits_over_a_restart_until_it_is_released_or_removed(
    tmp_path: Path, own_database: str | None
) -> None:
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
            mail_processes=2,
        )
        await asyncio.to_thread(server.prepare)
        await asyncio.to_thread(server.manage, "apply", "-", text=FILE)
        await asyncio.to_thread(server.start)

        async def spool(*words: str) -> str:
            return await asyncio.to_thread(server.manage, "spool", *words)

        async def listed() -> list[dict[str, Any]]:
            return list(json.loads(await spool("list", "--quarantine", "--json")))

        try:
            now = datetime.now(UTC)
            for number in range(3):
                to = f"s{number}@outside.test"
                await asyncio.to_thread(submit, server, ALICE, to, headers=SPAM)
            await asyncio.to_thread(submit, server, ALICE, "clean@outside.test")
            await _until(lambda: len(sink.taken) == 1)
            found = await listed()
            assert {one["status"] for one in found} == {
                "Held (quarantine: marked as spam by X-Spam-Status)"
            }
            for one in found:
                removed_at = datetime.fromisoformat(one["removed_at"])
                assert timedelta(0) <= removed_at - now - timedelta(days=9) < timedelta(minutes=2)
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            await asyncio.sleep(2)
            assert [one["id"] for one in await listed()] == [one["id"] for one in found]
            assert len(sink.taken) == 1
            assert "1 done" in await spool("release", found[0]["id"])
            await _until(lambda: len(sink.taken) == 2)
            assert "1 done" in await spool("delete", "--now", found[1]["id"])
            assert [one["id"] for one in await listed()] == [found[2]["id"]]
            await asyncio.to_thread(server.manage, "shell", "-c", BACK_IN_TIME)
            await _until_nothing(listed)
            told = await asyncio.to_thread(server.manage, "trace", found[2]["id"])
            assert "It was removed from quarantine on" in told
            assert "Even" in await asyncio.to_thread(server.manage, "ledger")
            assert len(sink.taken) == 2
        finally:
            await asyncio.to_thread(server.stop)


async def _until(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.1)


async def _until_nothing(listed: Callable[[], Any]) -> None:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while await listed():
        assert time.monotonic() < ends_at
        await asyncio.sleep(1)
