"""The job that reads a domain anew."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from accounts.models import User
from accounts.permissions import Verb, require
from administration import reloading
from administration.renamejob import actor_of
from domains.errors import FolderInMove
from domains.models import Domain, FolderMove
from jobs import services
from jobs.kinds import job
from jobs.models import ENDED, Job
from jobs.progress import Progress


@job("reload-domain", "Reload a domain")
def reload_domain(progress: Progress, *, domain: int) -> dict[str, Any]:
    """In the name of who asked, who must still be allowed to."""
    row = Domain.objects.select_related("area").get(pk=domain)
    return asdict(reloading.run(progress, row, by=actor_of(progress, row)))


def start_reload(*, domain: Domain, by: User | None) -> Job:
    """Have it read anew soon; one that waits or runs already serves.

    Raises NotPermitted, FolderInMove.
    """
    if by is not None:
        require(by, Verb.RENAME_DOMAIN, domain)
    move = FolderMove.objects.filter(domain=domain).first()
    if move is not None:
        raise FolderInMove(domain.name, move.new_path)
    unfinished = Job.objects.filter(kind=reload_domain.name, domain_id=domain.pk)
    found = unfinished.exclude(state__in=ENDED).order_by("-id").first()
    if found is not None:
        return found
    return services.start(
        reload_domain, by=by, domain_id=domain.pk, total=reloading.STEPS, domain=domain.pk
    )
