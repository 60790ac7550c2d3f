"""Group commit: who is told what, and what is there then."""

import asyncio
import os
import threading
import time
from collections import deque
from dataclasses import dataclass

import pytest
from django.db import (
    DatabaseError,
    IntegrityError,
    OperationalError,
    connection,
    connections,
    transaction,
)

from blobs import committer as committer_module
from blobs import references
from blobs.committer import (
    Committer,
    Job,
    cut_group,
    process_committer,
    stop_process_committer,
)
from blobs.errors import BlobGone, CommitterStopped, OutcomeUnknown, StoreFailed, StoreFull
from blobs.group import Entry
from blobs.ids import new_id
from blobs.models import Area, Blob, Segment
from blobs.record import Found, scan
from blobs.store import Body, NewRecord, ensure_area, read_body


@dataclass(slots=True, eq=False)
class Keep(Job):
    """Keeps its name as a row of an area: the nearest table with a unique column."""

    name: str
    groups = []

    @staticmethod
    def write_rows(jobs, cursor):
        Keep.groups.append([job.name for job in jobs])
        cursor.executemany(
            "INSERT INTO blobs_area (id, name, path, kind) VALUES (%s, %s, '', 'domain')",
            [(new_id(), job.name) for job in jobs],
        )
        for job in jobs:
            job.result = f"kept {job.name}"


@dataclass(slots=True, eq=False)
class Note(Job):
    """Writes nothing; says whether it sees the blobs of the group."""

    @staticmethod
    def write_rows(jobs, cursor):
        for job in jobs:
            cursor.execute("SELECT count(*) FROM blobs_blob")
            job.result = cursor.fetchone()[0]


@dataclass(slots=True, eq=False)
class Refuse(Job):
    """Refuses those that are to be refused."""

    is_bad: bool = False

    @staticmethod
    def write_rows(jobs, cursor):
        for job in jobs:
            if job.is_bad:
                job.error = PermissionError("not this one")


@dataclass(slots=True, eq=False)
class Hook(Job):
    """Registers a hook."""

    hook: object

    @staticmethod
    def write_rows(jobs, cursor):
        for job in jobs:
            transaction.on_commit(job.hook)


needs_server = pytest.mark.skipif(
    connections["default"].vendor == "sqlite",
    reason="SQLite is no server: a connection to it never breaks",
)


@pytest.fixture(autouse=True)
def _no_groups():
    Keep.groups.clear()


@pytest.fixture
def paused(committer):
    """Lets jobs pile up, so that they make one group when released."""
    gate = threading.Event()
    entered = threading.Event()

    class Wait(Job):
        @staticmethod
        def write_rows(jobs, cursor):
            entered.set()
            gate.wait(10)

    committer.submit(Wait())
    entered.wait(10)
    yield gate.set
    gate.set()


async def test_commit_returns_when_body_and_rows_are_there(committer, record):
    new = record(b"hello")
    assert await committer.commit(Keep("one", records=[new])) == "kept one"
    assert await asyncio.to_thread(read_body, new.location) == b"hello"
    blob = await Blob.objects.aget()
    assert (blob.id, blob.references, blob.size_bytes) == (new.blob_id, 1, 5)


async def test_jobs_of_one_turn_of_the_loop_are_one_group(committer):
    await asyncio.gather(*(committer.commit(Keep(f"n{n}")) for n in range(20)))
    assert Keep.groups == [[f"n{n}" for n in range(20)]]


def test_rows_of_the_group_see_its_blobs(committer, record, paused):
    jobs = [committer.submit(Note(records=[record()])) for _ in range(3)]
    paused()
    assert [job.result() for job in jobs] == [3, 3, 3]
    segment = Segment.objects.get()
    assert segment.live_bytes == sum(Blob.objects.values_list("length", flat=True))


def test_job_without_records_needs_no_segment(committer):
    assert committer.commit_now(Keep("alone")) == "kept alone"
    assert not Segment.objects.exists()


def test_references_start_where_the_record_says(committer, record):
    committer.commit_now(Note(records=[record(references=3), record(references=0)]))
    assert sorted(Blob.objects.values_list("references", flat=True)) == [0, 3]


def test_poison_job_fails_alone(committer, record, paused):
    good = [committer.submit(Keep(f"n{n}", records=[record()])) for n in range(5)]
    bad = committer.submit(Keep("n1", records=[record()]))
    more = committer.submit(Keep("last", records=[record()]))
    paused()
    assert isinstance(bad.exception(10), IntegrityError)
    assert [f.result(10) for f in [*good, more]] == [f"kept n{n}" for n in range(5)] + ["kept last"]
    assert Blob.objects.count() == 6


def test_refused_job_gets_its_error_and_leaves_no_rows(committer, record, paused):
    good = committer.submit(Refuse(records=[record()]))
    bad = committer.submit(Refuse(is_bad=True, records=[record()]))
    paused()
    assert good.result(10) is None
    assert isinstance(bad.exception(10), PermissionError)
    assert Blob.objects.count() == 1
    assert Segment.objects.get().live_bytes == Blob.objects.get().length


