"""Limits of sessions, relay networks and who is connected, in the Django admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from adminsite.readonly import ReadOnlyAdmin
from domains.adminpages import ServiceAdmin, SingleRowAdmin
from operations import relay
from operations.logs import LOGS
from operations.models import (
    Connection,
    ListenerSettings,
    LogSettings,
    Process,
    RelayNetwork,
    ResolverSettings,
    Transcript,
)
from operations.services import LISTENERS, RESOLVER


@admin.register(ListenerSettings)
class ListenerSettingsAdmin(SingleRowAdmin):
    single = LISTENERS


@admin.register(ResolverSettings)
class ResolverSettingsAdmin(SingleRowAdmin):
    single = RESOLVER


@admin.register(RelayNetwork)
class RelayNetworkAdmin(ServiceAdmin):
    list_display = ("network", "note")
    search_fields = ("network", "note")
    fields = ("network", "note")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("network",) if obj else ()

    def add(self, request: HttpRequest, data: dict[str, Any]) -> RelayNetwork:
        return relay.add(network=data["network"], note=data["note"], by=request.user)

    def change(self, request: HttpRequest, row: RelayNetwork, data: dict[str, Any]) -> None:
        relay.change(row=row, note=data["note"], by=request.user)

    def remove(self, request: HttpRequest, row: RelayNetwork) -> None:
        relay.remove(row=row, by=request.user)


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    list_display = ("node", "pid", "started_at", "seen_at")


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = ("service", "client_address", "local_address", "is_encrypted", "account_id")
    list_filter = ("service", "is_encrypted")
    search_fields = ("client_address",)


@admin.register(LogSettings)
class LogSettingsAdmin(SingleRowAdmin):
    single = LOGS


@admin.register(Transcript)
class TranscriptAdmin(ReadOnlyAdmin):
    list_display = ("subject", "actor", "started_at", "ends_at", "stopped_at")
    search_fields = ("subject",)
