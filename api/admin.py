"""Tokens, web hooks and kept answers in the Django admin: seen; tokens are revoked by service."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from adminsite.readonly import ReadOnlyAdmin
from api import tokens
from api.models import ApiToken, IdempotentRequest, Webhook, WebhookDelivery


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    list_display = ("name", "user", "hint", "created_at", "expires_at", "last_used_at")
    search_fields = ("name", "hint", "user__local_part")
    list_select_related = ("user__domain",)

    def _names(self) -> list[str]:
        return [name for name in super()._names() if name != "digest"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def delete_model(self, request: HttpRequest, obj: ApiToken) -> None:
        tokens.revoke(token=obj, by=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        for token in queryset.select_related("user__domain"):
            tokens.revoke(token=token, by=request.user)


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    list_display = ("url", "owner", "is_enabled", "created_at", "read_until")
    search_fields = ("url", "owner__local_part")
    list_select_related = ("owner__domain",)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("event_id", "webhook", "attempts", "status_code", "due_at", "delivered_at")
    list_select_related = ("webhook__owner__domain",)
    search_fields = ("event_id",)


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(ReadOnlyAdmin):
    list_display = ("key", "user", "status", "created_at")
    list_select_related = ("user__domain",)
    search_fields = ("key",)
