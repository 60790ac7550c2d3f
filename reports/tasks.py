"""What the reports' room does on a schedule."""

from __future__ import annotations

from dataclasses import asdict

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from reports import collecting, mailing


@periodic("*/10 * * * *")
@task
def collect_statistics() -> dict[str, int]:
    return asdict(collecting.collect(now=utc_now()))


@periodic("* * * * *")
@task
def mail_reports() -> int:
    """Write down what is due, then send it: a run that dies leaves the rest to the next one."""
    now = utc_now()
    mailing.open_due(now=now)
    return mailing.send_pending(now=now)