def test_hook_runs_after_the_commit(committer):
    seen = threading.Event()
    committer.commit_now(Hook(seen.set))
    assert seen.wait(30)


def test_failing_hook_fails_nobody(committer, paused):
    seen = threading.Event()

    def fail():
        raise RuntimeError("hook")

    jobs = [committer.submit(Hook(fail)), committer.submit(Hook(seen.set))]
    paused()
    assert [job.result(10) for job in jobs] == [None, None]
    assert seen.wait(30)


def test_hook_of_a_group_that_is_rolled_back_does_not_run(committer, paused):
    calls = []
    jobs = [committer.submit(Hook(lambda: calls.append(1)))]
    jobs += [committer.submit(Keep(name)) for name in ("a", "a")]
    paused()
    assert isinstance(jobs[2].exception(10), IntegrityError)
    committer.stop(10)
    assert calls == [1]


async def test_cancelled_submitter_does_not_cancel_the_job(committer):
    task = asyncio.create_task(committer.commit(Keep("orphan")))
    await asyncio.sleep(0)
    task.cancel()
    await committer.commit(Keep("next"))
    assert await Area.objects.filter(name="orphan").aexists()


def test_stop_writes_what_was_handed_in_and_seals(committer, record):
    jobs = [committer.submit(Keep(f"n{n}", records=[record()])) for n in range(50)]
    committer.stop(20)
    assert all(job.done() for job in jobs)
    assert Area.objects.filter(kind="domain").count() == 50
    assert Segment.objects.filter(sealed_at=None).count() == 0
    with pytest.raises(CommitterStopped):
        committer.commit_now(Keep("late"))


