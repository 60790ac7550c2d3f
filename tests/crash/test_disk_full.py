"""A full disk: 452 or 451, nothing lost, and all well by itself once there is room."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.inspection import inspect
from tests.crash.killing import PASSWORD, addresses, provision
from tests.crash.load import Promises, Sender
from tests.running import RunningServer

DISK_BYTES = 96 << 20
PATIENCE_SECONDS = 60


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={DISK_BYTES}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", disk], check=False)
    if mounted.returncode:
        pytest.skip("mount is not permitted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


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
        filler = small_disk / "filler"
        _fill(filler)
        _wait(lambda: len(promises.replies) > 10, f"a full disk refused nothing: {server.log}")
        assert set(promises.replies) <= {451, 452}

        filler.unlink()
        before = len(promises.accepted)
        _wait(lambda: len(promises.accepted) > before + 20, "it did not recover by itself")
        for sender in senders:
            sender.stop()
        inspect(server, promises, recipients, PASSWORD)
    finally:
        server.stop()


def _fill(filler: Path) -> None:
    """Take every byte that is left."""
    with filler.open("wb", buffering=0) as file:
        for piece in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(piece))
            except OSError:
                continue


def _wait(is_done, complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.1)
