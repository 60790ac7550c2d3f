"""Messages to many users, in the Django admin."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from messaging.models import MassMail, Reminder, ReminderOfUser


@admin.register(MassMail)
class MassMailAdmin(ReadOnlyAdmin):
    list_display = ("subject", "audience", "of", "actor", "state", "sent", "total", "created_at")
    list_filter = ("state", "audience")
    search_fields = ("subject", "of", "actor")


@admin.register(Reminder)
class ReminderAdmin(ReadOnlyAdmin):
    list_display = ("subject", "audience", "of", "actor", "state", "sent", "total", "created_at")
    list_filter = ("state", "audience")
    search_fields = ("subject", "of", "actor")


@admin.register(ReminderOfUser)
class ReminderOfUserAdmin(ReadOnlyAdmin):
    list_display = ("reminder_id", "account_id", "show_at", "dismissed_at")
