"""What lists do by themselves, beside mail: forget what is too old to count or to be used."""

from __future__ import annotations

from datetime import timedelta

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from mailinglists import bounces, digests, posts, tokens

AT_ONCE = 5000
POSTS_KEPT = timedelta(days=30)


@periodic("23 * * * *")
@task
def keep_subscribers() -> dict[str, int]:
    """Bounces age, and who has been suspended for too long is removed (L-013)."""
    now = utc_now()
    return {"aged": bounces.age(now=now), "removed": bounces.remove_suspended(now=now)}


@periodic("*/15 * * * *")
@task
def forget_old_rows() -> dict[str, int]:
    """Bytes that all subscribers have got, posts that are history, and words that have expired."""
    now = utc_now()
    return {
        "released": posts.release_done(),
        "posts": posts.forget_before(now - POSTS_KEPT, at_once=AT_ONCE),
        "tokens": tokens.forget_before(now, at_once=AT_ONCE),
    }


@periodic("* * * * *")
@task
def make_digests() -> int:
    """Those that are due; they go out as posts do (L-010)."""
    return digests.make_due(now=utc_now())
