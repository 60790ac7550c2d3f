"""Starting and cancelling jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from clock.moments import utc_now
from events import audit
from events.audit import Actor
from jobs.errors import JobOver, JobUnknown
from jobs.kinds import Kind
from jobs.models import ENDED, Job, State
from jobs.tasks import run_jobs

SERVER = "server"


@transaction.atomic
def start(
    kind: Kind,
    *,
    by: Actor | None,
    domain_id: int | None = None,
    total: int | None = None,
    **arguments: Any,
) -> Job:
    """Have it done soon after the commit; `arguments` (what JSON can hold) go to its function.

    `domain_id`: whose administrators may see and cancel it. It is not handed to the function.
    """
    impersonator = audit.current_impersonator()
    job = Job.objects.create(
        kind=kind.name,
        arguments=arguments,
        actor_id=by.pk if by is not None else None,
        actor=str(by)[:320] if by is not None else SERVER,
        impersonator_id=impersonator.pk if impersonator is not None else None,
        impersonator=str(impersonator)[:320] if impersonator is not None else "",
        domain_id=domain_id,
        total=total,
        created_at=utc_now(),
    )
    audit.record(by, "started a job", job)
    # If the queue does not take it now, the minute's look at what waits will.
    transaction.on_commit(run_jobs.enqueue, robust=True)
    return job


@transaction.atomic
def cancel(job_id: int, *, by: Actor | None, now: datetime | None = None) -> Job:
    """Ask for the end: at once if it waits, else at its next step. Raises JobUnknown, JobOver."""
    job = Job.objects.select_for_update().filter(pk=job_id).first()
    if job is None:
        raise JobUnknown(job_id)
    if job.state in ENDED:
        raise JobOver(job_id, job.state)
    job.cancel_requested = True
    if job.state == State.QUEUED:
        job.state, job.finished_at = State.CANCELLED, now or utc_now()
    job.save(update_fields=["cancel_requested", "state", "finished_at"])
    audit.record(by, "cancelled a job", job)
    return job
