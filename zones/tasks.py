"""What the room of DNS does on a schedule."""

from __future__ import annotations

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from zones import nightly


@periodic("*/10 1-5 * * *")
@task
def check_domains() -> int:
    """Several ticks a night: each goes on where time ended for the one before."""
    return nightly.check_due(now=utc_now())
