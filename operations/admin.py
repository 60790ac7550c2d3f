"""Settings, services, connections, rules and lists of networks, in the Django admin."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from adminsite.readonly import ReadOnlyAdmin
from domains.adminpages import ServiceAdmin, SingleRowAdmin, act_on_each
from operations import blocks, listing, relay, rules, useractivity
from operations.logs import LOGS
from operations.models import (
    AbuseCount,
    AbuseRule,
    ActivityHour,
    BlacklistEntry,
    Block,
    Connection,
    ListenerSettings,
    LoginTurn,
    LogSettings,
    LostAddress,
    Process,
    RelayNetwork,
    RelayService,
    ResolverSettings,
    ServiceReport,
    ServiceState,
    Transcript,
    WhitelistEntry,
)
from operations.services import LISTENERS, RESOLVER


@admin.register(ListenerSettings)
class ListenerSettingsAdmin(SingleRowAdmin):
    single = LISTENERS


@admin.register(ResolverSettings)
class ResolverSettingsAdmin(SingleRowAdmin):
    single = RESOLVER


class RelayNetworkForm(forms.ModelForm):  # type: ignore[type-arg]
    services = forms.MultipleChoiceField(
        choices=[(name, name) for name in RelayService.values],  # short enough for a phone
        required=False,
        help_text="Elsewhere its machines must log in. None for a new network: SMTP alone.",
    )

    class Meta:
        model = RelayNetwork
        fields = ("network", *relay.FIELDS)


@admin.register(RelayNetwork)
class RelayNetworkAdmin(ServiceAdmin):
    form = RelayNetworkForm
    list_display = ("network", "services", "note")
    shown_as: ClassVar[dict[str, Any]] = {"services": " ".join}  # as a file is read
    search_fields = ("network", "note")
    fields = ("network", *relay.FIELDS)
    fixed = ("network",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> RelayNetwork:
        services = data.pop("services") or None
        return relay.add(services=services, by=request.user, **data)

    def change(self, request: HttpRequest, row: RelayNetwork, data: dict[str, Any]) -> None:
        relay.change(row=row, values=data, by=request.user)

    def remove(self, request: HttpRequest, row: RelayNetwork) -> None:
        relay.remove(row=row, by=request.user)


@admin.register(LostAddress)
class LostAddressAdmin(ReadOnlyAdmin):
    list_display = ("address", "node", "since")
    search_fields = ("address",)


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    list_display = ("node", "pid", "started_at", "seen_at")


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    list_display = (
        "service", "is_outbound", "client_address", "local_address", "is_encrypted",
        "account_id", "bytes_in", "bytes_out",
    )  # fmt: skip
    list_filter = ("service", "is_outbound", "is_encrypted")
    search_fields = ("client_address",)
    actions = ("drop",)

    @admin.action(description="Drop")
    def drop(self, request: HttpRequest, rows: QuerySet[Connection]) -> None:
        """M-044: whoever is meant may connect again."""

        def act(row: Connection) -> None:
            useractivity.drop(row, by=request.user)

        act_on_each(self, request, rows, act, "Dropped")


@admin.register(LogSettings)
class LogSettingsAdmin(SingleRowAdmin):
    single = LOGS


@admin.register(Transcript)
class TranscriptAdmin(ReadOnlyAdmin):
    list_display = ("subject", "actor", "started_at", "ends_at", "stopped_at")
    search_fields = ("subject",)


@admin.register(ServiceState)
class ServiceStateAdmin(ReadOnlyAdmin):
    list_display = ("service", "node", "is_wanted", "changed_at")


@admin.register(ServiceReport)
class ServiceReportAdmin(ReadOnlyAdmin):
    list_display = ("service", "process", "state", "reason", "sessions", "seen_at")
    list_filter = ("service", "state")


@admin.register(AbuseRule)
class AbuseRuleAdmin(ServiceAdmin):
    list_display = (
        "kind", "service", "threshold", "window_seconds", "block_seconds", "action", "is_enabled",
    )  # fmt: skip
    list_filter = ("kind", "is_enabled")
    fields = rules.FIELDS
    actions = ("enable", "disable")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[AbuseRule]) -> None:
        self._switch(request, rows, True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[AbuseRule]) -> None:
        self._switch(request, rows, False)

    def _switch(self, request: HttpRequest, rows: QuerySet[AbuseRule], is_enabled: bool) -> None:
        def act(row: AbuseRule) -> None:
            rules.change(rule=row, values={"is_enabled": is_enabled}, by=request.user)

        act_on_each(self, request, rows, act, "Enabled" if is_enabled else "Disabled")

    def add(self, request: HttpRequest, data: dict[str, Any]) -> AbuseRule:
        return rules.add(values=data, by=request.user)

    def change(self, request: HttpRequest, row: AbuseRule, data: dict[str, Any]) -> None:
        rules.change(rule=row, values=data, by=request.user)

    def remove(self, request: HttpRequest, row: AbuseRule) -> None:
        rules.delete(rule=row, by=request.user)


@admin.register(Block)
class BlockAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "service", "kind", "since", "until", "hits")
    list_filter = ("service", "kind")
    search_fields = ("network",)
    actions = ("lift",)

    @admin.action(description="Lift the chosen blocks")
    def lift(self, request: HttpRequest, chosen: QuerySet[Block]) -> None:
        """M-056: the parties may come in at once."""
        for block in chosen:
            blocks.lift(block=block, by=request.user)


@admin.register(AbuseCount)
class AbuseCountAdmin(ReadOnlyAdmin):
    list_display = ("subject", "rule", "events")
    search_fields = ("subject",)


@admin.register(LoginTurn)
class LoginTurnAdmin(ReadOnlyAdmin):
    list_display = ("login", "party", "due_at")
    search_fields = ("login",)
    exclude = ("token_hash",)


class ListedNetworkAdmin(ServiceAdmin):
    list_display = ("network", "services", "note", "created_at")
    search_fields = ("network", "note")
    fields: tuple[str, ...] = ("network", "services", "note")
    fixed = ("network",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> Any:
        return listing.add(self.model, by=request.user, **data)

    def change(self, request: HttpRequest, row: Any, data: dict[str, Any]) -> None:
        listing.change(row=row, values=data, by=request.user)

    def remove(self, request: HttpRequest, row: Any) -> None:
        listing.remove(row=row, by=request.user)


@admin.register(BlacklistEntry)
class BlacklistEntryAdmin(ListedNetworkAdmin):
    pass


@admin.register(WhitelistEntry)
class WhitelistEntryAdmin(ListedNetworkAdmin):
    fields = ("network", "services", "note", "skips_greylisting")


@admin.register(ActivityHour)
class ActivityHourAdmin(ReadOnlyAdmin):
    list_display = ("hour", "service", "domain_id", "account_id", "connections", "logins")
    list_filter = ("service",)
