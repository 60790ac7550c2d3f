"""The kinds of jobs: a name, and the function that does the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobs.progress import Progress

Work = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """`work(progress, **arguments)` may be called again after a crash: each step checks what is
    already done. It returns what JSON can hold."""

    name: str
    title: str
    work: Work

    def __call__(self, progress: Progress, **arguments: Any) -> Any:
        return self.work(progress, **arguments)


KINDS: dict[str, Kind] = {}


def job(name: str, title: str) -> Callable[[Work], Kind]:
    """`@job("reload-domain", "Reload a domain")` on a function in the `tasks` of its room."""

    def register(work: Work) -> Kind:
        KINDS[name] = Kind(name, title, work)
        return KINDS[name]

    return register


def title_of(name: str) -> str:
    kind = KINDS.get(name)
    return kind.title if kind is not None else name
