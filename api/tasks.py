"""Tasks of the API: web hooks are told, old answers and deliveries are forgotten."""

from __future__ import annotations

from django_tasks import task

from api import delivering, idempotency, webhooks
from clock.moments import utc_now
from jobs.periodic import periodic


@periodic("* * * * *")
@task
def tell_webhooks() -> int:
    """What has happened in the last minute, and what is to be tried again."""
    webhooks.collect(now=utc_now())
    return delivering.deliver_due()


@periodic("41 3 * * *")
@task
def forget_old_requests() -> int:
    return idempotency.forget(utc_now()) + webhooks.forget(now=utc_now())
