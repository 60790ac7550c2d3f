"""Accounts on other servers, in the Django admin; the password stands on no page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from adminsite.readonly import ReadOnlyAdmin
from domains.adminpages import ServiceAdmin, SingleRowAdmin, act_on_each
from retrieval import services
from retrieval.models import (
    FetchedMessage,
    Kind,
    RemoteFolder,
    RetrievalAccount,
    RetrievalSettings,
)
from retrieval.settings import RETRIEVAL
from retrieval.trying import try_out

MOST_TESTED = 5


class RetrievalForm(forms.ModelForm):  # type: ignore[type-arg]
    new_password = forms.CharField(
        required=False,
        strip=False,
        max_length=services.PASSWORD_CHARACTERS,
        widget=forms.PasswordInput(render_value=False),
        help_text="Empty: it stays. A new account needs one, and where the server, the name or the "
        "encryption changes.",
    )

    class Meta:
        model = RetrievalAccount
        fields = ("user", "kind", *services.FIELDS)


@admin.register(RetrievalAccount)
class RetrievalAccountAdmin(ServiceAdmin):
    form = RetrievalForm
    list_display = (
        "username", "host", "kind", "user", "is_enabled", "last_run_at", "last_count", "failures",
        "last_error",
    )  # fmt: skip
    list_filter = ("kind", "is_enabled")
    list_select_related = ("user", "user__domain")
    search_fields = ("username", "host")
    fields = ("user", "kind", *services.FIELDS, "new_password")
    fixed = ("user", "kind")
    autocomplete_fields = ("user",)
    actions = ("fetch", "enable", "disable", "try_out")

    def add(self, request: HttpRequest, data: dict[str, Any]) -> RetrievalAccount:
        return services.add(
            user=data["user"],
            kind=Kind(data["kind"]),
            values={name: data[name] for name in services.FIELDS},
            password=data["new_password"],
            by=_actor(request),
        )

    def change(self, request: HttpRequest, row: RetrievalAccount, data: dict[str, Any]) -> None:
        services.change(
            account=row,
            values={name: data[name] for name in services.FIELDS if name in data},
            password=data.get("new_password") or None,
            by=_actor(request),
        )

    def remove(self, request: HttpRequest, row: RetrievalAccount) -> None:
        services.remove(account=row, by=_actor(request))

    @admin.action(description="Fetch now", permissions=["change"])
    def fetch(self, request: HttpRequest, rows: QuerySet[RetrievalAccount]) -> None:
        def act(row: RetrievalAccount) -> None:
            services.fetch_now(account=row, by=_actor(request))

        act_on_each(self, request, rows, act, "Will be fetched from in a few seconds:")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[RetrievalAccount]) -> None:
        self._switch(request, rows, True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[RetrievalAccount]) -> None:
        self._switch(request, rows, False)

    def _switch(
        self, request: HttpRequest, rows: QuerySet[RetrievalAccount], is_enabled: bool
    ) -> None:
        def act(row: RetrievalAccount) -> None:
            services.change(account=row, values={"is_enabled": is_enabled}, by=_actor(request))

        act_on_each(self, request, rows, act, "Enabled" if is_enabled else "Disabled")

    @admin.action(description="Test: connect, encrypt, log in")
    def try_out(self, request: HttpRequest, queryset: QuerySet[RetrievalAccount]) -> None:
        for row in queryset[:MOST_TESTED]:
            found = try_out(account=row, by=_actor(request))
            level = messages.SUCCESS if found.is_ok else messages.ERROR
            self.message_user(request, f"{row}: {found.text}", level)


@admin.register(RemoteFolder)
class RemoteFolderAdmin(ReadOnlyAdmin):
    list_display = ("account_id", "name", "uidvalidity", "last_uid", "highest_modseq")


@admin.register(FetchedMessage)
class FetchedMessageAdmin(ReadOnlyAdmin):
    list_display = ("folder_id", "key", "fetched_at", "deleted_at", "missing_since")


@admin.register(RetrievalSettings)
class RetrievalSettingsAdmin(SingleRowAdmin):
    single = RETRIEVAL


def _actor(request: HttpRequest) -> Any:
    return request.user
