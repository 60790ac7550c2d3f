"""Tasks of the jobs themselves."""

from __future__ import annotations

from datetime import timedelta

from django_tasks import task

from clock.moments import utc_now
from jobs import running
from jobs.models import ENDED, Job
from jobs.periodic import periodic

KEPT = timedelta(days=30)


@task
def run_jobs() -> int:
    """Run what waits; told after each start."""
    return running.run_waiting()


@periodic("* * * * *")
@task
def run_left_jobs() -> int:
    """What a worker that died has left, or what the queue has lost."""
    return running.run_waiting()


@periodic("17 3 * * *")
@task
def forget_old_jobs() -> int:
    deleted, _ = Job.objects.filter(state__in=ENDED, finished_at__lt=utc_now() - KEPT).delete()
    return deleted
