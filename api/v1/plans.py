"""Plans: what resellers may use over all of their domains (X-011)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import plans
from accounts.models import Plan
from accounts.permissions import Verb
from api import etags, finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Out, of_model
from api.schema import page_of
from api.shapes import values_of

_PlanValues: Any = of_model("PlanValues", Plan, plans.FIELDS)
_PlanShown: Any = of_model("PlanShown", Plan, plans.FIELDS, Out)


class NewPlanIn(_PlanValues):  # type: ignore[misc]
    """Numbers of 0 are no caps."""

    name = serializers.CharField(max_length=100, trim_whitespace=False)


class PlanIn(_PlanValues):  # type: ignore[misc]
    """What is given changes, the rest stays."""


class PlanOut(_PlanShown):  # type: ignore[misc]
    id = serializers.IntegerField()


NEW_PLAN = OpenApiExample(
    "A small plan",
    {"name": "Small", "domains": 10, "users": 200, "disk_space_mb": 50000},
    request_only=True,
)


class Plans(Endpoint):
    scope = "plans"
    verb = Verb.MANAGE_SERVER

    @extend_schema(parameters=[pagination.Paged], responses=page_of(PlanOut), summary="List plans")
    def get(self, request: Request) -> Response:
        """For system administrators; a reseller finds his own at `/me/`."""
        given = self.query(pagination.Paged)
        return pagination.page(request, given, Plan.objects.all(), key="id", show=_shown)

    @extend_schema(
        request=NewPlanIn, responses={201: PlanOut}, examples=[NEW_PLAN], summary="Add a plan"
    )
    def post(self, request: Request) -> Response:
        given = self.read(NewPlanIn)
        plan = plans.add(name=given.pop("name"), values=given, by=actor_of(request))
        return etags.tagged(_shown(plan), status=201, Location=f"{request.path}{plan.pk}/")


class PlanView(Endpoint):
    scope = "plans"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=PlanOut, summary="Read a plan")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_shown(finding.one(Plan.objects.all(), key)))

    @extend_schema(request=PlanIn, responses=PlanOut, summary="Change a plan")
    def patch(self, request: Request, key: int) -> Response:
        """Caps below what is in use stop growth and take nothing away."""
        given = self.read(PlanIn)
        with transaction.atomic():
            plan = finding.one(Plan.objects.select_for_update(), key)
            etags.require_match(request, _shown(plan))
            plan = plans.change(plan=plan, values=given, by=actor_of(request))
        return etags.tagged(_shown(plan))

    @extend_schema(responses={204: None}, summary="Delete a plan")
    def delete(self, request: Request, key: int) -> Response:
        """Not while resellers are on it."""
        plan = finding.one(Plan.objects.all(), key)
        etags.require_match(request, _shown(plan), is_needed=False)
        plans.delete(plan=plan, by=actor_of(request))
        return Response(status=204)


def _shown(plan: Plan) -> dict[str, Any]:
    return {"id": plan.pk, **values_of(plan, plans.FIELDS)}


urlpatterns = [
    path("plans/", Plans.as_view(), name="plans"),
    path("plans/<int:key>/", PlanView.as_view(), name="plan"),
]
