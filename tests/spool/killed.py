"""A program that puts lost mail into the spool in child processes, each killed a little later.

    python -m tests.spool.killed

Each child does what a server does at its start, and then the hour's round. Prints how many were.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import django

from tests.administration.killed import die_at, run

LATER = timedelta(hours=2)


def put_in(_name: str, _folder: Path, _number: int, moment: int) -> None:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from clock.moments import utc_now
    from spool import maintenance, requeueing

    die_at(
        moment,
        (os, "fsync"), (os, "fdatasync"), (os, "rename"), (os, "unlink"),
        (BaseDatabaseWrapper, "_commit"),
    )  # fmt: skip
    maintenance.recover(now=utc_now())
    requeueing.requeue_due(now=utc_now() + LATER)


if __name__ == "__main__":
    django.setup()
    sys.exit(run(put_in, "", Path()))
