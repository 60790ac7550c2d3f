"""When tasks run by themselves: one declaration, which each engine renders for its scheduler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.utils.module_loading import autodiscover_modules
from django_tasks.base import Task

T = TypeVar("T", bound=Task[Any, Any])


@dataclass(frozen=True, slots=True)
class Periodic:
    task: Task[Any, Any]
    cron: str

    @property
    def path(self) -> str:
        return self.task.module_path


PERIODIC: dict[str, Periodic] = {}


def periodic(cron: str) -> Callable[[T], T]:
    """`@periodic("*/5 * * * *")` above `@task`: five fields in UTC, as in crontab(5).

    A run may come late, twice or not at all: a task looks at what is due and never counts on the
    run before. It stands in the module `tasks` of its room.
    """

    def register(task: T) -> T:
        PERIODIC[task.module_path] = Periodic(task, cron)
        return task

    return register


def discover() -> dict[str, Periodic]:
    """Import the `tasks` of every room; only processes that run tasks need that."""
    autodiscover_modules("tasks")
    return PERIODIC
