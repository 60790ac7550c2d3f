"""Transport security in Django's admin: exceptions and settings to be changed, the rest to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from adminsite.readonly import ReadOnlyAdmin
from domains.adminpages import ServiceAdmin, SingleRowAdmin
from transport import models, overrides
from transport.settings import TRANSPORT


@admin.register(models.TlsPolicyOverride)
class TlsPolicyOverrideAdmin(ServiceAdmin):
    list_display = ("destination", "level", "note")
    list_filter = ("level",)
    search_fields = ("destination", "note")
    fields = ("destination", "level", "note")
    fixed = ("destination",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.TlsPolicyOverride:
        return overrides.set_override(**data, by=request.user)

    def change(self, request: HttpRequest, row: Any, data: dict[str, Any]) -> None:
        values = {"level": row.level, **data}
        overrides.set_override(destination=row.destination, **values, by=request.user)

    def remove(self, request: HttpRequest, row: Any) -> None:
        overrides.remove_override(destination=row.destination, by=request.user)


@admin.register(models.TransportSettings)
class TransportSettingsAdmin(SingleRowAdmin):
    single = TRANSPORT
    list_display = ("__str__", "use_mta_sts", "use_dane", "send_reports")


@admin.register(models.StsPolicy)
class StsPolicyAdmin(ReadOnlyAdmin):
    list_display = ("domain", "policy_id", "fetched_at", "expires_at")
    search_fields = ("domain",)


@admin.register(models.TlsResult)
class TlsResultAdmin(ReadOnlyAdmin):
    list_display = ("day", "domain", "policy_type", "host", "problem", "sessions")
    list_filter = ("policy_type", "problem")
    search_fields = ("domain", "host")
    ordering = ("-day", "domain")


@admin.register(models.TlsReport)
class TlsReportAdmin(ReadOnlyAdmin):
    list_display = ("day", "domain", "uri", "sent_at", "last_error")
    search_fields = ("domain",)
    ordering = ("-day", "domain")
