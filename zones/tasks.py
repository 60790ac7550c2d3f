"""What the room of DNS does on a schedule."""

from __future__ import annotations

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from signing import keys
from zones import claims, nightly, services


@periodic("*/10 1-5 * * *")
@task
def check_domains() -> int:
    """Several ticks a night: each goes on where time ended for the one before."""
    return nightly.check_due(now=utc_now())


@periodic("*/10 * * * *")
@task
def tell_of_broken_records() -> int:
    """What a check found whose process died before it could tell: the check itself tells."""
    return nightly.tell_due()


@periodic("*/10 * * * *")
@task
def look_for_new_keys() -> int:
    """New signing keys are used as soon as their records are there; old ones are dropped, and
    domains that have none get some.
    """
    now = utc_now()
    keys.forget_old(now=now)
    keys.generate_missing(now=now)
    return services.look_for_new_keys(now=now)


@periodic("*/10 * * * *")
@task
def look_for_proofs() -> int:
    """Domain aliases begin to work when their proof is there, and lapse without one (D-101)."""
    return claims.check_due(now=utc_now())
