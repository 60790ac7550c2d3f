"""The minute's tick: brings back into motion what a spool daemon that stopped has left (S-059)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from clock.moments import to_micros
from spool import claims
from spool.recovery import recover_claims
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic


@dataclass(frozen=True, slots=True)
class Redriven:
    given_back: int  # recipients that processes held which are dead
    is_due: bool  # somebody waits for a daemon, which has been woken


def redrive(*, now: datetime) -> Redriven:
    """Give back what dead processes hold, and wake the daemons if anything is due.

    Rows are only given back and never delivered here, so it may run twice at once, or beside
    daemons that work: what is claimed by the living is left alone. While no daemon runs, rows
    stay due and the next one to start takes them.
    """
    given_back = recover_claims()
    with connection.cursor() as cursor:
        next_due = claims.next_due(cursor)
    # What was given back is due a moment after `now`.
    is_due = given_back > 0 or (next_due is not None and next_due <= to_micros(now))
    if is_due:
        with transaction.atomic():
            publish_on_commit(Topic.SPOOL)
    return Redriven(given_back, is_due)
