"""The checks of DNS in Django's admin: to be read."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from zones.models import ZoneCheck


@admin.register(ZoneCheck)
class ZoneCheckAdmin(ReadOnlyAdmin):
    list_display = ("domain", "level", "checked_at")
    list_select_related = ("domain",)
    list_filter = ("level",)
    search_fields = ("domain__name",)
