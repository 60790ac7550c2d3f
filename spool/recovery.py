"""After a crash: claims of processes that are gone are given back (S-058)."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from django.conf import settings as conf
from django.db import connection, transaction

from blobs.contention import tried_again
from blobs.ids import new_id, node_of
from clock.moments import to_micros, utc_now
from spool import claims
from spool.settlement import ATTEMPT_COLUMNS, INSERT_ATTEMPT

INTERRUPTED = "The process died during this try; what the other side got is not known"


class OwnerLock:
    """Shows, as long as this process lives, that its claims are held by somebody."""

    def __init__(self, owner: int) -> None:
        self.owner = owner
        self._path = lock_path(owner)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def release(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._fd)


def lock_path(owner: int) -> Path:
    return Path(conf.MAILHOST_RUN) / f"spool-{owner}.lock"


@tried_again
def recover_claims() -> int:
    """Give back what dead processes of this machine held; returns how many recipients.

    Claims made on other machines lapse by themselves.
    """
    now = to_micros(utc_now())
    recovered = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for owner in claims.owners(cursor):
            if _is_dead(owner):
                recovered += _give_back(cursor, owner, now)
    return recovered


def _give_back(cursor: Any, owner: int, now: int) -> int:
    broken = claims.recover(cursor, owner, now)
    rows = [_broken_attempt(recipient_id, number, now) for recipient_id, number in broken]
    if rows:
        cursor.executemany(INSERT_ATTEMPT, rows)
    lock_path(owner).unlink(missing_ok=True)
    return len(broken)


def _broken_attempt(recipient_id: int, number: int, now: int) -> tuple[Any, ...]:
    values = dict.fromkeys(ATTEMPT_COLUMNS, "")
    row: dict[str, Any] = {
        **values,
        "id": new_id(),
        "recipient_id": recipient_id,
        "number": number,
        "started_at": now,
        "finished_at": None,
        "reply_code": None,
        "reply": INTERRUPTED,
    }
    return tuple(row[column] for column in ATTEMPT_COLUMNS)


def _is_dead(owner: int) -> bool:
    """An owner without a lock file has ended, or works on another machine: its id tells."""
    try:
        fd = os.open(lock_path(owner), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return node_of(owner) == conf.MAILHOST_NODE
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True
