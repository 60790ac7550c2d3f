"""Jobs of the accounts."""

from __future__ import annotations

from dataclasses import asdict
from itertools import chain
from typing import Any

from django_tasks import task

from accounts import permissions, propagation, recyclebin, userimport
from accounts.models import User
from accounts.permissions import Verb
from accounts.userimport import Existing, Outcome
from clock.moments import utc_now
from domains import folders
from domains.errors import Refused
from domains.models import Domain
from events import audit
from jobs.kinds import job
from jobs.periodic import periodic
from jobs.progress import Progress

DOMAINS_AT_ONCE = 200  # of one query


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


@job("propagate-defaults", "Set defaults on existing domains")
def propagate_defaults(
    progress: Progress,
    *,
    values: dict[str, dict[str, Any]],
    domains: list[int] | None,
    reason: str = "",
) -> dict[str, int]:
    """`domains` None: all. All changes are one operation of the audit trail, undone as one.

    A domain that cannot take the values stays as it is, and the job's log says why.
    """
    by = User.objects.get(pk=progress.actor_id or 0)
    permissions.require(by, Verb.MANAGE_SERVER)
    rows = Domain.objects.order_by("pk")
    if domains is not None:
        rows = rows.filter(pk__in=domains)
    rows = propagation.with_other_values(rows, values)
    kept: dict[str, int] = progress.kept or {"last": 0, "changed": 0, "refused": 0}

    def waiting() -> list[Domain]:
        return list(rows.filter(pk__gt=kept["last"])[:DOMAINS_AT_ONCE])

    with audit.because(reason):
        for domain in chain.from_iterable(iter(waiting, [])):
            try:
                kept["changed"] += propagation.propagate(domain=domain, values=values, by=by)
            except Refused as error:
                kept["refused"] += 1
                progress.note(f"{domain} stays as it is: {error}")
            kept["last"] = domain.pk
            progress.keep(dict(kept))
            progress.advance(words=f"{kept['changed']:,} domains changed")
    return {"changed": kept["changed"], "refused": kept["refused"]}


@periodic("23 * * * *")
@task
def empty_recycle_bin() -> int:
    """Deleted users and domains whose days are over go for good, and the folders of these."""
    purged = recyclebin.purge_due(now=utc_now())
    folders.empty_trash()
    return purged
