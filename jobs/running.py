"""Runs jobs that wait: takes one, lives with it, and writes down how it ended."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection, transaction
from django.db.models import F, Q

from clock.moments import utc_now
from events import audit
from jobs import progress as progress_module
from jobs.errors import JobCancelled, JobInterrupted, JobStopped, JobTakenOver
from jobs.kinds import KINDS
from jobs.models import Job, State
from jobs.progress import Progress

log = structlog.get_logger(__name__)

WRITE_SECONDS = 1.0
HEARTBEAT = timedelta(seconds=5)
# A worker that has been silent for this long is dead, and its job free.
SILENCE = timedelta(seconds=30)
# A job that ends its worker each time must not do so for ever.
MOST_RUNS = 3
LONGEST_ERROR = 20_000  # characters


def run_waiting() -> int:
    """Run what waits, one job after the other, until nothing does; how many were run.

    Returns at once when as many jobs run on this machine as may: one worker stays free for the
    tasks that run on a schedule.
    """
    count = 0
    while _is_waiting(now=utc_now()) and not progress_module.ending.is_set():
        with _slot() as is_free:
            if not is_free:
                return count
            while (job := _take(now=utc_now())) is not None:
                _run(job)
                count += 1
                if progress_module.ending.is_set():
                    return count
    return count


def _waiting(now: datetime) -> Q:
    return Q(state=State.QUEUED) | Q(state=State.RUNNING, seen_at__lt=now - SILENCE)


def _is_waiting(*, now: datetime) -> bool:
    """Whether a job waits for a worker, such as one whose worker has died."""
    return Job.objects.filter(_waiting(now)).exists()


@contextlib.contextmanager
def _slot() -> Iterator[bool]:
    """One of the places for jobs on this machine; freed by the kernel, however the worker ends."""
    folder = settings.MAILHOST_RUN
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(max(1, settings.MAILHOST_JOB_WORKERS - 1)):
        fd = os.open(folder / f"job-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        try:
            yield True
        finally:
            os.close(fd)
        return
    yield False


def _take(*, now: datetime) -> Job | None:
    """Make the oldest waiting job this worker's; of two workers one gets it."""
    while (job := Job.objects.filter(_waiting(now)).order_by("id").first()) is not None:
        if job.cancel_requested:
            _end(Job.objects.filter(pk=job.pk).filter(_waiting(now)), State.CANCELLED, now=now)
            continue
        if job.runs >= MOST_RUNS:
            dead = Job.objects.filter(pk=job.pk).filter(_waiting(now))
            _end(dead, State.FAILED, now=now, error=f"Its worker died {job.runs} times.")
            continue
        worker = f"{socket.gethostname()[:30]}/{os.getpid()}/{secrets.token_hex(4)}"
        taken = Job.objects.filter(pk=job.pk).filter(_waiting(now)).update(
            state=State.RUNNING, worker=worker, runs=F("runs") + 1, seen_at=now,
            started_at=job.started_at or now,
        )  # fmt: skip
        if taken:
            job.worker = worker
            return job
    return None


@dataclass(frozen=True, slots=True)
class Impersonator:
    """Whoever was logged in as the actor, for the audit trail."""

    pk: int
    name: str

    def __str__(self) -> str:
        return self.name


def _acting(job: Job) -> AbstractContextManager[None]:
    """What the job changes is one operation, under the names of those who asked for it."""
    impersonator = None
    if job.impersonator_id is not None:
        impersonator = Impersonator(job.impersonator_id, job.impersonator)
    return audit.acting(name=job.actor, operation=f"job-{job.pk}", impersonator=impersonator)


def _run(job: Job) -> None:
    mine = Job.objects.filter(pk=job.pk, worker=job.worker, state=State.RUNNING)
    progress = Progress(
        job_id=job.pk, actor_id=job.actor_id, done=job.done, total=job.total, words=job.words,
        notes=job.notes, kept=job.kept,
    )  # fmt: skip
    life = _Life(job, progress)
    log.info("job begun", job=job.pk, kind=job.kind, run=job.runs + 1)
    try:
        with life, _acting(job):
            kind = KINDS.get(job.kind)
            if kind is None:
                raise LookupError(f"this server knows no job of the kind {job.kind!r}")
            result = kind(progress, **job.arguments)
    except JobInterrupted:
        # The end of the server is not the job's fault: the run does not count.
        mine.update(state=State.QUEUED, worker="", runs=F("runs") - 1, **progress.columns())
        log.info("job interrupted", job=job.pk, kind=job.kind)
    except JobTakenOver:
        log.warning("job was taken over by another worker", job=job.pk, kind=job.kind)
    except JobStopped:
        _end(mine, State.CANCELLED, now=utc_now(), **progress.columns())
        log.info("job cancelled", job=job.pk, kind=job.kind)
    except Exception as error:
        log.exception("job failed", job=job.pk, kind=job.kind)
        words = f"{error}\n\n{traceback.format_exc()}"[:LONGEST_ERROR].replace("\0", "")
        _end(mine, State.FAILED, now=utc_now(), error=words, **progress.columns())
    else:
        _end(mine, State.DONE, now=utc_now(), result=result, **progress.columns())
        log.info("job done", job=job.pk, kind=job.kind)
    finally:
        close_old_connections()


def _end(jobs: Any, state: State, *, now: datetime, **columns: Any) -> None:
    with transaction.atomic():
        jobs.update(state=state, finished_at=now, worker="", **columns)


class _Life:
    """A thread that says that the worker lives, writes progress down and looks for a cancel."""

    def __init__(self, job: Job, progress: Progress) -> None:
        self._job = job
        self._progress = progress
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="job progress", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        written, seen_at = self._progress.told(), utc_now()
        try:
            while not self._over.wait(WRITE_SECONDS):
                told, now = self._progress.told(), utc_now()
                if told != written or now - seen_at >= HEARTBEAT:
                    if self._write(now):
                        written, seen_at = told, now
                elif progress_module.ending.is_set() or self._is_cancelled():
                    self._write(now)
        finally:
            connection.close()

    def _is_cancelled(self) -> bool:
        with contextlib.suppress(DatabaseError):
            return Job.objects.filter(pk=self._job.pk, cancel_requested=True).exists()
        return False

    def _write(self, now: datetime) -> bool:
        """Also sets why the job is to stop, if it is; False: the database was busy."""
        mine = Job.objects.filter(pk=self._job.pk, worker=self._job.worker, state=State.RUNNING)
        try:
            updated = mine.update(seen_at=now, **self._progress.columns())
            if not updated:
                self._progress.stop(JobTakenOver())
            elif mine.filter(cancel_requested=True).exists():
                self._progress.stop(JobCancelled())
            elif progress_module.ending.is_set():
                self._progress.stop(JobInterrupted())
        except DatabaseError:
            log.warning("progress of a job not written", job=self._job.pk)
            return False
        return True
