"""Group commit: one thread per process writes what many ask for, with one sync and one transaction.

While one group is being synced the next one collects. What `commit` returned for is durable.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db import connections

from blobs.areas import ensure_spool_area, next_spool_area
from blobs.errors import CommitterStopped
from blobs.gathering import Gathering
from blobs.group import Entry, GroupWriter, settle
from blobs.models import Area
from blobs.rows import Cursor
from blobs.segment import NewRecord, SegmentWriter

GROUP_JOBS = 512
GROUP_BYTES = 16 << 20


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """Something to be made durable: records, and rows written together with others of its class.

    `records` get their location before `write_rows` is called, and their Blob rows exist by then.
    `write_rows` may set `result` of a job, or its `error`: then the job is refused, its records
    get no rows and its submitter is given that error, while the others pass.
    """

    # Whether `commit` returns only when the rows are on the disk. False: they are within a second,
    # and survive whatever happens to the process; see blobs.durability.
    waits_for_disk: ClassVar[bool] = True

    records: list[NewRecord] = field(default_factory=list)
    result: Any = None
    error: Exception | None = None

    @staticmethod
    def write_rows(jobs: Sequence[Any], cursor: Cursor) -> None:
        """Write the rows of all jobs of this class, inside the one transaction of the group.

        May be called again, with fewer jobs, after a rollback: it must not change anything but
        rows, `result` and `error`.
        """
        raise NotImplementedError


class Committer:
    """Takes jobs from coroutines and threads; its own thread writes them in groups.

    The thread starts with the first job. Jobs of one submitter are written in their order.
    """

    def __init__(self, area: Area | None = None) -> None:
        """Records go to segments of `area`; None: the spool's."""
        self._area = area
        self._begin()
        _committers.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[list[Entry] | None] = queue.SimpleQueue()
        self._gatherings: dict[asyncio.AbstractEventLoop, Gathering] = {}
        self._waiting: deque[Entry] = deque()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._has_ended = False
        self.groups_written = 0
        self.jobs_written = 0

    async def commit(self, job: Job) -> Any:
        """Make the job durable and return its result. Raises what refused or failed it.

        Cancelling the caller does not cancel the job.
        """
        self._start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self.gathering().add(Entry(job, future, loop, id(asyncio.current_task())))
        return await future

    @property
    def thread_id(self) -> int | None:
        """The system's number of the thread; None: it has not started."""
        return self._thread.native_id if self._thread is not None else None

    def gathering(self) -> Gathering:
        """Where the jobs of the running loop gather, and may be announced."""
        loop = asyncio.get_running_loop()
        gathering = self._gatherings.get(loop)
        if gathering is None:
            for ended in [each for each in self._gatherings if each.is_closed()]:
                del self._gatherings[ended]
            gathering = self._gatherings[loop] = Gathering(loop, self._put)
        return gathering

    def submit(self, job: Job) -> concurrent.futures.Future[Any]:
        """The same from a thread; the future resolves when the job is durable."""
        self._start()
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()  # from here on it is done, cancelled or not
        self._put([Entry(job, future, None, threading.get_ident())])
        return future

    def commit_now(self, job: Job) -> Any:
        """Submit and wait. Not from a coroutine, nor from the committer's own thread."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("the committer's thread would wait for itself")
        return self.submit(job).result()

    def stop(self, timeout: float | None = None) -> None:
        """Write what has been handed in, seal the segment, end the thread. Blocks."""
        with self._lock:
            thread = self._thread
            if not self._is_stopping:
                self._is_stopping = True
                self._queue.put(None)
        if thread is not None:
            thread.join(timeout)

    def _start(self) -> None:
        if self._thread is not None and not self._is_stopping:
            return
        with self._lock:
            if self._is_stopping:
                raise CommitterStopped("no more jobs are taken")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
                self._thread.start()

    def _put(self, entries: list[Entry]) -> None:
        with self._lock:
            if not self._has_ended:
                self._queue.put(entries)
                return
        for entry in entries:
            entry.job.error = CommitterStopped("the committer has ended")
        settle(entries)

    # What follows runs in the committer's thread.

    def _run(self) -> None:
        writer = GroupWriter(self._open_writer)
        try:
            while group := self._next_group(writer):
                writer.write(group)
                self.groups_written += 1
                self.jobs_written += len(group)
                if writer.sync_due_in_seconds == 0:
                    writer.sync()
        finally:
            writer.close()
            connections.close_all()

    def _open_writer(self) -> SegmentWriter:
        if self._area is not None:
            return SegmentWriter(self._area)
        return SegmentWriter(ensure_spool_area(), next_area=next_spool_area)

    def _next_group(self, writer: GroupWriter) -> list[Entry]:
        """What has arrived, up to the limits of a group; empty when all is over."""
        waiting = self._waiting
        while not waiting:
            if self._is_stopping and self._end_if_empty():
                return []
            try:
                waiting.extend(self._queue.get(timeout=writer.sync_due_in_seconds) or ())
            except queue.Empty:
                writer.sync()
        while len(waiting) < GROUP_JOBS:
            try:
                waiting.extend(self._queue.get_nowait() or ())
            except queue.Empty:
                break
        return cut_group(waiting)

    def _end_if_empty(self) -> bool:
        with self._lock:
            self._has_ended = self._queue.empty()
            return self._has_ended


def cut_group(waiting: deque[Entry]) -> list[Entry]:
    """Take the next group off `waiting`.

    Rows are written class by class, in the order in which the classes first appear. The group
    ends before a job that would so overtake an earlier one of the same submitter.
    """
    group: list[Entry] = []
    classes: dict[type[Any], int] = {}
    reached: dict[int, int] = {}
    size_bytes = 0
    while waiting and len(group) < GROUP_JOBS:
        entry = waiting[0]
        place = classes.setdefault(type(entry.job), len(classes))
        if reached.get(entry.submitter, 0) > place:
            break
        for record in entry.job.records:
            size_bytes += record.length
        if size_bytes > GROUP_BYTES and group:
            break
        reached[entry.submitter] = place
        group.append(waiting.popleft())
    return group


_committers: weakref.WeakSet[Committer] = weakref.WeakSet()
_process_committer: Committer | None = None
_process_lock = threading.Lock()


def process_committer() -> Committer:
    """The committer of this process; writes to the spool's segments. Asks no database itself."""
    global _process_committer
    if _process_committer is None:
        with _process_lock:
            if _process_committer is None:
                _process_committer = Committer()
    return _process_committer


def stop_process_committer(timeout: float | None = None) -> None:
    """Drain and end it, if there is one; the next process_committer() is a new one. Blocks."""
    global _process_committer
    with _process_lock:
        committer, _process_committer = _process_committer, None
    if committer is not None:
        committer.stop(timeout)


def _after_fork() -> None:
    # The thread lives in the parent only, and so do the jobs that were handed in there.
    global _process_lock
    _process_lock = threading.Lock()
    for committer in list(_committers):
        committer._begin()


os.register_at_fork(after_in_child=_after_fork)
