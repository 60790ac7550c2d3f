"""Jobs: started, run, cancelled, failed, found again."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest

from clock.moments import utc_now
from events.models import AuditEntry
from jobs import running, selectors, services
from jobs.errors import JobOver, JobUnknown
from jobs.models import Job, State
from jobs.tasks import forget_old_jobs, run_left_jobs
from tests.jobs.room import tasks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _marks_of_this_test(settings, tmp_path):
    settings.MAILHOST_DATA = tmp_path


@pytest.mark.spec("X-007")
def test_a_job_runs_and_keeps_its_result_and_log():
    job = services.start(tasks.count, by=None, until=4, total=4)
    assert running.run_waiting() == 1
    job.refresh_from_db()
    assert (job.state, job.done, job.total, job.percent) == (State.DONE, 4, 4, 100)
    assert job.result == {"sum": 6}
    assert job.notes[0][1] == "counting to 4"
    assert job.words == "at 4"
    verbs = AuditEntry.objects.filter(object_id=job.pk).values_list("verb", flat=True)
    assert list(verbs) == ["started a job"]
    assert running.run_waiting() == 0


@pytest.mark.spec("X-007")
def test_a_running_job_is_cancelled_at_its_next_step():
    job = services.start(tasks.count, by=None, until=10_000, seconds=0.05)
    worker = threading.Thread(target=running.run_waiting)
    worker.start()
    while Job.objects.get(pk=job.pk).done == 0:
        time.sleep(0.05)
    services.cancel(job.pk, by=None)
    worker.join(10)
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert 0 < job.done < 200
    with pytest.raises(JobOver):
        services.cancel(job.pk, by=None)


def test_a_waiting_job_is_cancelled_at_once():
    job = services.start(tasks.count, by=None, until=3)
    assert services.cancel(job.pk, by=None).state == State.CANCELLED
    assert running.run_waiting() == 0
    with pytest.raises(JobUnknown):
        services.cancel(job.pk + 1, by=None)


def test_a_job_that_breaks_keeps_the_error():
    job = services.start(tasks.break_down, by=None)
    running.run_waiting()
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert job.error.startswith("on purpose")
    assert "Traceback" in job.error


def test_a_job_of_a_dead_worker_is_begun_again_but_not_for_ever():
    job = services.start(tasks.count, by=None, until=3)
    long_ago = utc_now() - 2 * running.SILENCE
    Job.objects.filter(pk=job.pk).update(
        state=State.RUNNING, worker="gone/1/x", seen_at=long_ago, runs=1, done=2
    )
    run_left_jobs.call()
    job.refresh_from_db()
    assert (job.state, job.runs, tasks_marks()) == (State.DONE, 2, ["2"])
    Job.objects.filter(pk=job.pk).update(
        state=State.RUNNING, seen_at=long_ago, runs=running.MOST_RUNS
    )
    run_left_jobs.call()
    job.refresh_from_db()
    assert (job.state, job.error) == (State.FAILED, "Its worker died 3 times.")


def tasks_marks():
    from django.conf import settings

    return (settings.MAILHOST_DATA / "counted").read_text().split()


def test_a_job_that_is_alive_is_not_taken_twice():
    job = services.start(tasks.count, by=None, until=3)
    Job.objects.filter(pk=job.pk).update(state=State.RUNNING, worker="w", seen_at=utc_now())
    assert running.run_waiting() == 0


def test_two_workers_run_two_jobs_once_each():
    for _ in range(6):
        services.start(tasks.count, by=None, until=2)
    workers = [threading.Thread(target=running.run_waiting) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert sorted(tasks_marks()) == ["0"] * 6 + ["1"] * 6


def test_jobs_are_seen_by_the_administrators_of_their_domain():
    mine = services.start(tasks.count, by=None, domain_id=7, until=1)
    services.start(tasks.count, by=None, domain_id=8, until=1)
    assert list(selectors.jobs(of_domains=[7])) == [mine]
    assert selectors.jobs().count() == 2
    with pytest.raises(JobUnknown):
        selectors.job(mine.pk, of_domains=[8])


def test_old_jobs_are_forgotten():
    job = services.start(tasks.count, by=None, until=1)
    running.run_waiting()
    assert forget_old_jobs.call() == 0
    Job.objects.filter(pk=job.pk).update(finished_at=utc_now() - timedelta(days=31))
    assert forget_old_jobs.call() == 1
