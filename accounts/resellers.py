"""Resellers and plans as pages show them: for those who run the server (U-004, X-011)."""

from __future__ import annotations

from django.db.models import Count, IntegerField, Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from accounts.errors import PlanUnknown, UserUnknown
from accounts.models import DomainOwnership, Plan, ResellerPlan, Role, User
from accounts.permissions import Verb, may


def resellers_for(actor: User) -> QuerySet[User]:
    """With `domains_used`, `users_used` and the plan of each."""
    rows = User.objects.filter(domain=None, role=Role.RESELLER).select_related(
        "reseller_plan__plan", "last_activity"
    )
    rows = rows.annotate(
        domains_used=_count(DomainOwnership, "reseller"),
        users_used=_count(User, "domain__ownership__reseller"),
    )
    return rows if may(actor, Verb.MANAGE_SERVER) else rows.none()


def reseller_for(actor: User, username: str) -> User:
    """Raises UserUnknown."""
    row = resellers_for(actor).filter(local_part=username).first()
    if row is None:
        raise UserUnknown(username)
    return row


def plans_for(actor: User) -> QuerySet[Plan]:
    """With `resellers_used`: how many are on each."""
    rows = Plan.objects.annotate(resellers_used=_count(ResellerPlan, "plan"))
    return rows if may(actor, Verb.MANAGE_SERVER) else rows.none()


def plan_for(actor: User, plan_id: int) -> Plan:
    """Raises PlanUnknown."""
    row = plans_for(actor).filter(pk=plan_id).first()
    if row is None:
        raise PlanUnknown(plan_id)
    return row


def _count(model: type[Model], name: str) -> Coalesce:
    counted = (
        model._default_manager.filter(**{name: OuterRef("pk")})
        .order_by()
        .values(name)
        .annotate(count=Count("pk"))
        .values("count")
    )
    return Coalesce(Subquery(counted), 0, output_field=IntegerField())
