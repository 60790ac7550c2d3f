"""What the operator's room does on a schedule."""

from __future__ import annotations

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from operations import logs, transcripts


@periodic("23 * * * *")
@task
def keep_logs() -> list[int]:
    """Compress logs after a day, remove them after the days that they are kept."""
    return list(logs.keep(now=utc_now()))


@periodic("41 4 * * *")
@task
def forget_old_transcripts() -> int:
    return transcripts.forget_old(now=utc_now())
