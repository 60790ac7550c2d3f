"""The process that stays when `manage.py serve` has prepared everything: small, without Django."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import msgspec

from mailhost import logs, statusscreen
from mailhost.parts import Part
from mailhost.supervisor import Supervisor

ROOT = Path(__file__).resolve().parent.parent


class Plan(msgspec.Struct, kw_only=True):
    """What the supervising process has to know."""

    mail_processes: int
    drain_seconds: int
    logging: dict[str, str]
    facts: statusscreen.Facts


def become(plan: Plan) -> NoReturn:
    """Put the supervisor in the place of this process: same pid, a quarter of the memory."""
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
    argument = msgspec.json.encode(plan).decode()
    os.execv(sys.executable, [sys.executable, "-m", "mailhost.supervise", argument])  # noqa: S606


def parts(mail_processes: int) -> Iterator[Part]:
    """What a whole server consists of."""
    for number in range(1, mail_processes + 1):
        name = "mail" if number == 1 else f"mail-{number}"
        # The mail process needs models and no pages: fewer apps make it smaller.
        yield Part(name, _command("serve_mail"), {"MAILHOST_TRIMMED": "1"})
    yield Part("web", _command("serve_web"))
    yield Part("jobs", _command("serve_jobs"), {"MAILHOST_TRIMMED": "1"})


def _command(name: str) -> tuple[str, ...]:
    return (sys.executable, str(ROOT / "manage.py"), name)


def main() -> int:
    plan = msgspec.json.decode(sys.argv[1], type=Plan)
    logs.configure(plan.logging)
    return Supervisor(
        list(parts(plan.mail_processes)),
        drain_seconds=plan.drain_seconds,
        on_ready=lambda listening: statusscreen.show(plan.facts, listening),
    ).run()


if __name__ == "__main__":
    sys.exit(main())
