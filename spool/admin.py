"""Messages on their way, their trace, gateways and settings of the spool in the Django admin."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from adminsite.readonly import ReadOnlyAdmin
from blobs.errors import BadId
from blobs.ids import decode_id, encode_id
from domains.adminpages import ServiceAdmin, SingleRowAdmin
from spool import gateways, models, relaydomains
from spool.configuration import SPOOL
from spool.gatewaytest import test_gateway
from spool.models import Gateway

MOST_TESTED = 5  # each may take a minute


class SpoolAdmin(ReadOnlyAdmin):
    """Ids in the form of Received lines, logs and `manage.py trace`, also in the search box."""

    shown_as: ClassVar = {"id": encode_id}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        with suppress(BadId):
            search_term = str(decode_id(search_term.strip()))
        found: tuple[QuerySet[Any], bool] = super().get_search_results(
            request, queryset, search_term
        )
        return found


@admin.register(models.SpooledMessage)
class SpooledMessageAdmin(SpoolAdmin):
    list_display = ("id", "sender", "origin", "kind", "size_bytes", "accepted_at", "finished_at")
    list_filter = ("origin", "kind")
    search_fields = ("=id", "=sender", "=message_id")


@admin.register(models.SpooledRecipient)
class SpooledRecipientAdmin(SpoolAdmin):
    list_display = ("address", "message", "route", "state", "attempts", "due_at", "reply")
    list_select_related = ("message",)
    list_filter = ("state", "route")
    search_fields = ("=id", "=address", "=message__id")


@admin.register(models.DeliveryAttempt)
class DeliveryAttemptAdmin(SpoolAdmin):
    list_display = ("id", "recipient", "number", "outcome", "host", "reply")
    list_select_related = ("recipient",)
    list_filter = ("outcome",)
    search_fields = ("=id", "=recipient__address", "=host")


@admin.register(models.TraceEntry)
class TraceEntryAdmin(SpoolAdmin):
    list_display = ("id", "message", "recipient", "at", "actor", "decision")
    list_select_related = ("message", "recipient")
    search_fields = ("=id", "=message__id", "=recipient__address")


@admin.register(models.LedgerHour)
class LedgerHourAdmin(ReadOnlyAdmin):
    list_display = ("domain_id", "hour", "accepted", "delivered", "relayed", "bounced")
    search_fields = ("=domain_id",)


@admin.register(models.RefusedMail)
class RefusedMailAdmin(ReadOnlyAdmin):
    list_display = ("at", "client_address", "sender", "recipient", "reply")
    search_fields = ("=client_address", "=sender", "=recipient")


@admin.register(models.ThrottleHour)
class ThrottleHourAdmin(ReadOnlyAdmin):
    list_display = ("kind", "key_id", "hour", "messages", "sent_bytes", "bounces", "own_bounces")
    list_filter = ("kind",)
    search_fields = ("=key_id",)


@admin.register(models.ThrottleCrossing)
class ThrottleCrossingAdmin(ReadOnlyAdmin):
    list_display = ("at", "who", "reason", "used", "allowed", "ended_at", "warned_at")
    list_filter = ("kind", "reason")
    search_fields = ("=who",)


@admin.register(models.SpoolSettings)
class SpoolSettingsAdmin(SingleRowAdmin):
    single = SPOOL


class GatewayForm(forms.ModelForm):  # type: ignore[type-arg]
    new_password = forms.CharField(
        required=False,
        widget=forms.PasswordInput(render_value=False),
        help_text="Empty: it stays as it is.",
    )
    takes = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Destinations, one domain or .domain in each line; empty: all.",
    )

    class Meta:
        model = Gateway
        fields = (*gateways.FIELDS, "sending_domains")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            scope = gateways.scope_of(self.instance)
            self.fields["takes"].initial = "\n".join(scope["destinations"])


@admin.register(Gateway)
class GatewayAdmin(ServiceAdmin):
    form = GatewayForm
    list_display = ("name", "host", "port", "is_enabled", "minimum_priority", "maximum_priority")
    list_filter = ("is_enabled",)
    search_fields = ("name", "host", "destinations__name")
    autocomplete_fields = ("sending_domains",)
    actions = ("try_out",)
    fields = (*gateways.FIELDS, "new_password", "takes", "sending_domains")

    def add(self, request: HttpRequest, data: dict[str, Any]) -> Gateway:
        return gateways.add(
            values={name: data[name] for name in gateways.FIELDS},
            by=request.user,
            password=data["new_password"] or None,
            destinations=data["takes"].split(),
            sending_domains=[domain.name for domain in data["sending_domains"]],
        )

    def change(self, request: HttpRequest, row: Gateway, data: dict[str, Any]) -> None:
        takes, senders = data.get("takes"), data.get("sending_domains")
        gateways.change(
            gateway=row,
            values={name: data[name] for name in gateways.FIELDS if name in data},
            by=request.user,
            password=data.get("new_password") or None,
            destinations=takes.split() if takes is not None else None,
            sending_domains=[d.name for d in senders] if senders is not None else None,
        )

    @admin.action(description="Test: connect, encrypt, log in")
    def try_out(self, request: HttpRequest, queryset: QuerySet[Gateway]) -> None:
        """G-001: what was said is shown above the list."""
        for gateway in queryset[:MOST_TESTED]:
            found = test_gateway(gateway)
            words = "it works" if found.is_ok else f"it fails: {found.reply}"
            lines = format_html_join("", "<br>{}", ((line,) for line in found.dialogue))
            level = messages.SUCCESS if found.is_ok else messages.ERROR
            self.message_user(request, format_html("{}: {}{}", gateway, words, lines), level)

    def remove(self, request: HttpRequest, row: Gateway) -> None:
        gateways.delete(gateway=row, by=request.user)


@admin.register(models.GatewayState)
class GatewayStateAdmin(ReadOnlyAdmin):
    list_display = ("gateway", "seen_at", "queued", "is_down", "last_error", "last_error_at")
    list_select_related = ("gateway",)


@admin.register(models.GatewayHour)
class GatewayHourAdmin(ReadOnlyAdmin):
    list_display = ("gateway", "hour", "sent", "deferred", "failed")
    list_select_related = ("gateway",)


@admin.register(models.RelayDomain)
class RelayDomainAdmin(ServiceAdmin):
    list_display = ("name", "host", "port", "is_enabled", "verify_recipients")
    search_fields = ("name", "host", "note")
    fields = ("name", *relaydomains.FIELDS)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("name",) if obj else ()

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.RelayDomain:
        values = {name: data[name] for name in relaydomains.FIELDS}
        return relaydomains.add(name=data["name"], values=values, by=request.user)

    def change(self, request: HttpRequest, row: models.RelayDomain, data: dict[str, Any]) -> None:
        values = {name: data[name] for name in relaydomains.FIELDS if name in data}
        relaydomains.change(row=row, values=values, by=request.user)

    def remove(self, request: HttpRequest, row: models.RelayDomain) -> None:
        relaydomains.remove(row=row, by=request.user)


@admin.register(models.GatewayDestination)
class GatewayDestinationAdmin(ReadOnlyAdmin):
    list_display = ("name", "gateway")
    list_select_related = ("gateway",)
    search_fields = ("name", "gateway__name")
