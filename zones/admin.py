"""The checks of DNS in Django's admin, and the MTA-STS policies that are served."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from adminsite.readonly import ReadOnlyAdmin
from domains.adminpages import ServiceAdmin
from zones import published
from zones.models import PublishedPolicy, ZoneCheck


@admin.register(ZoneCheck)
class ZoneCheckAdmin(ReadOnlyAdmin):
    list_display = ("domain", "level", "checked_at")
    list_select_related = ("domain",)
    list_filter = ("level",)
    search_fields = ("domain__name",)


@admin.register(PublishedPolicy)
class PublishedPolicyAdmin(ServiceAdmin):
    list_display = ("domain", "mode", "more_hosts")
    list_select_related = ("domain",)
    list_filter = ("mode",)
    search_fields = ("domain__name",)
    autocomplete_fields = ("domain",)
    fixed = ("domain",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> PublishedPolicy:
        domain = data.pop("domain")
        return published.change_policy(domain=domain, values=data, by=request.user)

    def change(self, request: HttpRequest, row: Any, data: dict[str, Any]) -> None:
        published.change_policy(domain=row.domain, values=data, by=request.user)

    def remove(self, request: HttpRequest, row: Any) -> None:
        published.reset_policy(domain=row.domain, by=request.user)
