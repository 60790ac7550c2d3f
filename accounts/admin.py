"""Users, aliases, plans and what belongs to them in the Django admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts import (
    admindomains,
    administrators,
    adminplans,
    aliases,
    apppasswords,
    forwarding,
    models,
    recyclebin,
    services,
)
from accounts.models import Role, Status, User
from accounts.settings import DELETION, LOGIN
from adminsite.readonly import ReadOnlyAdmin
from domains.adminpages import ServiceAdmin, SingleRowAdmin, act_on_each
from domains.lookups import begins_with

__all__ = ["admindomains", "adminplans"]

# Roles are all that there is: groups would only promise what nothing asks.
admin.site.unregister(Group)


class UserForm(forms.ModelForm):  # type: ignore[type-arg]
    new_password = forms.CharField(
        required=False,
        widget=forms.PasswordInput(render_value=False),
        help_text="Empty: it stays as it is; a new user without one cannot log in.",
    )

    class Meta:
        model = User
        fields = ("domain", "local_part", "role", *services.USER_FIELDS)

    def clean_forward_to(self) -> list[str]:
        return self.cleaned_data["forward_to"] or []


@admin.register(User)
class UserAdmin(ServiceAdmin):
    form = UserForm
    list_display = ("__str__", "full_name", "role", "status", "is_primary_administrator")
    list_filter = ("role", "status", "is_primary_administrator")
    list_select_related = ("domain",)
    search_fields = ("local_part",)
    search_help_text = "The beginning of an address, before or after the @."
    autocomplete_fields = ("domain",)
    fields = ("domain", "local_part", "role", "new_password", *services.USER_FIELDS)
    actions = ("enable", "disable")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """By what an index finds among a million."""
        local_part, _, name = search_term.strip().lower().partition("@")
        if local_part:
            queryset = queryset.filter(begins_with("local_part", local_part))
        if name:
            queryset = queryset.filter(begins_with("domain__name", name))
        return queryset, False

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        self._set_status(request, rows, Status.ENABLED)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        self._set_status(request, rows, Status.DISABLED)

    def _set_status(self, request: HttpRequest, rows: QuerySet[User], status: Status) -> None:
        def act(row: User) -> None:
            services.change_user(user=row, values={"status": status.value}, by=request.user)

        act_on_each(self, request, rows, act, status.label)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or obj.domain_id is not None:
            return self.fields
        # People without a mailbox have no more than this.
        return ("local_part", "role", "new_password", *services.PERSON_FIELDS)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return ()
        return ("domain", "local_part") if obj.domain_id is not None else ("local_part", "role")

    def add(self, request: HttpRequest, data: dict[str, Any]) -> User:
        verifiers = _verifiers(data["new_password"], data["local_part"])
        if data["domain"] is None:
            return services.add_person(
                username=data["local_part"],
                role=Role(data["role"]),
                by=request.user,
                verifiers=verifiers,
                values={name: data[name] for name in services.PERSON_FIELDS},
            )
        return services.add_user(
            domain=data["domain"],
            username=data["local_part"],
            by=request.user,
            verifiers=verifiers,
            is_administrator=data["role"] == Role.DOMAIN_ADMINISTRATOR,
            values={name: data[name] for name in services.USER_FIELDS},
        )

    def change(self, request: HttpRequest, row: User, data: dict[str, Any]) -> None:
        by = request.user
        verifiers = _verifiers(data.pop("new_password", ""), row.local_part)
        role = data.pop("role", None)
        if role is not None:
            is_administrator = role == Role.DOMAIN_ADMINISTRATOR
            set_role = administrators.grant if is_administrator else administrators.revoke
            set_role(user=row, by=by)
        if data:
            services.change_user(user=row, values=data, by=by)
        if verifiers is not None:
            services.set_verifiers(user=row, verifiers=verifiers, by=by)

    def remove(self, request: HttpRequest, row: User) -> None:
        services.delete_user(user=row, by=request.user)


def _verifiers(password: str, username: str) -> Any:
    return services.new_verifiers(password, username) if password else None


class AliasForm(forms.ModelForm):  # type: ignore[type-arg]
    leads_to = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="One user name of the domain or one whole address in each line.",
    )

    class Meta:
        model = models.UserAlias
        fields = ("domain", "local_part", *aliases.CATCH_ALL_FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["leads_to"].initial = "\n".join(aliases.target_names(self.instance))


@admin.register(models.UserAlias)
class UserAliasAdmin(ServiceAdmin):
    form = AliasForm
    list_display = ("__str__", "internal_only", "may_send_as", "in_address_list")
    list_select_related = ("domain",)
    list_filter = ("internal_only",)
    search_fields = ("local_part", "domain__name")
    autocomplete_fields = ("domain",)
    fields = ("domain", "local_part", "leads_to", *aliases.CATCH_ALL_FIELDS)
    fixed = ("domain", "local_part")

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.UserAlias:
        values = {name: data[name] for name in aliases.ALIAS_FIELDS}
        if data["takes_reports"]:
            values["takes_reports"] = True  # refused for what is no catch-all
        return aliases.add_alias(
            domain=data["domain"],
            name=data["local_part"],
            targets=data["leads_to"].split(),
            values=values,
            by=request.user,
        )

    def change(self, request: HttpRequest, row: models.UserAlias, data: dict[str, Any]) -> None:
        leads_to = data.pop("leads_to", None)
        targets = leads_to.split() if leads_to is not None else None
        aliases.change_alias(alias=row, targets=targets, values=data, by=request.user)

    def remove(self, request: HttpRequest, row: models.UserAlias) -> None:
        aliases.delete_alias(alias=row, by=request.user)


@admin.register(models.AliasTarget)
class AliasTargetAdmin(ReadOnlyAdmin):
    list_display = ("alias", "__str__")
    list_select_related = ("alias__domain", "account__domain")
    search_fields = ("alias__local_part", "local_part", "domain_name", "account__local_part")


@admin.register(models.LocalPart)
class LocalPartAdmin(ReadOnlyAdmin):
    list_display = ("local_part", "domain", "kind", "object_id")
    list_select_related = ("domain",)
    list_filter = ("kind",)
    search_fields = ("local_part", "domain__name")


class AppPasswordForm(forms.ModelForm):  # type: ignore[type-arg]
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in apppasswords.SCOPES],
        required=False,
        help_text="None chosen: all services.",
    )

    class Meta:
        model = models.AppPassword
        fields = ("user", "name", "scopes")


@admin.register(models.AppPassword)
class AppPasswordAdmin(ServiceAdmin):
    form = AppPasswordForm
    list_display = ("name", "user", "scopes")
    list_select_related = ("user__domain",)
    search_fields = ("name", "user__local_part", "user__domain__name")
    autocomplete_fields = ("user",)
    fields = ("user", "name", "scopes")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.AppPassword:
        row, password = apppasswords.add(
            user=data["user"], name=data["name"], scopes=data["scopes"], by=request.user
        )
        messages.warning(request, f"The password, shown this once: {password}")
        return row

    def remove(self, request: HttpRequest, row: models.AppPassword) -> None:
        apppasswords.remove(app_password=row, by=request.user)


@admin.register(models.LastActivity)
class LastActivityAdmin(ReadOnlyAdmin):
    list_display = ("user", "at", "service", "client_address")
    list_select_related = ("user__domain",)
    search_fields = ("=user__local_part", "=user__domain__name", "=client_address")


@admin.register(models.Impersonation)
class ImpersonationAdmin(ReadOnlyAdmin):
    list_display = ("by", "subject", "is_read_only", "entered_at", "seen_at", "ended_at")
    list_select_related = ("by__domain", "subject__domain")
    search_fields = ("by__local_part", "subject__local_part", "subject__domain__name", "reason")


@admin.register(models.Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    list_display = ("user", "kind", "name", "created_at", "last_used_at")
    list_select_related = ("user__domain",)
    list_filter = ("kind",)
    search_fields = ("user__local_part", "user__domain__name", "name")
    exclude = ("secret",)


@admin.register(models.RecoveryCode)
class RecoveryCodeAdmin(ReadOnlyAdmin):
    list_display = ("user",)
    list_select_related = ("user__domain",)
    search_fields = ("user__local_part", "user__domain__name")
    fields = ("user",)


@admin.register(models.SecondFactorFailures)
class SecondFactorFailuresAdmin(ReadOnlyAdmin):
    list_display = ("user", "count", "at")
    list_select_related = ("user__domain",)
    search_fields = ("user__local_part", "user__domain__name")


@admin.register(models.WebSession)
class WebSessionAdmin(ReadOnlyAdmin):
    list_display = ("user", "started_at", "seen_at", "client_address", "program")
    list_select_related = ("user__domain",)
    search_fields = ("user__local_part", "user__domain__name", "client_address")
    exclude = ("session_key",)


@admin.register(models.LoginSettings)
class LoginSettingsAdmin(SingleRowAdmin):
    single = LOGIN


@admin.register(models.LoginProvider)
class LoginProviderAdmin(ReadOnlyAdmin):
    list_display = ("name", "issuer", "client_id", "is_enabled")


@admin.register(models.LinkedIdentity)
class LinkedIdentityAdmin(ReadOnlyAdmin):
    list_display = ("user", "issuer", "subject", "address", "linked_at", "used_at")
    list_select_related = ("user__domain",)
    search_fields = ("user__local_part", "user__domain__name", "subject", "address")


@admin.register(models.DeletionSettings)
class DeletionSettingsAdmin(SingleRowAdmin):
    single = DELETION


@admin.register(models.Recycled)
class RecycledAdmin(ReadOnlyAdmin):
    list_display = ("name", "kind", "deleted_at", "deleted_by", "purge_at")
    list_filter = ("kind",)
    search_fields = ("name", "deleted_by")
    actions = ("restore",)

    @admin.action(description="Restore")
    def restore(self, request: HttpRequest, rows: QuerySet[models.Recycled]) -> None:
        def act(row: models.Recycled) -> None:
            recyclebin.restore(item=row, by=request.user)

        act_on_each(self, request, rows, act, "Restored")


@admin.register(models.ForwardingBan)
class ForwardingBanAdmin(ServiceAdmin):
    list_display = ("name", "note")
    search_fields = ("name", "note")
    fields = ("name", "note")
    fixed = ("name",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.ForwardingBan:
        return forwarding.add(name=data["name"], note=data["note"], by=request.user)

    def change(self, request: HttpRequest, row: models.ForwardingBan, data: dict[str, Any]) -> None:
        forwarding.change(row=row, values=data, by=request.user)

    def remove(self, request: HttpRequest, row: models.ForwardingBan) -> None:
        forwarding.remove(row=row, by=request.user)
