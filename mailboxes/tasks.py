"""What is done for mailboxes on a schedule."""

from __future__ import annotations

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from mailboxes import indexing


@periodic("37 2 * * *")
@task
def write_indexes() -> int:
    """So that the folder of a domain alone is enough to bring its mail back (D-034)."""
    return indexing.write_all(now=utc_now())
