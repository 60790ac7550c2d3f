"""Statistics and mailed reports, in the Django admin."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from reports.models import DayCounts, HourCounts, Run, Schedule


@admin.register(HourCounts)
class HourCountsAdmin(ReadOnlyAdmin):
    list_display = ("hour", "domain_id", "account_id", "received", "sent", "refused", "logins")


@admin.register(DayCounts)
class DayCountsAdmin(ReadOnlyAdmin):
    list_display = ("day", "domain_id", "account_id", "received", "sent", "refused", "disk_bytes")


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin):
    list_display = ("kind", "domain", "account", "owner", "rhythm", "is_paused", "next_at")
    list_filter = ("kind", "rhythm", "is_paused")
    list_select_related = ("domain", "account", "account__domain", "owner", "owner__domain")


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("id", "schedule_id", "due_at", "state", "note", "finished_at")
    list_filter = ("state",)
