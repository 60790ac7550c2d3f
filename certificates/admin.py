"""Certificates in Django's admin: list, upload, remove; the ACME settings."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from adminsite.readonly import ReadOnlyAdmin
from certificates import expiry, pem, services
from certificates.models import AcmeSettings, Certificate, Challenge
from certificates.names import DEFAULT, read_host
from certificates.settings import ACME, check
from clock.moments import utc_now
from domains.errors import Refused, ValuesRefused
from domains.singlerow import KEY
from domains.values import settable_fields


class UploadForm(forms.ModelForm):  # type: ignore[type-arg]
    """Files rather than text fields, so that a key is never sent back with an error."""

    chain = forms.FileField(help_text="PEM: the certificate of the host, then its issuers'.")
    key = forms.FileField(help_text="PEM: its private key, without passphrase.")

    class Meta:
        model = Certificate
        fields = ["host"]

    def clean_host(self) -> str:
        try:
            return read_host(self.cleaned_data["host"])
        except Refused as error:
            raise forms.ValidationError(str(error)) from None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"host", "chain", "key"} <= cleaned.keys():
            for name in ("chain", "key"):
                cleaned[name] = cleaned[name].read(pem.LONGEST_BYTES + 1)
            try:
                bundle = pem.parse(cleaned["chain"], cleaned["key"])
                pem.check(bundle, host=cleaned["host"], now=utc_now())
            except Refused as error:
                raise forms.ValidationError(str(error)) from None
        return cleaned

    def validate_unique(self) -> None:
        """An upload takes the place of what the host has."""


@admin.register(Certificate)
class CertificateAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ["host", "source", "issuer", "not_after", "renew_at", "remark"]
    search_fields = ["host"]
    actions = None

    @admin.display(description="remark")
    def remark(self, row: Certificate) -> str:
        return "; ".join(filter(None, (expiry.remark(row, now=utc_now()), row.last_error)))

    def get_form(self, request: HttpRequest, obj: Certificate | None = None, **kwargs: Any) -> Any:
        return super().get_form(request, obj, **({} if obj else {"form": UploadForm}), **kwargs)

    def get_fields(self, request: HttpRequest, obj: Certificate | None = None) -> Any:
        if obj is None:
            return ["host", "chain", "key"]
        return [field.name for field in Certificate._meta.fields if field.name != "id"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Certificate | None = None) -> bool:
        return (obj is None or obj.host != DEFAULT) and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Certificate, form: Any, change: bool) -> None:
        row = services.install(
            host=obj.host,
            chain_pem=form.cleaned_data["chain"],
            key_pem=form.cleaned_data["key"],
            by=request.user,
            now=utc_now(),
        )
        obj.pk = row.pk

    def delete_model(self, request: HttpRequest, obj: Certificate) -> None:
        services.remove(host=obj.host, by=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Certificate]) -> None:
        for row in queryset:
            self.delete_model(request, row)


class AcmeForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = AcmeSettings
        fields = list(settable_fields(AcmeSettings))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        row = AcmeSettings(pk=KEY, **{n: cleaned.get(n, "") for n in self._meta.fields or ()})
        try:
            check(row)
        except ValuesRefused as error:
            for problem in error.problems:
                self.add_error(problem.field, problem.reason)
        return cleaned


@admin.register(AcmeSettings)
class AcmeSettingsAdmin(ModelAdmin):  # type: ignore[misc]
    form = AcmeForm
    list_display = ["__str__", "is_enabled", "directory_url", "contact"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not AcmeSettings.objects.exists() and super().has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: AcmeSettings, form: Any, change: bool) -> None:
        ACME.change(form.cleaned_data, by=request.user)
        obj.pk = KEY


@admin.register(Challenge)
class ChallengeAdmin(ReadOnlyAdmin):
    """What ACME asks for now; rows live for seconds."""
