"""Resellers and plans as lists."""

from __future__ import annotations

from django.db.models import Q

from accounts.models import Plan, Status, User
from panel.lists import Column, Listing, Pill


class ResellerListing(Listing[User]):
    title = "Resellers"
    singular, plural = "reseller", "resellers"
    identity = "local_part"
    sorted_by = "local_part"
    searched = ("local_part__icontains", "full_name__icontains")
    rows_template = "panel/resellers/rows.html"
    page_template = "panel/resellers/list.html"
    empty_text = "A reseller manages domains of his own, within his plan."
    pills = (
        Pill("all", "All", Q()),
        Pill("enabled", "Enabled", Q(status=Status.ENABLED)),
        Pill("disabled", "Disabled", ~Q(status=Status.ENABLED)),
    )
    columns = (
        Column("Name", "local_part", lambda row: row.local_part),
        Column("Full name", "full_name", lambda row: row.full_name),
        Column("Plan", "reseller_plan__plan__name", lambda row: plan_name(row)),
        Column("Domains", "domains_used", lambda row: row.domains_used),
        Column("Users", "users_used", lambda row: row.users_used),
        Column("Status", "status", lambda row: row.get_status_display()),
    )


class PlanListing(Listing[Plan]):
    title = "Plans"
    singular, plural = "plan", "plans"
    sorted_by = "name"
    searched = ("name__icontains",)
    rows_template = "panel/resellers/plan_rows.html"
    page_template = "panel/resellers/plans.html"
    empty_text = "A plan says how much a reseller may use, over all his domains."
    columns = (
        Column("Plan", "name", lambda row: row.name),
        Column("Domains", "domains", lambda row: row.domains),
        Column("Users", "users", lambda row: row.users),
        Column("Users of a domain", "users_per_domain", lambda row: row.users_per_domain),
        Column("Disk space (MB)", "disk_space_mb", lambda row: row.disk_space_mb),
        Column("Mailing lists", "mailing_lists", lambda row: row.mailing_lists),
        Column("Resellers", "resellers_used", lambda row: row.resellers_used),
    )


def plan_name(row: User) -> str:
    """Empty: on none."""
    on = getattr(row, "reseller_plan", None)
    return on.plan.name if on is not None else ""
