"""What was answered 250 for another server gets there, whatever is killed when."""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.inspection import wait_for_empty_spool
from tests.crash.killing import _end, _wait_until_back
from tests.crash.load import MARK, Promises, Sender
from tests.reading import wait_for
from tests.running import RunningServer
from tests.sinks import Sink

KILLS = 4
SENDERS = 4
# Sessions to one destination that may be in the moment between the other side's 250 and our row.
IN_FLIGHT = 10
RECIPIENTS = [f"user{number}@sink.test" for number in range(6)]
_MARK = re.compile(rf"^{MARK}: (\S+) ".encode(), re.MULTILINE)


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Somebody else's server, in a thread of its own."""
    loop, sink = asyncio.new_event_loop(), Sink()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(sink.open(), loop).result(30)
    yield sink
    asyncio.run_coroutine_threadsafe(sink.shut(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def start(tmp_path: Path, sink: Sink, database: str | None) -> RunningServer:
    """With several mail processes where the database can be shared by them."""
    processes = 2 if database else 1
    server = RunningServer(tmp_path / "data", database_url=database, mail_processes=processes)
    site = (
        "relay_networks: [127.0.0.0/8]\n"
        "gateways:\n"
        f"  - {{name: sink, host: 127.0.0.1, port: {sink.port}, domains: [sink.test]}}\n"
    )
    server.prepare().manage("apply", "-", text=site)
    return server.start()


def arrived(sink: Sink) -> Counter[tuple[str, str]]:
    """How often each copy came: message and recipient."""
    found: Counter[tuple[str, str]] = Counter()
    for taken in sink.taken:
        mark = _MARK.search(taken.body)
        assert mark is not None
        for rcpt in taken.rcpts:
            found[mark[1].decode(), rcpt.partition("<")[2].partition(">")[0]] += 1
    return found


def send_meanwhile(server: RunningServer, seconds: float) -> tuple[Promises, list[Sender]]:
    promises = Promises()
    senders = [
        Sender(f"relay{number}", server.port("smtp"), RECIPIENTS, promises, 20_000)
        for number in range(SENDERS)
    ]
    for sender in senders:
        sender.start()
    time.sleep(seconds)
    return promises, senders


@pytest.mark.spec("S-001")
@pytest.mark.spec("S-058")
@pytest.mark.timeout(300)
def test_after_kill_9_all_is_relayed_and_only_what_was_in_flight_twice(
    tmp_path, sink, own_database
):
    server = start(tmp_path, sink, own_database)
    dice = random.Random(7)
    try:
        promises, senders = send_meanwhile(server, 0.5)
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.3, 1.2))
            _end(dice.choice(server.pids("serve_mail")))
            _wait_until_back(server)
        wait_for(lambda: len(promises.accepted) > 50)
        for sender in senders:
            sender.stop()
        wait_for_empty_spool(server)
        server.manage("ledger")
    finally:
        server.stop()
    found = arrived(sink)
    assert len(promises.accepted) > 50
    assert {tuple(copy) for copy in promises.accepted} <= found.keys()
    twice = sum(number - 1 for number in found.values())
    assert twice <= KILLS * IN_FLIGHT * 2  # a message has two recipients at most
    assert max(found.values()) <= 1 + KILLS


@pytest.mark.spec("S-059", "S-002")
@pytest.mark.timeout(200)
def test_without_a_crash_processes_that_share_a_spool_relay_each_copy_once(
    tmp_path, sink, own_database
):
    server = start(tmp_path, sink, own_database)
    try:
        promises, senders = send_meanwhile(server, 3.0)
        for sender in senders:
            sender.stop()
        wait_for_empty_spool(server)
    finally:
        server.stop()
    found = arrived(sink)
    assert {tuple(copy) for copy in promises.accepted} == found.keys()
    assert set(found.values()) == {1}
