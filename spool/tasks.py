"""The spool's ticks: none of them moves a message, they only wake who does (S-059)."""

from __future__ import annotations

from dataclasses import asdict

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from spool import (
    bulkjobs,
    forwardwarnings,
    lost,
    maintenance,
    quarantine,
    redrive,
    requeueing,
)

# Jobs are found by the name under which their modules register them.
JOBS = (
    bulkjobs.act_on_spool,
    bulkjobs.undo_in_spool,
    bulkjobs.apply_hold_rule,
    bulkjobs.release_held,
)


@periodic("* * * * *")
@task
def retry_due() -> bool:
    """Wake the daemons for what is due, and give back what one left that died in the middle."""
    return redrive.redrive(now=utc_now()).is_due


@periodic("0 * * * *")
@task
def open_throttle_windows() -> bool:
    """Limits count by the clock hour: what waited for this one is due now.

    The time of its window stands in each row, so a tick that came late, or never, costs at most
    the seconds until a daemon looks by itself.
    """
    return redrive.redrive(now=utc_now()).is_due


@periodic("*/15 * * * *")
@task
def forget_old_rows() -> dict[str, int]:
    """Traces, refusals and notes whose retention has ended."""
    return asdict(maintenance.forget_old_rows(now=utc_now()))


@periodic("*/10 * * * *")
@task
def empty_quarantine() -> int:
    """What nobody has released in time; also while no daemon runs (S-060)."""
    return quarantine.remove_due(now=utc_now())


@periodic("*/10 * * * *")
@task
def put_lost_mail_into_spool() -> int:
    """What crashes have cut off and nobody has sent again within the hour (S-058)."""
    now = utc_now()
    lost.take_in(now=now)
    return requeueing.requeue_due(now=now)


@periodic("*/10 * * * *")
@task
def tell_of_stopped_forwards() -> int:
    """To users whose forwards a new entry of the blacklist has stopped (G-047)."""
    return forwardwarnings.warn(now=utc_now())
