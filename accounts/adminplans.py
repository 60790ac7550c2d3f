"""Resellers in the Django admin: their plans, what plans allow, and whose domain is whose."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from accounts import models, plans, provisioning
from accounts.models import User
from accounts.settings import CAPS
from domains.adminpages import ServiceAdmin, SingleRowAdmin
from domains.models import DomainFeatures
from domains.values import settable_fields


class WithholdingForm(forms.ModelForm):  # type: ignore[type-arg]
    withheld_features = forms.MultipleChoiceField(
        choices=[(name, name.replace("_", " ")) for name in settable_fields(DomainFeatures)],
        required=False,
    )


@admin.register(models.CapSettings)
class CapSettingsAdmin(SingleRowAdmin):
    single = CAPS
    form = WithholdingForm


class PlanForm(WithholdingForm):
    class Meta:
        model = models.Plan
        fields = plans.FIELDS


@admin.register(models.Plan)
class PlanAdmin(ServiceAdmin):
    form = PlanForm
    list_display = ("name", "domains", "users", "users_per_domain", "disk_space_mb")
    search_fields = ("name",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.Plan:
        values = {name: value for name, value in data.items() if name != "name"}
        return plans.add(name=data["name"], values=values, by=request.user)

    def change(self, request: HttpRequest, row: models.Plan, data: dict[str, Any]) -> None:
        plans.change(plan=row, values=data, by=request.user)

    def remove(self, request: HttpRequest, row: models.Plan) -> None:
        plans.delete(plan=row, by=request.user)


@admin.register(models.ResellerPlan)
class ResellerPlanAdmin(ServiceAdmin):
    list_display = ("reseller", "plan")
    list_select_related = ("reseller__domain", "plan")
    search_fields = ("reseller__local_part", "plan__name")
    autocomplete_fields = ("reseller", "plan")
    fixed = ("reseller",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.ResellerPlan:
        reseller: User = data["reseller"]
        return plans.put_on(
            username=reseller.local_part, plan_name=data["plan"].name, by=request.user
        )

    def change(self, request: HttpRequest, row: models.ResellerPlan, data: dict[str, Any]) -> None:
        plans.put_on(username=row.reseller.local_part, plan_name=data["plan"].name, by=request.user)

    def remove(self, request: HttpRequest, row: models.ResellerPlan) -> None:
        plans.take_off(row=row, by=request.user)


@admin.register(models.DomainOwnership)
class DomainOwnershipAdmin(ServiceAdmin):
    list_display = ("domain", "reseller")
    list_select_related = ("domain", "reseller__domain")
    search_fields = ("domain__name", "reseller__local_part")
    autocomplete_fields = ("domain", "reseller")
    fixed = ("domain",)

    def add(self, request: HttpRequest, data: dict[str, Any]) -> models.DomainOwnership:
        domain, reseller = data["domain"], data["reseller"]
        provisioning.hand_over(domain=domain, reseller=reseller, by=request.user)
        return models.DomainOwnership.objects.get(domain=domain)

    def change(
        self, request: HttpRequest, row: models.DomainOwnership, data: dict[str, Any]
    ) -> None:
        provisioning.hand_over(domain=row.domain, reseller=data["reseller"], by=request.user)

    def remove(self, request: HttpRequest, row: models.DomainOwnership) -> None:
        provisioning.hand_over(domain=row.domain, reseller=None, by=request.user)
