"""What transport security does on a schedule."""

from __future__ import annotations

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from transport import reporting, stspolicies


@periodic("20 * * * *")
@task
def report_on_tls() -> int:
    """Reports on yesterday; each hour, as what could not be sent is tried again."""
    return reporting.report_due(now=utc_now())


@periodic("50 3 * * *")
@task
def forget_old_policies() -> int:
    return stspolicies.forget_expired(now=utc_now())
