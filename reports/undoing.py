"""Undoing what was changed about mailed reports."""

from __future__ import annotations

from accounts.models import User
from administration.errors import CannotUndo, GoneSince
from administration.rules.table import old_values, undoes
from clock.moments import utc_now
from events.models import AuditEntry
from reports import schedules
from reports.models import Kind, Schedule

SCHEDULE = "reports.schedule"


@undoes(SCHEDULE, "added mailed report")
def added(entry: AuditEntry, by: User | None) -> bool:
    row = _find(entry, by)
    if row is not None:
        schedules.delete(schedule=row, by=by)
    return row is not None


@undoes(SCHEDULE, "changed mailed report")
def changed(entry: AuditEntry, by: User | None) -> bool:
    row = _find(entry, by)
    if row is None:
        raise GoneSince(f"the report {entry.object_name}")
    values = old_values(entry, row)
    addresses = values.pop("addresses", None)
    if values or addresses is not None:
        schedules.change(schedule=row, values=values, addresses=addresses, by=by, now=utc_now())
    return bool(values) or addresses is not None


@undoes(SCHEDULE, "deleted mailed report")
def deleted(entry: AuditEntry, by: User | None) -> bool:
    old = {name: before for name, (before, _) in entry.changes.items()}
    owner = User.objects.filter(pk=old["owner"] or 0).first()
    if owner is None:
        raise CannotUndo("its owner is gone: add it anew")
    schedules.add(
        kind=Kind(old["kind"]),
        domain=old["domain"],
        address=old["account"],
        addresses=old["addresses"],
        values={name: old[name] for name in schedules.SETTINGS},
        by=by or owner,
        owner=owner,
        now=utc_now(),
    )
    return True


def _find(entry: AuditEntry, by: User | None) -> Schedule | None:
    rows = Schedule.objects.all() if by is None else schedules.schedules_for(by)
    return rows.filter(pk=entry.object_id or 0).first()
