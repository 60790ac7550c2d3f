"""Jobs of the accounts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django_tasks import task

from accounts import permissions, recyclebin, userimport
from accounts.models import User
from accounts.permissions import Verb
from accounts.userimport import Existing, Outcome
from clock.moments import utc_now
from domains.models import Domain
from jobs.kinds import job
from jobs.periodic import periodic
from jobs.progress import Progress


@job("import-users", "Import users")
def import_users(progress: Progress, *, domain: int, sealed: str, existing: str) -> dict[str, Any]:
    """In the name of who asked, who must still be allowed to."""
    row = Domain.objects.get(pk=domain)
    by = User.objects.select_related("domain").get(pk=progress.actor_id or 0)
    permissions.require(by, Verb.CHANGE_USERS, row)
    lines = userimport.unseal(sealed)
    outcome = Outcome(**progress.kept) if progress.kept else Outcome()

    def tell(outcome: Outcome) -> None:
        progress.keep(asdict(outcome))
        progress.report(outcome.next_line, len(lines), f"{outcome.added:,} users added")

    userimport.run(
        domain=row, lines=lines, existing=Existing(existing), by=by, outcome=outcome, tell=tell
    )
    return asdict(outcome)


@periodic("23 * * * *")
@task
def empty_recycle_bin() -> int:
    """Deleted users and domains whose days are over go for good."""
    return recyclebin.purge_due(now=utc_now())
