"""The process that stays when `manage.py serve` has prepared it all; the parts are its copies."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec

from mailhost import forking, logs, statusscreen
from mailhost.parts import Part
from mailhost.supervisor import Supervisor

ROOT = Path(__file__).resolve().parent.parent
MMAP_THRESHOLD_BYTES = 1 << 20


class Plan(msgspec.Struct, kw_only=True):
    """What the supervising process has to know."""

    mail_processes: int
    drain_seconds: int
    logging: dict[str, str]
    facts: statusscreen.Facts


def become(plan: Plan) -> NoReturn:
    """Put the supervisor in the place of this process: same pid, and nothing left of the start."""
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
    # glibc keeps what large blocks have left free for itself after the first of them: the 19 MiB
    # of each password hash would stay with the process for ever. A fixed threshold gives it back.
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(MMAP_THRESHOLD_BYTES))
    argument = msgspec.json.encode(plan).decode()
    os.execv(sys.executable, [sys.executable, "-m", "mailhost.supervise", argument])  # noqa: S606


def parts(mail_processes: int) -> Iterator[Part]:
    """What a whole server consists of."""
    for number in range(1, mail_processes + 1):
        name = "mail" if number == 1 else f"mail-{number}"
        yield Part(name, _manage("serve_mail"))
    yield Part("web", _manage("serve_web"))
    yield Part("jobs", _manage("serve_jobs"))


def _manage(command: str) -> Callable[[], int]:
    """`manage.py <command>` in a copy of this process."""

    def work() -> int:
        forking.call_it(command)
        sys.argv = [str(ROOT / "manage.py"), command]
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            if not isinstance(end.code, int | None):
                print(end.code, file=sys.stderr)
                return 1
            return end.code or 0
        return 0

    return work


def main() -> int:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    logs.configure(plan.logging)
    forking.load_shared()
    return Supervisor(
        list(parts(plan.mail_processes)),
        drain_seconds=plan.drain_seconds,
        on_ready=lambda listening: statusscreen.show(plan.facts, listening),
    ).run()


if __name__ == "__main__":
    sys.exit(main())
