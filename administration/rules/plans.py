"""Undoing what was changed about plans, and who is on which."""

from __future__ import annotations

from accounts import plans
from accounts.models import Plan, ResellerPlan, User
from accounts.permissions import Verb
from administration.errors import GoneSince, MovedOn
from administration.rules.table import old_values, require, undoes
from events.models import AuditEntry

PLAN = "accounts.plan"


@undoes(PLAN, "added plan")
def added(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    plan = Plan.objects.filter(pk=entry.object_id or 0).first()
    if plan is not None:
        plans.delete(plan=plan, by=by)
    return plan is not None


@undoes(PLAN, "changed plan")
def changed(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    plan = Plan.objects.select_for_update().filter(pk=entry.object_id or 0).first()
    if plan is None:
        raise GoneSince(f"the plan {entry.object_name}")
    values = old_values(entry, plan)
    if values:
        plans.change(plan=plan, values=values, by=by)
    return bool(values)


@undoes(PLAN, "deleted plan")
def deleted(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    values = {name: old for name, (old, _) in entry.changes.items() if name != "name"}
    plans.add(name=entry.object_name, values=values, by=by)
    return True


@undoes("accounts.user", "put reseller on plan", "took reseller off plan")
def reseller(entry: AuditEntry, by: User | None) -> bool:
    require(by, Verb.MANAGE_SERVER)
    user = User.objects.filter(pk=entry.object_id or 0).first()
    if user is None:
        raise GoneSince(f"the reseller {entry.object_name}")
    row = ResellerPlan.objects.select_related("plan").filter(reseller=user).first()
    current = row.plan.name if row else None
    old, new = entry.changes["plan"]
    if current == old:
        return False
    if current != new:
        raise MovedOn("the plan", str(new or "none"), str(current or "none"))
    if old is not None:
        plans.put_on(username=user.local_part, plan_name=old, by=by)
    elif row is not None:
        plans.take_off(row=row, by=by)
    return True
