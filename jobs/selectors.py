"""What panel, API and commands show of jobs."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import QuerySet

from jobs.errors import JobUnknown
from jobs.models import Job


def jobs(*, of_domains: Collection[int] | None = None) -> QuerySet[Job]:
    """Newest first. `of_domains` None: all, for a system administrator."""
    rows = Job.objects.order_by("-id")
    return rows if of_domains is None else rows.filter(domain_id__in=of_domains)


def job(job_id: int, *, of_domains: Collection[int] | None = None) -> Job:
    """Raises JobUnknown."""
    row = jobs(of_domains=of_domains).filter(pk=job_id).first()
    if row is None:
        raise JobUnknown(job_id)
    return row
