"""The short form of the crash test; the long one: `python -m tests.crash.run --kills 200`."""

from __future__ import annotations

import pytest

from tests.crash.killing import kill_and_judge, provision
from tests.running import RunningServer

KILLS = 5


@pytest.mark.spec("S-001", "N-025", "N-041")
@pytest.mark.timeout(300)
def test_what_was_answered_250_is_there_once_after_kill_9(tmp_path, own_database):
    server = RunningServer(tmp_path / "data", database_url=own_database)
    server.start()
    try:
        provision(server, 1, tmp_path / "crash.yaml")
        report = kill_and_judge(server, kills=KILLS, rounds=1, seed=1)
    finally:
        server.stop()
    assert sum(report.kills.values()) == KILLS
    assert report.accepted > 50
