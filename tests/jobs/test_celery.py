"""The same tasks and jobs on Celery, with a real broker; skipped where there is none."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.jobs.workers import ROOT, Workers, until
from tests.running import claim_offset

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="needs the Debian package redis-server"
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    claim, port = claim_offset()  # one that no client is given
    folder = tmp_path_factory.mktemp("redis")
    redis = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    redis.terminate()
    redis.wait(30)
    claim.close()


@pytest.fixture
def workers(tmp_path, broker):
    made = Workers(tmp_path / "data", jobs="celery", broker_url=broker, job_workers=2)
    yield made
    made.kill()


@pytest.mark.spec("X-031", lacks="a message store for each machine")
@pytest.mark.spec("S-059", "X-007")
def test_tasks_and_jobs_run_by_celery_and_its_beat(workers):
    workers.start()
    workers.run("from tests.jobs.room.tasks import leave_mark; leave_mark.enqueue('asked')")
    until(lambda: workers.marks("asked"))
    job_id = workers.start_job("count", until=30, seconds=0.1)
    until(lambda: workers.row(job_id)["state"] == "done")
    assert workers.row(job_id)["result"] == '{"sum": 435}'
    until(lambda: workers.marks("ticks"), 75)
    assert workers.stop() == 0
    assert "Traceback" not in workers.log


@pytest.mark.spec("X-007")
def test_a_job_interrupted_by_a_drain_goes_on(workers):
    workers.start()
    job_id = workers.start_job("count", until=60, seconds=0.1)
    until(lambda: workers.row(job_id)["done"] > 5)
    assert workers.stop() == 0
    assert workers.row(job_id)["state"] == "queued"
    workers.start()
    until(lambda: workers.row(job_id)["state"] == "done", 75)
    assert [int(word) for word in workers.marks("counted")] == list(range(60))
    workers.stop()


SIGNALLED = """
import os, signal
from functools import partial
import django
django.setup()
from jobs.engines import bycelery
from jobs.stopping import Stop
from mailhost import privileges
stop = Stop()
def when_ready():
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.raise_signal(signal.SIGTERM)
in_worker = partial(privileges.follow, os.getpid())
assert bycelery.serve(stop, when_ready=when_ready, in_worker=in_worker)
"""


def test_a_signal_that_comes_before_celery_listens_is_heard(tmp_path):
    subprocess.run(
        [sys.executable, "-c", SIGNALLED],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "mailhost.settings",
            "MAILHOST_DATA": str(tmp_path / "data"),
            "MAILHOST_JOBS": "celery",
            "MAILHOST_BROKER_URL": "memory://",
        },
        check=True,
        timeout=90,
    )


def test_workers_end_with_whoever_started_them(workers):
    workers.start()
    children = until(workers.children)
    os.kill(workers.process.pid, signal.SIGKILL)
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children))


def test_starting_a_job_does_not_fail_without_the_broker(tmp_path):
    workers = Workers(tmp_path / "data", jobs="celery", broker_url="redis://127.0.0.1:1/0")
    job_id = workers.start_job("count", until=1)
    assert workers.row(job_id)["state"] == "queued"
