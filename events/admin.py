"""The audit trail in the Django admin: searchable, never changed (X-005)."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from events.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "verb", "object_type", "object_name", "client_address")
    list_filter = ("object_type",)
    search_fields = ("actor", "verb", "object_name", "client_address")
