"""Django's tasks on Celery, for installations that have a broker; beat keeps the schedule."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from celery import Celery, signals
from celery.schedules import crontab
from celery.worker import state
from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string
from django_tasks.backends.base import BaseTaskBackend
from django_tasks.base import Task, TaskResult

from jobs import progress
from jobs.engines.djangoq import enqueued
from jobs.periodic import Periodic
from jobs.stopping import Stop

RUN = "jobs.run"

app = Celery("mailhost", set_as_current=False)
app.conf.update(
    broker_url=settings.MAILHOST_BROKER_URL,
    broker_connection_retry_on_startup=True,
    # A start waits for a row's commit and not for the broker: what it misses, the minute finds.
    broker_transport_options={"socket_connect_timeout": 3, "socket_timeout": 10},
    task_publish_retry=False,
    task_ignore_result=True,
    task_default_queue="mailhost",
    # At least once: a task is given back when its worker dies.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    timezone="UTC",
)


@app.task(name=RUN)
def run(path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Celery's one task: it runs any of Django's."""
    task: Task[Any, Any] = import_string(path)
    return task.call(*args, **kwargs)


class CeleryBackend(BaseTaskBackend):
    supports_defer = True

    def enqueue(self, task: Task[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        self.validate_task(task)
        arguments = (task.module_path, list(args), kwargs)
        sent = app.send_task(RUN, arguments, eta=task.run_after)
        return enqueued(task, args, kwargs, str(sent.id), self.alias)


def declare_schedule(entries: Iterable[Periodic]) -> None:
    """What beat is to do."""
    app.conf.beat_schedule = {
        entry.path: {
            "task": RUN,
            "schedule": crontab.from_string(entry.cron),
            "args": (entry.path, [], {}),
            # A broker that was away gives no heap of old ticks: the next one does it all.
            "options": {"expires": 300},
        }
        for entry in entries
    }
    app.conf.beat_schedule_filename = str(settings.MAILHOST_RUN / "beat")


def serve(stop: Stop, *, when_ready: Callable[[], None], in_worker: Callable[[], None]) -> bool:
    """Run workers and beat until `stop`; False if they ended by themselves."""
    Path(app.conf.beat_schedule_filename).parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    class Worker(app.Worker):  # type: ignore[misc, name-defined]
        def install_platform_tweaks(self, worker: Any) -> None:
            """Celery's own handlers of signals know nothing of what came before them."""
            super().install_platform_tweaks(worker)
            if stop.is_set():
                progress.ending.set()
                state.should_stop = os.EX_OK  # type: ignore[assignment]  # None: go on

    worker = Worker(
        pool="prefork",
        concurrency=settings.MAILHOST_JOB_WORKERS,
        beat=True,
        schedule_filename=app.conf.beat_schedule_filename,
        hostname=f"mailhost-{settings.MAILHOST_NODE}-{os.getpid()}@%h",
        loglevel="WARNING",
        redirect_stdouts=False,
        without_mingle=True,
        without_gossip=True,
    )

    def end(**_: Any) -> None:
        progress.ending.set()
        stop.set()

    signals.worker_shutting_down.connect(end, weak=False)
    for started in (signals.worker_process_init, signals.beat_embedded_init):
        started.connect(lambda **_: in_worker(), weak=False)
    connections.close_all()
    gc.collect()
    gc.freeze()
    # Celery's own handlers of signals come after these. A broker that is away is waited for.
    when_ready()
    worker.start()
    return stop.is_set()
