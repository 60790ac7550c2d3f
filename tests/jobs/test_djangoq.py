"""Tasks and jobs on django-q2, with a real process on SQLite."""

from __future__ import annotations

import pytest

from tests.jobs.workers import Workers, until


@pytest.fixture
def workers(tmp_path):
    made = Workers(tmp_path / "data", job_workers=2)
    yield made
    made.kill()


@pytest.mark.spec("S-059", "X-007")
def test_tasks_run_on_their_schedule_and_when_asked(workers):
    workers.start()
    workers.run("from tests.jobs.room.tasks import leave_mark; leave_mark.enqueue('asked')")
    until(lambda: workers.marks("asked"))
    until(lambda: workers.marks("ticks"))
    assert workers.stop() == 0
    assert "Traceback" not in workers.log


@pytest.mark.spec("X-007")
def test_a_job_runs_with_progress_while_ticks_go_on(workers):
    workers.start()
    job_id = workers.start_job("count", until=40, waits_at=30)
    until(lambda: workers.row(job_id)["done"] > 3)
    row = workers.row(job_id)
    assert (row["state"], row["total"], row["actor"]) == ("running", 40, "server")
    workers.run("from tests.jobs.room.tasks import leave_mark; leave_mark.enqueue('meanwhile')")
    until(lambda: workers.marks("meanwhile"))
    assert workers.row(job_id)["state"] == "running"
    workers.run("from tests.jobs.room.tasks import mark; mark('go on')")
    until(lambda: workers.row(job_id)["state"] == "done")
    assert workers.row(job_id)["result"] == '{"sum": 780}'
    assert workers.stop() == 0


@pytest.mark.spec("X-007")
def test_a_job_goes_on_where_it_was_after_a_drain(workers):
    workers.start()
    job_id = workers.start_job("count", until=60, seconds=0.1)
    until(lambda: workers.row(job_id)["done"] > 5)
    assert workers.stop() == 0
    row = workers.row(job_id)
    assert (row["state"], row["runs"]) == ("queued", 0)
    workers.start()
    until(lambda: workers.row(job_id)["state"] == "done")
    counted = [int(word) for word in workers.marks("counted")]
    assert counted == list(range(60))
    workers.stop()


@pytest.mark.spec("X-007")
def test_a_job_survives_the_death_of_its_worker(workers):
    workers.start()
    job_id = workers.start_job("count", until=60, seconds=0.1)
    until(lambda: workers.row(job_id)["done"] > 5)
    workers.kill()
    workers.fall_silent(job_id)
    workers.start()
    until(lambda: workers.row(job_id)["state"] == "done")
    counted = [int(word) for word in workers.marks("counted")]
    assert sorted(set(counted)) == list(range(60))
    assert len(counted) < 90  # it did not begin anew
    assert workers.row(job_id)["runs"] == 2
    workers.stop()


def test_workers_without_work_end_at_once(workers):
    """Whoever waits for work is told of the end, and does not wait for his next look."""
    workers.run("""
import threading
from jobs import progress
from jobs.engines import djangoq, djangoq_cluster
from jobs.stopping import Stop
djangoq_cluster.LOOK_SECONDS = 3600.0
stop = Stop()
began = lambda: threading.Timer(0.2, stop.set).start()
assert djangoq.serve(stop, when_ready=began, in_worker=lambda: None)
assert progress.ending.is_set()
""")


def test_a_task_that_fails_is_told_in_the_log_and_not_repeated(workers):
    workers.start()
    workers.run("from tests.jobs.room.tasks import fail; fail.enqueue()")
    until(lambda: "on purpose" in workers.log)
    assert len(workers.marks("failing")) == 1
    assert workers.stop() == 0
