"""Django's tasks on django-q2: its queue is a table, so no broker has to be run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.db import transaction
from django_tasks.backends.base import BaseTaskBackend
from django_tasks.base import Task, TaskResult, TaskResultStatus

from clock.moments import utc_now
from jobs import periodic
from jobs.stopping import Stop

IS_CHOSEN = "django_q" in settings.INSTALLED_APPS
if IS_CHOSEN:
    from django_q.models import Failure, OrmQ, Schedule, Success
    from django_q.models import Task as Finished
    from django_q.tasks import async_task, schedule

    from jobs.engines import djangoq_signing

    djangoq_signing.install()


class DjangoQBackend(BaseTaskBackend):
    """At least once; cron and `run_after` to the half minute."""

    supports_defer = True

    def enqueue(self, task: Task[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        self.validate_task(task)
        if not IS_CHOSEN:
            raise RuntimeError("this process has no queue")
        target = f"{task.module_path}.call"
        if task.run_after is not None:
            once = Schedule.ONCE
            row = schedule(target, *args, schedule_type=once, next_run=task.run_after, **kwargs)
            task_id = f"schedule:{row.pk}"
        else:
            task_id = async_task(target, *args, **kwargs)
        return enqueued(task, args, kwargs, task_id, self.alias)


def enqueued(
    task: Task[Any, Any], args: Any, kwargs: Any, task_id: str, alias: str
) -> TaskResult[Any]:
    return TaskResult(
        task=task, id=task_id, status=TaskResultStatus.READY, enqueued_at=utc_now(),
        started_at=None, finished_at=None, last_attempted_at=None, args=list(args),
        kwargs=kwargs, backend=alias, errors=[], worker_ids=[],
    )  # fmt: skip


@transaction.atomic
def declare_schedule(entries: Iterable[periodic.Periodic]) -> None:
    """Make django-q2's rows say what the declarations say; a time that stands is kept."""
    known = {row.name: row for row in Schedule.objects.select_for_update().order_by("pk")}
    wanted = {entry.path: entry for entry in entries}
    for name, row in known.items():
        if row.func.endswith(".call") and row.schedule_type == Schedule.CRON:
            if name not in wanted:
                row.delete()
            elif row.cron != wanted[name].cron:
                row.delete()
                del wanted[name]
                _declare(periodic.PERIODIC[name])
            else:
                del wanted[name]
    for entry in wanted.values():
        _declare(entry)


def _declare(entry: periodic.Periodic) -> None:
    Schedule.objects.create(
        name=entry.path,
        func=f"{entry.path}.call",
        schedule_type=Schedule.CRON,
        cron=entry.cron,
        repeats=-1,
        next_run=utc_now(),
    )


def serve(stop: Stop, *, when_ready: Callable[[], None], in_worker: Callable[[], None]) -> bool:
    """Run workers and schedule until `stop`; False if they ended by themselves.

    The workers are threads of this process: `in_worker` is for engines that start others.
    """
    cluster = import_module("jobs.engines.djangoq_cluster")
    cluster.Cluster(stop, when_ready=when_ready).start()
    return stop.is_set()


def admin_models() -> tuple[Any, ...]:
    return (Schedule, Success, Failure, OrmQ) if IS_CHOSEN else ()


def forget_finished() -> int:
    """Failures have been logged; nobody reads them here."""
    if not IS_CHOSEN:
        return 0
    deleted, _ = Finished.objects.all().delete()
    return int(deleted)
