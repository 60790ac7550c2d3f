"""What the reports' room does on a schedule."""

from __future__ import annotations

from dataclasses import asdict

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from reports import collecting


@periodic("*/10 * * * *")
@task
def collect_statistics() -> dict[str, int]:
    return asdict(collecting.collect(now=utc_now()))
