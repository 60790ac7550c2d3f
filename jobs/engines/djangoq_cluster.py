"""django-q2's cluster in as few processes as can be: the workers, and one that feeds them.

Its own has three more for the parts that take tasks out of the table, note what has ended, and
watch; here they are threads of the process that starts the workers, which saves 50 MB. This file
alone touches the inside of django-q2 1.11; tests/jobs/test_djangoq.py fails when that changes.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

from django_q.brokers.orm import ORM
from django_q.cluster import Sentinel
from django_q.conf import Conf
from django_q.worker import worker

from jobs import progress
from jobs.stopping import Stop

LOOK_SECONDS = 1.0

# A worker is forked while no other thread is inside the database: what a library has locked at
# that moment would stay locked in the child for ever.
_database = threading.Lock()
_forking = get_context("fork")


class Broker(ORM):  # type: ignore[misc]
    """django-q2's table as queue; nobody forks while it is read or written."""

    def dequeue(self) -> Any:
        with _database:
            tasks = super().dequeue()
        if not tasks:
            time.sleep(LOOK_SECONDS)
        return tasks

    def delete(self, task_id: int) -> None:
        with _database:
            super().delete(task_id)


class Cluster(Sentinel):  # type: ignore[misc]
    """Watches the workers in the calling thread, from `start()` to the end of the drain."""

    def __init__(
        self, stop: Stop, *, when_ready: Callable[[], None], in_worker: Callable[[], None]
    ) -> None:
        self._in_worker = in_worker
        super().__init__(stop, _Started(when_ready), uuid.uuid4(), Broker(), Conf.TIMEOUT, False)
        # Closing this end would close the other as well: the thread that reads is in this process.
        self.result_queue.close = self.result_queue.join_thread = lambda: None

    def spawn_process(self, target: Any, *args: Any) -> Any:
        if target is not worker:
            thread = _Thread(target=target, args=args, name=target.__name__, daemon=True)
            thread.start()
            return thread
        arguments = (os.getpid(), self._in_worker, *args)
        process = _forking.Process(target=_work, args=arguments, daemon=True)
        process.timer = args[2]  # type: ignore[attr-defined]
        self.pool.append(process)
        with _database:
            process.start()
        return process

    def start(self) -> None:
        try:
            super().start()
        finally:
            # After a drain there are none.
            for process in self.pool:
                process.kill()

    def stop(self) -> None:
        progress.ending.set()
        super().stop()


class _Thread(threading.Thread):
    """Looks to django-q2 like the process that it would have started."""

    @property
    def pid(self) -> int:
        return os.getpid()


def _work(parent: int, before: Callable[[], None], *args: Any) -> None:
    def end(*_: object) -> None:
        # Service managers send SIGTERM to every process: whoever has work in hand finishes it
        # and is told to end by its parent, if there still is one.
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    before()
    worker(*args)


class _Started:
    """Looks to django-q2 like the event that it sets when its processes run."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._is_set = False

    def set(self) -> None:
        self._is_set = True
        self._call()

    def is_set(self) -> bool:
        return self._is_set
