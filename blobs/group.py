"""Writing one group of jobs: records, one sync, one transaction, then the answers."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections, transaction
from django.utils import timezone

from blobs.cursor import bare_cursor
from blobs.durability import Durability
from blobs.errors import OutcomeUnknown, StoreError, StoreFailed, StoreFull
from blobs.failures import is_contention, is_full
from blobs.models import Blob, Segment
from blobs.rows import Cursor, delete_blobs, insert_blobs
from blobs.segment import NewRecord, SegmentWriter

if TYPE_CHECKING:
    from blobs.committer import Job

log = logging.getLogger(__name__)

TRIES = 4  # of a group that others got in the way of, or whose connection broke
_PAUSE_SECONDS = 0.05

Future = asyncio.Future[Any] | concurrent.futures.Future[Any]


class Entry(NamedTuple):
    """A job on its way, and whom to tell."""

    job: Job
    future: Future
    loop: asyncio.AbstractEventLoop | None
    submitter: int


def settle(entries: Sequence[Entry]) -> None:
    """Tell the submitters how their jobs ended; each loop is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Entry]] = {}
    for entry in entries:
        if entry.loop is None:
            _resolve([entry])
        else:
            by_loop.setdefault(entry.loop, []).append(entry)
    for loop, ready in by_loop.items():
        with contextlib.suppress(RuntimeError):  # closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, ready)


def _resolve(entries: Sequence[Entry]) -> None:
    for entry in entries:
        future, job = entry.future, entry.job
        if future.done():
            continue
        if job.error is None:
            future.set_result(job.result)
        else:
            future.set_exception(job.error)


