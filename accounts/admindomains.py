"""Domains and their tabs in the Django admin: opened with an administrator, closed as a whole."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import provisioning
from accounts.provisioning import NewDomain
from accounts.services import NewUser, new_verifiers
from domains.adminpages import ServiceAdmin, act_on_each
from domains.advice import advise
from domains.models import TABS, Domain
from domains.values import settable_fields


class NewDomainForm(forms.ModelForm):  # type: ignore[type-arg]
    """D-032…D-039: a domain cannot be without an administrator."""

    administrator_username = forms.CharField(max_length=64)
    administrator_password = forms.CharField(widget=forms.PasswordInput(render_value=False))
    administrator_full_name = forms.CharField(max_length=200, required=False)
    folder_path = forms.CharField(
        required=False, help_text="Absolute; empty: below the server's data directory."
    )

    class Meta:
        model = Domain
        fields = ("name", "listen_ip", "list_command_address", "is_disabled")


@admin.register(Domain)
class DomainAdmin(ServiceAdmin):
    list_display = ("unicode_name", "name", "listen_ip", "is_disabled", "is_deleting")
    list_filter = ("is_disabled", "is_deleting")
    search_fields = ("name", "unicode_name")
    add_fields = (
        "name",
        "administrator_username",
        "administrator_password",
        "administrator_full_name",
        "listen_ip",
        "list_command_address",
        "folder_path",
        "is_disabled",
    )
    fields = ("name", "listen_ip", "list_command_address", "area", "is_disabled")
    fixed = ("name", "area")  # D-014: the name changes by renaming alone.
    actions = ("enable", "disable")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[Domain]) -> None:
        self._set_disabled(request, rows, False)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[Domain]) -> None:
        self._set_disabled(request, rows, True)

    def _set_disabled(
        self, request: HttpRequest, rows: QuerySet[Domain], is_disabled: bool
    ) -> None:
        def act(row: Domain) -> None:
            options = {"is_disabled": is_disabled}
            provisioning.change_options(domain=row, options=options, by=request.user)

        act_on_each(self, request, rows, act, "Disabled" if is_disabled else "Enabled")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else self.add_fields

    def get_form(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewDomainForm
        return super().get_form(request, obj, **kwargs)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> Domain:
        username = data["administrator_username"]
        administrator = NewUser(
            username=username,
            verifiers=new_verifiers(data["administrator_password"], username),
            values={"full_name": data["administrator_full_name"]},
        )
        options = {
            name: data[name] for name in ("listen_ip", "list_command_address", "is_disabled")
        }
        new = NewDomain(
            name=data["name"],
            administrator=administrator,
            options=options,
            folder_path=data["folder_path"] or None,
        )
        return provisioning.open_domain(new=new, by=request.user)

    def change(self, request: HttpRequest, row: Domain, data: dict[str, Any]) -> None:
        provisioning.change_options(domain=row, options=data, by=request.user)

    def remove(self, request: HttpRequest, row: Domain) -> None:
        provisioning.close_domain(domain=row, by=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        # Not in one transaction: closing a domain has commits of its own (D-008).
        for row in queryset:
            self.remove(request, row)


class TabAdmin(ServiceAdmin):
    """A tab of the domain page: it comes and goes with its domain."""

    actions_list = ()

    tab: str
    list_display = ("domain",)
    list_select_related = ("domain",)
    search_fields = ("domain__name", "domain__unicode_name")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return settable_fields(self.model)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def change(self, request: HttpRequest, row: Any, data: dict[str, Any]) -> None:
        saved = provisioning.change_tab(
            domain=row.domain, tab=self.tab, values=data, by=request.user
        )
        for problem in advise(saved):
            messages.warning(request, str(problem))


for _tab, _model in TABS.items():
    admin.site.register(_model, type(f"{_model.__name__}Admin", (TabAdmin,), {"tab": _tab}))
