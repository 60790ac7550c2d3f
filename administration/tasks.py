"""Jobs and ticks of the administration."""

from __future__ import annotations

from django_tasks import task

from administration import bulkjobs, movejob, moving, reloadjob, renamejob, undojob
from clock.moments import utc_now
from domains import renaming as of_domains
from jobs.periodic import periodic

# Jobs are found by the name under which their modules register them.
JOBS = (
    renamejob.rename_domain,
    movejob.move_folder,
    reloadjob.reload_domain,
    bulkjobs.set_domains,
    bulkjobs.close_domains,
    bulkjobs.set_users,
    bulkjobs.delete_users,
    undojob.undo_operation,
)


@periodic("* * * * *")
@task
def mend_renames() -> int:
    """A rename that died is ended, so that its domain is not closed for longer."""
    return of_domains.mend(now=utc_now())


@periodic("* * * * *")
@task
def mend_moves() -> int:
    """A move of a folder that died is ended: what it has left behind goes."""
    return moving.mend(now=utc_now())
