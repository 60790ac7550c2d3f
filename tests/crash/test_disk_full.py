"""A full disk: 452 or 451, nothing lost, and all well by itself once there is room."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import disks
from tests.crash.inspection import inspect
from tests.crash.killing import PASSWORD, addresses, provision
from tests.crash.load import Promises, Sender
from tests.running import RunningServer

DISK_BYTES = 96 << 20
PATIENCE_SECONDS = 60


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disks.small_disk(tmp_path / "disk", DISK_BYTES) as disk:
        yield disk


@pytest.mark.spec("S-001")
@pytest.mark.timeout(240)
def test_a_full_disk_defers_and_loses_nothing(small_disk, tmp_path, own_database):
    server = RunningServer(small_disk / "data", database_url=own_database)
    server.log_path = tmp_path / "server.log"
    server.start()
    try:
        provision(server, 1, tmp_path / "crash.yaml")
        recipients, promises = addresses(0), Promises()
        senders = [
            Sender(f"full{n}", server.port("smtp"), recipients, promises, 60_000) for n in range(4)
        ]
        for sender in senders:
            sender.start()
        _wait(lambda: len(promises.accepted) > 20, "no message was accepted")
        with disks.full(small_disk):
            _wait(lambda: len(promises.replies) > 10, f"a full disk refused nothing: {server.log}")
            assert set(promises.replies) <= {451, 452}
        before = len(promises.accepted)
        _wait(lambda: len(promises.accepted) > before + 20, "it did not recover by itself")
        for sender in senders:
            sender.stop()
        inspect(server, promises, recipients, PASSWORD)
    finally:
        server.stop()


def _wait(is_done, complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.1)
