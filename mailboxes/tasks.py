"""What is done for mailboxes on a schedule."""

from __future__ import annotations

from django_tasks import task

from clock.moments import utc_now
from jobs.periodic import periodic
from mailboxes import exports, indexing

# Jobs are found by the name under which their modules register them.
JOBS = (exports.export_mailbox,)


@periodic("37 2 * * *")
@task
def write_indexes() -> int:
    """So that the folder of a domain alone is enough to bring its mail back (D-034)."""
    return indexing.write_all(now=utc_now())


@periodic("43 4 * * *")
@task
def forget_old_exports() -> int:
    return exports.forget_old(now=utc_now())