async def test_stop_in_mid_turn_still_writes_what_coroutines_handed_in(committer):
    jobs = [asyncio.create_task(committer.commit(Keep(f"n{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    committer.stop(20)
    done = await asyncio.gather(*jobs, return_exceptions=True)
    kept = [n async for n in Area.objects.filter(kind="domain").values_list("name", flat=True)]
    assert len(kept) == sum(isinstance(result, str) for result in done)


def test_committer_that_never_worked_stops_at_once(area):
    Committer(area).stop(5)


def test_commit_from_the_committers_own_thread_is_refused(committer):
    raised = []

    def hook():
        try:
            committer.commit_now(Keep("inner"))
        except RuntimeError as error:
            raised.append(error)

    committer.commit_now(Hook(hook))
    committer.stop(10)
    assert len(raised) == 1


def test_jobs_of_one_submitter_keep_their_order(committer, paused):
    jobs = [committer.submit(Keep(f"n{n}") if n % 3 else Note()) for n in range(30)]
    paused()
    for job in jobs:
        job.result(10)
    names = [name for group in Keep.groups for name in group]
    assert names == [f"n{n}" for n in range(30) if n % 3]


def test_group_ends_before_a_job_would_overtake_its_own_submitter():
    keep, note = Keep("x"), Note()
    waiting = deque(Entry(job, None, None, who) for job, who in [(keep, 1), (note, 1), (keep, 2)])
    waiting.append(Entry(keep, None, None, 1))
    waiting.append(Entry(note, None, None, 2))
    assert [e.submitter for e in cut_group(waiting)] == [1, 1, 2]
    assert [e.submitter for e in cut_group(waiting)] == [1, 2]


def test_group_is_limited_by_bytes(area, monkeypatch):
    monkeypatch.setattr(committer_module, "GROUP_BYTES", 10_000)

    def entry(size):
        new = NewRecord(new_id(), b"", b"", Body(area, b"x" * size))
        return Entry(Note(records=[new]), None, None, 1)

    waiting = deque([entry(4_000), entry(4_000), entry(4_000), entry(40_000)])
    assert [len(cut_group(waiting)) for _ in range(3)] == [2, 1, 1]


def test_blob_that_is_gone_fails_only_the_job_that_needs_it(committer, record, paused):
    @dataclass(slots=True, eq=False)
    class Refer(Job):
        blob_id: int

        @staticmethod
        def write_rows(jobs, cursor):
            references.change(cursor, {job.blob_id: 1 for job in jobs})

    new = record()
    first = committer.submit(Note(records=[new]))
    good, bad = committer.submit(Refer(new.blob_id)), committer.submit(Refer(12345))
    paused()
    assert (first.exception(10), good.exception(10)) == (None, None)
    assert isinstance(bad.exception(10), BlobGone)
    assert Blob.objects.get().references == 2


@pytest.mark.spec("S-057")
def test_full_disk_refuses_and_recovers(small_disk, transactional_db):
    area = ensure_area("small", path=str(small_disk / "spool"), kind=Area.Kind.SPOOL)
    committer = Committer(area)

    def new(size):
        return NewRecord(new_id(), b"", b"", Body(area, os.urandom(size)))

    records = [new(200_000) for _ in range(30)]
    futures = [committer.submit(Note(records=[r])) for r in records]
    errors = [future.exception(20) for future in futures]
    assert any(isinstance(error, StoreFull) for error in errors)
    assert all(error is None or isinstance(error, StoreFull) for error in errors)
    kept = [r for r, error in zip(records, errors, strict=True) if error is None]
    assert set(Blob.objects.values_list("id", flat=True)) == {r.blob_id for r in kept}
    for r in kept:
        assert read_body(r.location) == r.body.read()
    assert committer.submit(Note(records=[new(100)])).exception(10) is None
    committer.stop(10)
    segment = Segment.objects.get()
    assert all(isinstance(seen, Found) for seen in scan(segment.path))


def test_database_that_others_hold_for_a_while_is_waited_for(committer, record):
    if connection.vendor != "sqlite":
        pytest.skip("writers of PostgreSQL do not wait for each other")
    with transaction.atomic():
        Area.objects.create(name="mine", path="", kind=Area.Kind.DOMAIN)
        future = committer.submit(Keep("other", records=[record()]))
        time.sleep(0.3)
        assert not future.done()
    assert future.result(10) == "kept other"


def test_database_busy_for_good_fails_all_with_a_temporary_fact(committer, paused, monkeypatch):
    monkeypatch.setattr("blobs.group._PAUSE_SECONDS", 0)
    tries = []

    class Busy(Job):
        @staticmethod
        def write_rows(jobs, cursor):
            tries.append(len(jobs))
            cause = OSError("database is locked")
            cause.sqlstate = "40001"
            raise OperationalError("database is locked") from cause

    futures = [committer.submit(Busy()) for _ in range(3)]
    paused()
    assert all(isinstance(future.exception(10), StoreFailed) for future in futures)
    assert tries == [3, 3, 3, 3]
    assert committer.commit_now(Keep("after")) == "kept after"


def test_job_that_met_contention_once_passes_the_next_time(committer, record):
    tries = []

    class Once(Job):
        @staticmethod
        def write_rows(jobs, cursor):
            tries.append(1)
            if len(tries) == 1:
                cause = OSError("deadlock")
                cause.sqlstate = "40P01"
                raise OperationalError("deadlock") from cause

    assert committer.submit(Once(records=[record()])).exception(10) is None
    assert len(tries) == 2
    assert Blob.objects.count() == 1


@needs_server
def test_connection_that_breaks_before_the_commit_is_made_anew(committer, record):
    tries = []

    class Break(Job):
        @staticmethod
        def write_rows(jobs, cursor):
            tries.append(1)
            if len(tries) == 1:
                connection.connection.close()
                raise OperationalError("server closed the connection")

    assert committer.submit(Break(records=[record()])).exception(10) is None
    assert (len(tries), Blob.objects.count()) == (2, 1)


@needs_server
@pytest.mark.parametrize("is_committed", [True, False])
def test_connection_that_breaks_in_the_commit_is_asked_for_the_outcome(
    committer, record, monkeypatch, is_committed
):
    breaking = break_commit(monkeypatch, is_committed)
    assert committer.submit(Keep("one", records=[record()])).exception(10) is None
    assert breaking == [1]
    assert len(Keep.groups) == (1 if is_committed else 2)
    assert (Blob.objects.count(), Area.objects.filter(name="one").count()) == (1, 1)
    assert committer.commit_now(Keep("two", records=[record()])) == "kept two"


@needs_server
def test_outcome_of_jobs_without_records_stays_unknown(committer, monkeypatch):
    break_commit(monkeypatch, True)
    assert isinstance(committer.submit(Keep("one")).exception(10), OutcomeUnknown)
    assert len(Keep.groups) == 1


def break_commit(monkeypatch, is_committed):
    """The next COMMIT of the committer's thread loses its connection, before or after."""
    done = []
    kind = type(connections["default"])
    real = kind._commit

    def commit(self):
        if threading.current_thread().name != "committer" or done or not Keep.groups:
            return real(self)
        done.append(1)
        if is_committed:
            real(self)
        self.connection.close()
        raise OperationalError("server closed the connection")

    monkeypatch.setattr(kind, "_commit", commit)
    return done


def test_write_rows_that_is_broken_fails_with_what_it_raised(committer, record):
    class Wrong(Job):
        @staticmethod
        def write_rows(jobs, cursor):
            cursor.execute("SELECT nonsense")

    assert isinstance(committer.submit(Wrong(records=[record()])).exception(10), DatabaseError)
    assert committer.commit_now(Keep("after")) == "kept after"


def test_process_has_one_committer_until_it_is_stopped(transactional_db):
    one = process_committer()
    assert process_committer() is one
    stop_process_committer(10)
    other = process_committer()
    assert other is not one
    assert other.commit_now(Keep("x")) == "kept x"
    stop_process_committer(10)


def test_forked_child_begins_afresh(area):
    committer = Committer(area)
    committer.commit_now(Note())
    pid = os.fork()
    if pid == 0:
        os._exit(0 if committer._thread is None and committer._queue.empty() else 1)
    assert os.waitpid(pid, 0)[1] == 0
    committer.stop(10)
