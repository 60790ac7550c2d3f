"""The domain and its tabs in the Django admin. Opening and closing it stand with its accounts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from adminsite.readonly import ReadOnlyAdmin
from domains import claims, models, services
from domains.adminpages import ServiceAdmin, SingleRowAdmin, act_on_each


@admin.register(models.DomainAlias)
class DomainAliasAdmin(ServiceAdmin):
    list_display = ("unicode_name", "name", "domain")
    list_select_related = ("domain",)
    search_fields = ("name", "unicode_name", "domain__name")
    autocomplete_fields = ("domain",)
    fields = ("domain", "name")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.DomainAlias:
        return services.add_alias(domain=data["domain"], name=data["name"], by=request.user)

    def remove(self, request: HttpRequest, row: models.DomainAlias) -> None:
        services.remove_alias(alias=row, by=request.user)


@admin.register(models.FolderMove)
class FolderMoveAdmin(ReadOnlyAdmin):
    list_display = ("domain", "old_path", "new_path", "job_id", "begun_at")
    list_select_related = ("domain",)


@admin.register(models.ClaimedAlias)
class ClaimedAliasAdmin(ReadOnlyAdmin):
    list_display = ("unicode_name", "name", "domain", "claimed_at", "checked_at", "lapses_at")
    list_select_related = ("domain",)
    search_fields = ("name", "unicode_name", "domain__name")
    actions = ("approve",)

    @admin.action(description="Approve")
    def approve(self, request: HttpRequest, rows: QuerySet[models.ClaimedAlias]) -> None:
        def act(row: models.ClaimedAlias) -> None:
            claims.grant(claim=row, by=request.user)

        act_on_each(self, request, rows, act, "Approved")


@admin.register(models.NameSettings)
class NameSettingsAdmin(SingleRowAdmin):
    single = claims.NAMES


@admin.register(models.DomainRenaming)
class DomainRenamingAdmin(ReadOnlyAdmin):
    list_display = ("domain", "name", "until")
    list_select_related = ("domain",)


@admin.register(models.DomainDefaults)
class DomainDefaultsAdmin(ReadOnlyAdmin):
    """They are changed in the panel, where each has a field of its own."""

    list_display = ("__str__", "version")


@admin.register(models.HostedName)
class HostedNameAdmin(ReadOnlyAdmin):
    list_display = ("name", "domain", "is_alias")
    list_select_related = ("domain",)
    list_filter = ("is_alias",)
    search_fields = ("name",)
