"""Messages on their way, their trace, gateways and settings of the spool in the Django admin."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from adminsite.readonly import ReadOnlyAdmin
from blobs.errors import BadId
from blobs.ids import decode_id, encode_id
from clock.moments import utc_now
from domains.adminpages import ServiceAdmin, SingleRowAdmin, act_on_each
from spool import deleting, gateways, holding, models, relaydomains, services, singly
from spool.changing import Done
from spool.configuration import SPOOL
from spool.gatewaytest import test_gateway
from spool.holding import NewHoldRule
from spool.models import Gateway, HoldRule, SpooledMessage
from spool.selection import Selection

BY_HAND = "put there by an administrator"
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
    actions = ("force", "reset_retries", "quarantine", "release", "delete_mail")

    @admin.action(description="Force: deliver now")
    def force(self, request: HttpRequest, rows: QuerySet[SpooledMessage]) -> None:
        self._act(request, rows, services.force)

    @admin.action(description="Reset retries")
    def reset_retries(self, request: HttpRequest, rows: QuerySet[SpooledMessage]) -> None:
        self._act(request, rows, services.reset_retries)

    @admin.action(description="Put in quarantine")
    def quarantine(self, request: HttpRequest, rows: QuerySet[SpooledMessage]) -> None:
        self._act(request, rows, partial(holding.quarantine, reason=BY_HAND))

    @admin.action(description="Release what is held")
    def release(self, request: HttpRequest, rows: QuerySet[SpooledMessage]) -> None:
        self._act(request, rows, holding.release)

    @admin.action(description="Delete from the spool")
    def delete_mail(self, request: HttpRequest, rows: QuerySet[SpooledMessage]) -> None:
        self._act(request, rows, deleting.delete)

    def _act(
        self, request: HttpRequest, rows: QuerySet[SpooledMessage], verb: Callable[..., Done]
    ) -> None:
        assert isinstance(request.user, User)
        selection = Selection.of(list(rows.values_list("pk", flat=True)), actor=request.user)
        done = verb(selection=selection, by=request.user, now=utc_now())
        self.message_user(request, str(done))


@admin.register(models.SpooledRecipient)
class SpooledRecipientAdmin(SpoolAdmin):
    list_display = (
        "address", "message", "route", "state", "attempts", "due_at", "quarantined_until", "reply"
    )  # fmt: skip
    list_select_related = ("message",)
    list_filter = ("state", "route", ("quarantined_until", admin.EmptyFieldListFilter))
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


@admin.register(models.LedgerTotal)
class LedgerTotalAdmin(ReadOnlyAdmin):
    list_display = ("before_hour", "accepted", "delivered", "relayed", "bounced")


@admin.register(models.LedgerDomainTotal)
class LedgerDomainTotalAdmin(ReadOnlyAdmin):
    list_display = ("domain_id", "accepted", "delivered", "relayed", "bounced")
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


@admin.register(models.SpoolChange)
class SpoolChangeAdmin(ReadOnlyAdmin):
    list_display = ("at", "actor", "verb", "selection", "parameter", "done", "undone_at")
    list_filter = ("verb",)


@admin.register(models.SpoolChangeBatch)
class SpoolChangeBatchAdmin(ReadOnlyAdmin):
    list_display = ("id", "change")
    list_select_related = ("change",)


@admin.register(models.DeliveryLoad)
class DeliveryLoadAdmin(ReadOnlyAdmin):
    list_display = (
        "process_id", "remote", "remote_maximum", "hanging", "local", "local_maximum", "seen_at"
    )  # fmt: skip


@admin.register(models.SpoolMinute)
class SpoolMinuteAdmin(ReadOnlyAdmin):
    list_display = ("minute", "accepted", "ended", "deferred", "messages", "recipients", "held")


@admin.register(models.QueueGroup)
class QueueGroupAdmin(ReadOnlyAdmin):
    list_display = ("destination", "domain_id", "priority", "recipients", "held", "measured_at")
    search_fields = ("=destination",)


@admin.register(models.FlowRate)
class FlowRateAdmin(ReadOnlyAdmin):
    list_display = ("kind", "name", "ended", "deferred", "try_seconds")
    list_filter = ("kind",)


@admin.register(models.HoldRule)
class HoldRuleAdmin(ServiceAdmin):
    list_display = (
        "reason", "sender", "recipient", "destination", "domain", "until", "quarantines"
    )  # fmt: skip
    list_select_related = ("domain",)
    fields = ("sender", "recipient", "destination", "domain", "reason", "until", "quarantines")
    autocomplete_fields = ("domain",)

    def has_change_permission(self, request: HttpRequest, obj: HoldRule | None = None) -> bool:
        return False  # another rule is another hold: remove it and add one

    def add(self, request: HttpRequest, data: dict[str, Any]) -> HoldRule:
        return holding.add_rule(new=NewHoldRule(**data), by=request.user, now=utc_now())[0]

    def remove(self, request: HttpRequest, row: HoldRule) -> None:
        holding.remove_rule(rule=row, by=request.user, now=utc_now())


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
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
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
    actions = ("try_out", "enable", "disable")
    fields = (*gateways.FIELDS, "new_password", "takes", "sending_domains")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[Gateway]) -> None:
        self._switch(request, rows, True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[Gateway]) -> None:
        self._switch(request, rows, False)

    def _switch(self, request: HttpRequest, rows: QuerySet[Gateway], is_enabled: bool) -> None:
        def act(row: Gateway) -> None:
            gateways.change(gateway=row, values={"is_enabled": is_enabled}, by=request.user)

        act_on_each(self, request, rows, act, "Enabled" if is_enabled else "Disabled")

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


@admin.register(models.LostRecord)
class LostRecordAdmin(SpoolAdmin):
    list_display = ("id", "state", "reason", "sender", "written_at", "size_bytes")
    list_filter = ("state",)
    list_select_related = ("area",)
    search_fields = ("=id", "=sender", "=message_id")


@admin.register(models.RelayDomain)
class RelayDomainAdmin(ServiceAdmin):
    list_display = ("name", "host", "port", "is_enabled", "verify_recipients")
    search_fields = ("name", "host", "note")
    fields = ("name", *relaydomains.FIELDS)
    fixed = ("name",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.RelayDomain:
        values = {name: data[name] for name in relaydomains.FIELDS}
        return relaydomains.add(name=data["name"], values=values, by=request.user)

    def change(self, request: HttpRequest, row: models.RelayDomain, data: dict[str, Any]) -> None:
        values = {name: data[name] for name in relaydomains.FIELDS if name in data}
        relaydomains.change(row=row, values=values, by=request.user)

    def remove(self, request: HttpRequest, row: models.RelayDomain) -> None:
        relaydomains.remove(row=row, by=request.user)


@admin.register(models.SingleDestination)
class SingleDestinationAdmin(ServiceAdmin):
    list_display = ("name", "note")
    search_fields = ("name", "note")
    fields = ("name", "note")
    fixed = ("name",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.SingleDestination:
        return singly.add(name=data["name"], note=data["note"], by=request.user)

    def change(
        self, request: HttpRequest, row: models.SingleDestination, data: dict[str, Any]
    ) -> None:
        singly.change(row=row, values=data, by=request.user)

    def remove(self, request: HttpRequest, row: models.SingleDestination) -> None:
        singly.remove(row=row, by=request.user)


@admin.register(models.GatewayDestination)
class GatewayDestinationAdmin(ReadOnlyAdmin):
    list_display = ("name", "gateway")
    list_select_related = ("gateway",)
    search_fields = ("name", "gateway__name")
