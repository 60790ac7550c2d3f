"""The job that moves the folder of a domain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.permissions import Verb, require
from administration import moving
from administration.errors import DomainInUse
from administration.reloadjob import reload_domain
from clock.moments import utc_now
from domains import moving as of_domains
from domains.models import Domain, FolderMove
from domains.moving import Move
from jobs import services
from jobs.kinds import job
from jobs.models import ENDED, Job
from jobs.progress import Progress


@job("move-folder", "Move the folder of a domain")
def move_folder(
    progress: Progress, *, domain: int, name: str, old: str, new: str
) -> dict[str, Any]:
    """In the name of who asked, who must still be allowed to."""
    by = None
    move = Move(domain, name, old, new)
    if progress.actor_id is not None:
        by = User.objects.get(pk=progress.actor_id)
        require(by, Verb.MANAGE_SERVER)
    return asdict(moving.run(progress, move, by=by))


@transaction.atomic
def start_move(*, domain: Domain, folder_path: str, by: User | None) -> Job:
    """Have it moved soon. `folder_path`: absolute; empty: where a new domain's would be.

    Raises NotPermitted, DomainInUse, and what `domains.moving.plan` does.
    """
    move = require_possible(domain=domain, folder_path=folder_path, by=by)
    begun = services.start(
        move_folder, by=by, domain_id=domain.pk,
        domain=domain.pk, name=domain.name, old=move.old_path, new=move.new_path,
    )  # fmt: skip
    of_domains.begin(move, now=utc_now(), job_id=begun.pk)
    return begun


def require_possible(*, domain: Domain, folder_path: str, by: User | None) -> Move:
    """Before anything is begun. Raises what `start_move` does."""
    if by is not None:
        require(by, Verb.MANAGE_SERVER)
    reloads = Job.objects.filter(kind=reload_domain.name, domain_id=domain.pk)
    if reloads.exclude(state__in=ENDED).exists():
        raise DomainInUse(domain.name, "it is being reloaded")
    return of_domains.plan(domain, folder_path)


def run_now(*, domain: Domain, folder_path: str, progress: Progress) -> moving.Moved:
    """Without a job, in this very process; what one that died has begun is gone on with.

    Raises what `start_move` and `moving.run` do.
    """
    left = FolderMove.objects.filter(domain=domain, job_id=None).first()
    if left is not None and folder_path in ("", of_domains.text_for(left.new_path)):
        return moving.run(progress, of_domains.of_row(left), by=None)
    move = require_possible(domain=domain, folder_path=folder_path, by=None)
    of_domains.begin(move, now=utc_now())
    return moving.run(progress, move, by=None)
