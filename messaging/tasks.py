"""What the messaging room does in the background."""

from __future__ import annotations

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from messaging import work

__all__ = ["forget_expired_reminders", "work"]


@periodic("29 4 * * *")
@task
def forget_expired_reminders() -> int:
    return work.forget_expired(now=utc_now())
