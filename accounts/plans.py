"""The verbs on plans: add, change, delete, and put a reseller on one (X-011)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from accounts.errors import UserUnknown
from accounts.models import Plan, ResellerPlan, Role, User
from accounts.settings import require_features_known
from blobs.contention import tried_again
from domains.errors import Problem, ValuesRefused
from domains.values import replace, settable_fields
from events import audit
from events.audit import Actor
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

FIELDS = settable_fields(Plan)


@transaction.atomic
def add(*, name: str, by: Actor | None, values: Mapping[str, Any] | None = None) -> Plan:
    """Raises ValuesRefused."""
    plan = Plan()
    changes = _replace(plan, {"name": name, **(values or {})})
    try:
        with transaction.atomic():
            plan.save(force_insert=True)
    except IntegrityError:
        raise ValuesRefused((Problem("name", "is in use for another plan"),)) from None
    audit.record(by, "added plan", plan, changes)
    return plan


@tried_again
@transaction.atomic
def change(*, plan: Plan, values: Mapping[str, Any], by: Actor | None) -> Plan:
    """Caps below what is in use are taken: they only stop growth. Raises ValuesRefused."""
    plan = Plan.objects.select_for_update().get(pk=plan.pk)
    changes = _replace(plan, values)
    if "name" in changes and Plan.objects.exclude(pk=plan.pk).filter(name=plan.name).exists():
        raise ValuesRefused((Problem("name", "is in use for another plan"),))
    if changes:
        plan.save(update_fields=list(changes))
        audit.record(by, "changed plan", plan, changes)
        publish_on_commit(Topic.SETTINGS, durable=True)
    return plan


@transaction.atomic
def delete(*, plan: Plan, by: Actor | None) -> None:
    """Raises ValuesRefused while a reseller is on it."""
    if ResellerPlan.objects.filter(plan=plan).exists():
        raise ValuesRefused((Problem("name", "resellers are on this plan"),))
    audit.record(by, "deleted plan", plan, {name: (getattr(plan, name), None) for name in FIELDS})
    plan.delete()


@transaction.atomic
def put_on(*, username: str, plan_name: str, by: Actor | None) -> ResellerPlan:
    """Raises UserUnknown, ValuesRefused."""
    reseller = User.objects.filter(
        domain=None, role=Role.RESELLER, local_part=username.lower()
    ).first()
    if reseller is None:
        raise UserUnknown(username)
    plan = Plan.objects.filter(name=plan_name).first()
    if plan is None:
        raise ValuesRefused((Problem("plan", f"there is no plan {plan_name}"),))
    old = ResellerPlan.objects.select_related("plan").filter(reseller=reseller).first()
    row, _ = ResellerPlan.objects.update_or_create(reseller=reseller, defaults={"plan": plan})
    names = {"plan": (old.plan.name if old else None, plan.name)}
    audit.record(by, "put reseller on plan", reseller, names)
    publish_on_commit(Topic.SETTINGS, durable=True)
    return row


@transaction.atomic
def take_off(*, row: ResellerPlan, by: Actor | None) -> None:
    """The reseller has no caps from now on."""
    names = {"plan": (row.plan.name, None)}
    audit.record(by, "took reseller off plan", row.reseller, names)
    row.delete()
    publish_on_commit(Topic.SETTINGS, durable=True)


def _replace(plan: Plan, values: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    changes = replace(plan, values, fields=FIELDS)
    require_features_known(plan.withheld_features)
    return changes
