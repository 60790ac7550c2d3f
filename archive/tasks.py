"""What the archive's room does in the background."""

from __future__ import annotations

from typing import Any

from django_tasks import task

from archive import exports
from clock.moments import utc_now
from jobs.kinds import job
from jobs.periodic import periodic
from jobs.progress import Progress


@job(exports.KIND, "Export archived mail")
def export(progress: Progress, *, format: str, keys: list[str], criteria: dict[str, Any]) -> Any:
    return exports.run(progress, format=format, keys=keys, criteria=criteria)


@periodic("47 4 * * *")
@task
def forget_old_exports() -> int:
    return exports.forget_old(now=utc_now())
