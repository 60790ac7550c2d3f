"""django-q2's cluster in one process: its workers and the parts that feed them are threads.

Its own has a process for each, which costs an idle server 150 MB. A job that takes the process
down ends the others' runs too; the supervisor starts it anew, and they go on where they were.
This file alone touches the inside of django-q2 1.11; tests/jobs/test_djangoq.py fails when that
changes.
"""

from __future__ import annotations

import os
import queue
import threading
import uuid
from collections.abc import Callable
from typing import Any

from django_q.brokers.orm import ORM
from django_q.cluster import Sentinel
from django_q.conf import Conf
from django_q.worker import worker

from jobs import progress
from jobs.stopping import Stop

LOOK_SECONDS = 1.0
END = "STOP"  # to whoever takes from a queue


class Broker(ORM):  # type: ignore[misc]
    """django-q2's table as queue; who finds it empty is kept waiting, until the end."""

    def __init__(self, is_ending: threading.Event) -> None:
        super().__init__()
        self._is_ending = is_ending

    def dequeue(self) -> Any:
        tasks = super().dequeue()
        if not tasks:
            self._is_ending.wait(LOOK_SECONDS)
        return tasks


class Cluster(Sentinel):  # type: ignore[misc]
    """Watches the workers in the calling thread, from `start()` to the end of the drain."""

    def __init__(self, stop: Stop, *, when_ready: Callable[[], None]) -> None:
        self._is_ending = threading.Event()
        broker = Broker(self._is_ending)
        super().__init__(stop, _Started(when_ready), uuid.uuid4(), broker, Conf.TIMEOUT, False)
        self.task_queue = _Queue(maxsize=Conf.QUEUE_LIMIT or 0)
        self.result_queue = _Queue()

    def spawn_process(self, target: Any, *args: Any) -> Any:
        thread = _Thread(target=target, args=args, name=target.__name__, daemon=True)
        if target is worker:
            thread.timer = args[2]
            self.pool.append(thread)
        thread.start()
        return thread

    def stop(self) -> None:
        """As django-q2's own, which looks ten times a second whether a process has ended."""
        progress.ending.set()
        self.event_out.set()
        self._is_ending.set()
        self.pusher.join()
        for _ in self.pool:
            self.task_queue.put(END)
        for thread in self.pool:
            thread.join()
        self.result_queue.put(END)
        self.monitor.join()


class _Queue(queue.Queue[Any]):
    """Looks to django-q2 like the queue between processes that it would have made."""

    def close(self) -> None:
        """Nothing is held that an end of the process does not free."""

    def join_thread(self) -> None:
        """There is none: what was put is there."""


class _Thread(threading.Thread):
    """Looks to django-q2 like the process that it would have started."""

    timer: Any = None

    @property
    def pid(self) -> int:
        return os.getpid()


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
