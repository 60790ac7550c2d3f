"""The audit trail in the Django admin: searchable, never changed (X-005)."""

from __future__ import annotations

from django.contrib import admin

from adminsite.readonly import ReadOnlyAdmin
from events.models import AuditEntry, Occurrence


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "verb", "object_type", "object_name", "client_address")
    list_filter = ("object_type",)
    search_fields = ("actor", "verb", "object_name", "client_address")


@admin.register(Occurrence)
class OccurrenceAdmin(ReadOnlyAdmin):
    list_display = ("at", "type", "domain_id", "account_id")
    list_filter = ("type",)
    search_fields = ("=domain_id", "=account_id")
