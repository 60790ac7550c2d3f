"""Jobs that leave marks in MAILHOST_DATA."""

import os
import time
from pathlib import Path

from django.conf import settings
from django_tasks import task

from jobs.kinds import job
from jobs.periodic import periodic


def mark(name: str, words: str = "") -> None:
    with (Path(settings.MAILHOST_DATA) / name).open("a") as marks:
        marks.write(f"{words or os.getpid()}\n")


@periodic("* * * * *")
@task
def tick() -> None:
    mark("ticks")


@task
def leave_mark(name: str) -> None:
    mark(name)


@task
def fail() -> None:
    mark("failing")
    raise ValueError("on purpose")


@job("count", "Count slowly")
def count(progress, *, until: int, seconds: float = 0.0, waits_at: int = -1):
    """`waits_at` that number for the mark "go on"."""
    progress.note(f"counting to {until}")
    for number in range(progress.done, until):
        while number == waits_at and not (Path(settings.MAILHOST_DATA) / "go on").exists():
            time.sleep(0.05)
        mark("counted", str(number))
        time.sleep(seconds)
        progress.report(number + 1, until, words=f"at {number + 1}")
    return {"sum": sum(range(until))}


@job("break", "Break")
def break_down(progress):
    raise ValueError("on purpose")


@job("die", "Die")
def die(progress):
    mark("deaths")
    time.sleep(0.2)
    os._exit(9)
