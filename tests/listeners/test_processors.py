"""The loop and the committer of a mail process keep each other company on one processor."""

from __future__ import annotations

import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from listeners.processors import Times, is_crowded
from tests.running import ROOT, RunningServer

SECOND = 1_000_000_000
DOMAIN = """
domains:
  - name: kept.example
    admin: {username: admin, password: secret123}
    users: [{username: ann, password: secret123}]
"""

has_several = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2 or not Path("/proc/self/schedstat").exists(),
    reason="there is one processor, or no word on waiting for it",
)


@pytest.mark.parametrize(
    ("loop", "committer", "crowded"),
    [
        (Times(0, 0), Times(0, 0), False),
        (Times(SECOND // 2, SECOND // 2), Times(SECOND // 2, SECOND // 2), False),
        (Times(SECOND // 2, SECOND // 2), Times(0, 0), True),
        (Times(0, 0), Times(SECOND // 10, SECOND), True),
        (Times(SECOND // 2, SECOND // 10), Times(0, 0), False),
    ],
)
def test_to_wait_for_each_other_is_not_to_wait_for_strangers(
    loop: Times, committer: Times, crowded: bool
) -> None:
    before = Times(7 * SECOND, 3 * SECOND)
    now = [Times(before.ran + each.ran, before.waited + each.waited) for each in (loop, committer)]
    assert is_crowded((before, before), (now[0], now[1]), 1.0) is crowded


def affinities(pid: int) -> dict[int, set[int]]:
    found = {}
    for tid in map(int, os.listdir(f"/proc/{pid}/task")):
        with suppress(ProcessLookupError):  # it has just ended
            found[tid] = os.sched_getaffinity(tid)
    return found


def hand_in(server: RunningServer, until: Callable[[], bool]) -> None:
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=30) as client:
        while not until():
            client.sendmail("", "ann@kept.example", b"Subject: one of many\r\n\r\nHello\r\n")


@has_several
@pytest.mark.parametrize("wanted", ["yes", "no"])
def test_two_threads_are_kept_together_while_several_sessions_work(
    tmp_path: Path, wanted: str
) -> None:
    server = RunningServer(tmp_path / "data", one_processor=wanted)
    try:
        server.prepare()
        (tmp_path / "domain.yaml").write_text(DOMAIN)
        server.manage("apply", str(tmp_path / "domain.yaml"), "--allow-weak-passwords")
        server.start()
        (pid,) = server.pids("serve_mail")

        def bound() -> dict[int, set[int]]:
            return {tid: where for tid, where in affinities(pid).items() if len(where) == 1}

        kept: list[bool] = []

        def is_over() -> bool:
            now = bound()
            together = len(now) == 2 and pid in now and len(set(map(frozenset, now.values()))) == 1
            kept.append(together)
            return any(kept) or time.monotonic() > ends_at

        ends_at = time.monotonic() + (20 if wanted == "yes" else 2)
        with ThreadPoolExecutor(8) as sessions:
            for done in [sessions.submit(hand_in, server, is_over) for _ in range(8)]:
                done.result()
        assert any(kept) is (wanted == "yes")
        # Nobody works any more.
        ends_at = time.monotonic() + 20
        while bound() and time.monotonic() < ends_at:
            time.sleep(0.05)
        assert not bound()
        # One works alone.
        ends_at, alone = time.monotonic() + 1.5, []
        hand_in(server, lambda: bool(alone.append(bound())) or time.monotonic() > ends_at)
        assert len(alone) > 10 and not any(alone)
    finally:
        server.stop()


CROWDED = """
import asyncio, os, threading, time
import django
django.setup()
from listeners import processors

class Busy:
    written = 0

    def __init__(self, thread):
        self.thread_id = thread.native_id

    @property
    def groups_written(self):
        return self.written

    @property
    def jobs_written(self):
        self.written += 1
        return 5 * self.written

processors.LOOK_SECONDS = 0.1
committer = threading.Thread(target=time.sleep, args=(60,), daemon=True)
committer.start()

async def main():
    companions = processors.Companions(Busy(committer))
    companions.look()
    first = companions._processor
    stranger = os.fork()
    if not stranger:
        os.sched_setaffinity(0, {first})
        while True:
            pass
    try:
        following = asyncio.create_task(companions.run())
        until = time.monotonic() + 20
        while companions._processor == first and time.monotonic() < until:
            busy_until = time.monotonic() + 0.01
            while time.monotonic() < busy_until:
                pass
            await asyncio.sleep(0)
    finally:
        os.kill(stranger, 9)
    following.cancel()
    print("moved" if os.sched_getaffinity(0) != {first} else "stayed")

asyncio.run(main())
"""


@has_several
def test_they_go_elsewhere_when_a_stranger_takes_their_processor(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CROWDED],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "mailhost.settings",
            "MAILHOST_DATA": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "moved\n", done.stderr
