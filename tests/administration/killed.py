"""A program that backs up or restores a domain in child processes, each killed a little later.

    python -m tests.administration.killed backup own.example FOLDER   into FOLDER/1, FOLDER/2, ...
    python -m tests.administration.killed restore own.example FOLDER

Ends with the first child that nobody killed; prints how many were.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import django

STEP = 3  # odd: before one of these calls, then behind a later one


def die_at(moment: int, *functions: tuple[Any, str]) -> None:
    """Moments 2, 4, ... are right before the first, second, ... call of one of these functions;
    3, 5, ... right behind. Each is the thing that has it, and its name there."""
    calls = count(1)

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            number = next(calls)
            if moment == number * 2:
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*arguments, **named)
            if moment == number * 2 + 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    for owner, name in functions:
        setattr(owner, name, dying(getattr(owner, name)))


def backup(name: str, folder: Path, number: int, moment: int) -> None:
    from clock.moments import utc_now
    from mailhost.backup import onedomain

    die_at(moment, (os, "fsync"))
    made = onedomain.take(name, folder / str(number), now=utc_now())
    assert made.damaged == []


def restore(name: str, folder: Path, number: int, moment: int) -> None:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from mailhost.backup import onedomain

    die_at(moment, (BaseDatabaseWrapper, "_commit"))
    _, done = onedomain.restore(name, folder)
    assert done.errors == []


def run(act: Callable[[str, Path, int, int], None], name: str, folder: Path) -> int:
    for number in count(1):
        child = os.fork()
        if not child:
            act(name, folder, number, 2 + (number - 1) * STEP)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            print(number - 1)
            return os.waitstatus_to_exitcode(status)
    raise AssertionError


if __name__ == "__main__":
    django.setup()
    _, act, name, folder = sys.argv
    sys.exit(run({"backup": backup, "restore": restore}[act], name, Path(folder)))
