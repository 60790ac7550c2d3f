"""The job that renames a domain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from accounts.models import User
from accounts.permissions import Verb, require
from administration import renaming
from domains import renaming as of_domains
from domains.errors import NameMovedOn
from domains.models import Domain
from jobs import services
from jobs.kinds import job
from jobs.models import Job
from jobs.progress import Progress


@job("rename-domain", "Rename a domain")
def rename_domain(
    progress: Progress, *, domain: int, old: str, new: str, keeps_old: bool
) -> dict[str, Any]:
    """In the name of who asked, who must still be allowed to."""
    row = Domain.objects.select_related("area").get(pk=domain)
    by = actor_of(progress, row)
    if row.name == new:
        # A worker died after the commit, before it could say so.
        of_domains.open_renamed(domain, new)
        renaming.finish(domain)
        return {"old": old, "new": new}
    if row.name != old:
        raise NameMovedOn(old, row.name)
    naming = of_domains.plan(row, new, keeps_old=keeps_old)
    return asdict(renaming.run(progress, naming, by=by))


def start_rename(*, domain: Domain, name: str, keeps_old: bool, by: User | None) -> Job:
    """Have it renamed soon. Raises what `renaming.require_possible` does."""
    naming = renaming.require_possible(domain, name=name, keeps_old=keeps_old, by=by)
    return services.start(
        rename_domain, by=by, domain_id=domain.pk, total=renaming.STEPS,
        domain=domain.pk, old=naming.old, new=naming.new.name, keeps_old=keeps_old,
    )  # fmt: skip


def actor_of(progress: Progress, domain: Domain) -> User | None:
    """None: the server's own operator. Raises NotPermitted."""
    if progress.actor_id is None:
        return None
    by = User.objects.select_related("domain").get(pk=progress.actor_id)
    require(by, Verb.RENAME_DOMAIN, domain)
    return by