class GroupWriter:
    """Writes groups, one after the other, with the thread's own connection and segment."""

    def __init__(self, open_writer: Callable[[], SegmentWriter]) -> None:
        self._open_writer = open_writer
        self._writer: SegmentWriter | None = None
        self._is_committing = False
        self._did_break = False
        self._durability = Durability()
        self._connection: Any = None  # the database's own, with which the transaction began

    def write(self, entries: Sequence[Entry]) -> None:
        """Make all jobs durable, or as many as can be; every submitter is told. Never raises."""
        self._did_break = False
        try:
            self._write_all(entries)
        except Exception as error:
            if len(entries) == 1 or self._did_break or _concerns_all(error):
                self._fail(entries, error)
            else:
                # One bad job must not fail its neighbours: each gets a transaction of its own.
                for entry in entries:
                    self.write([entry])

    @property
    def sync_due_in_seconds(self) -> float | None:
        """When `sync` is to be called; None: nothing waits for it."""
        return self._durability.due_in_seconds

    def sync(self) -> None:
        """Bring to the disk what was committed without waiting for it. Never raises."""
        try:
            self._durability.sync(connections[DEFAULT_DB_ALIAS])
        except OSError:
            log.exception("the database's log could not be synced")

    def close(self) -> None:
        """Seal the segment."""
        if self.sync_due_in_seconds is not None:
            self.sync()
        writer = self._writer
        if writer is None:
            return
        writer.close()
        try:
            with transaction.atomic():
                self._seal_finished()
            writer.finished.clear()
        except DatabaseError:
            log.exception("segment not sealed; the next sweep will")

    def _write_all(self, entries: Sequence[Entry]) -> None:
        jobs = [entry.job for entry in entries]
        records = [record for job in jobs for record in job.records]
        if records:
            self._store(records)
        for attempt in range(1, TRIES + 1):
            for job in jobs:
                job.error = job.result = None
            try:
                self._transact(entries, jobs, records)
            except (DatabaseError, InterfaceError) as error:
                if self._has_passed(error, records):
                    settle(entries)
                    return
                if attempt == TRIES or not self._may_try_again(error):
                    raise
                time.sleep(_PAUSE_SECONDS * attempt)
            else:
                return

    def _store(self, records: Sequence[NewRecord]) -> None:
        """Append what has not been appended yet, and sync."""
        fresh = [record for record in records if record.location is None]
        if not fresh:
            return
        try:
            if self._writer is None:
                self._writer = self._open_writer()
            self._writer.append(fresh)
            self._writer.sync()
        except StoreError:
            for record in fresh:
                record.location = None
            raise

    def _transact(
        self, entries: Sequence[Entry], jobs: Sequence[Job], records: Sequence[NewRecord]
    ) -> None:
        self._is_committing = False
        self._connection = None
        by_class: dict[type[Job], list[Job]] = {}
        for job in jobs:
            by_class.setdefault(type(job), []).append(job)
        connection = connections[DEFAULT_DB_ALIAS]
        waits = any(kind.waits_for_disk for kind in by_class)
        self._durability.before(connection, waits=waits)
        with transaction.atomic():
            self._connection = connection.connection
            with bare_cursor(connection) as cursor:
                self._durability.within(connection, cursor, waits=waits)
                if records:
                    self._insert_records(cursor, records)
                for kind, of_kind in by_class.items():
                    kind.write_rows(of_kind, cursor)
                for job in jobs:
                    if job.error is not None and job.records:
                        delete_blobs(cursor, job.records)
            # The last hook: who is told of his own change may rely on others having been told.
            transaction.on_commit(lambda: self._committed(entries, records), robust=True)
            _tame_hooks(connection)
            self._is_committing = True
        self._durability.after(connection, waits=waits)

    def _committed(self, entries: Sequence[Entry], records: Sequence[NewRecord]) -> None:
        if self._writer is not None:
            self._writer.finished.clear()
            if records and self._writer.segment is not None:
                self._writer.segment.is_recorded = True
        settle(entries)

    def _insert_records(self, cursor: Cursor, records: Sequence[NewRecord]) -> None:
        writer = self._writer
        assert writer is not None and writer.segment is not None
        if writer.finished:
            self._seal_finished()
        insert_blobs(cursor, writer.area, writer.segment, records)

    def _seal_finished(self) -> None:
        assert self._writer is not None
        full = [segment.segment_id for segment in self._writer.finished]
        if full:
            Segment.objects.filter(pk__in=full).update(sealed_at=timezone.now())

    def _has_passed(self, error: Exception, records: Sequence[NewRecord]) -> bool:
        """Was the group committed although `error` came? Raises OutcomeUnknown if nobody knows."""
        self._did_break = self._has_broken()
        if not self._did_break or not self._is_committing:
            return False
        try:
            passed = self._ask_for_outcome(records)
        except (DatabaseError, InterfaceError):
            log.warning("the database does not come back")
            passed = None
        if passed is None:
            raise OutcomeUnknown("the connection broke during COMMIT") from error
        return passed

    def _has_broken(self) -> bool:
        """Is the connection no more that with which the transaction began?"""
        connection = connections[DEFAULT_DB_ALIAS]
        # On its way out of a transaction Django opens a new one for one that broke.
        if connection.connection is self._connection and connection.is_usable():
            return False
        if connection.connection is self._connection:
            connection.close()
        return True

    def _ask_for_outcome(self, records: Sequence[NewRecord]) -> bool | None:
        """The connection broke during COMMIT: the rows tell what became of the group."""
        writer = self._writer
        if not records or writer is None or writer.segment is None:
            return None
        segment = writer.segment
        was_recorded, segment.is_recorded = segment.is_recorded, True
        try:
            passed = Blob.objects.filter(pk=records[0].blob_id).exists()
        except (DatabaseError, InterfaceError):
            writer.roll()  # its rows may be there: the file stays, and is left alone
            raise
        segment.is_recorded = was_recorded or passed
        return passed

    def _may_try_again(self, error: Exception) -> bool:
        return self._did_break or is_contention(error)

    def _fail(self, entries: Sequence[Entry], error: Exception) -> None:
        fact = _fact(error, self._did_break)
        if not isinstance(error, StoreError):
            log.error("group of %d jobs failed", len(entries), exc_info=error)
        for entry in entries:
            entry.job.error = fact
        settle(entries)


def _tame_hooks(connection: Any) -> None:
    """What a hook raises must not look like a failure of the group, which is durable by then."""
    connection.run_on_commit = [(sids, hook, True) for sids, hook, _ in connection.run_on_commit]


def _concerns_all(error: Exception) -> bool:
    """Would each job alone meet the same, perhaps after a long wait?"""
    return is_contention(error) or is_full(error) or isinstance(error, OutcomeUnknown)


def _fact(error: Exception, did_break: bool) -> Exception:
    """What the submitter is told: full and busy are temporary facts of the store."""
    if is_full(error):
        full = StoreFull()
        full.__cause__ = error
        return full
    is_unknown = isinstance(error, OutcomeUnknown)
    if (did_break and not is_unknown) or is_contention(error):
        failed = StoreFailed("the database is busy or away")
        failed.__cause__ = error
        return failed
    return error
