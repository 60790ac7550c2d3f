"""Two processes that write at the same moment, and the database in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, connections, transaction

from blobs.contention import tried_again

Pause = Callable[[], None]

_BLOCKS_SOMEBODY = (
    "SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
)
_LONGEST_SECONDS = 10.0


def run_together(*calls: Callable[[], object]) -> list[BaseException]:
    """Run at the same moment, each in a thread with its own connection; what they raised."""
    gate = threading.Barrier(len(calls))
    errors: list[BaseException] = []

    def run(call: Callable[[], object]) -> None:
        try:
            gate.wait()
            call()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@contextmanager
def beside(act: Callable[[Pause], object]) -> Iterator[None]:
    """What is inside runs while `act` is in the midst of a transaction of another process.

    `act` is handed a function to call where the others come in: it returns when one of them has
    to wait for this transaction, or when all is done. SQLite has one writer: there everybody
    waits for the whole of it.
    """
    is_there, is_over = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def pause() -> None:
        is_there.set()
        if connection.vendor == "postgresql":
            _until_somebody_waits(is_over)

    @tried_again
    def transact() -> None:
        with transaction.atomic():
            act(pause)

    def run() -> None:
        try:
            transact()
        except Exception as error:
            failures.append(error)
        finally:
            is_there.set()
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert is_there.wait(30)
        yield
    finally:
        is_over.set()
        thread.join(30)
    assert failures == []


def _until_somebody_waits(is_over: threading.Event) -> None:
    ends_at = time.monotonic() + _LONGEST_SECONDS
    with connection.cursor() as cursor:
        while not is_over.wait(0.01) and time.monotonic() < ends_at:
            cursor.execute(_BLOCKS_SOMEBODY)
            if cursor.fetchone() is not None:
                return
