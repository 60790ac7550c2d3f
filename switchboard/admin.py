"""Durable notes in the Django admin."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from switchboard.models import Change


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin):
    list_display = ("id", "topic", "key", "changed_at")
    list_filter = ("topic",)
    search_fields = ("=key",)
