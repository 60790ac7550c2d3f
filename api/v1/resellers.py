"""Resellers: people with domains of their own and a plan (U-004)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import plans, services
from accounts.models import DomainOwnership, ResellerPlan, Role, User
from accounts.permissions import Verb
from accounts.services import PERSON_FIELDS
from api import etags, pagination, shapes
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import Text, of_model
from api.schema import page_of
from api.shapes import PersonOut

_PersonValues: Any = of_model("PersonValues", User, PERSON_FIELDS)


class ResellerIn(_PersonValues):  # type: ignore[misc]
    """What is given changes, the rest stays."""

    plan = Text(
        required=False, allow_null=True, max_length=100, help_text="By name; null: no caps."
    )
    password = Text(required=False, max_length=256)


class NewResellerIn(ResellerIn):
    """Somebody without mailbox, who opens domains within his plan."""

    username = Text(max_length=64)


class ResellerFilters(pagination.Paged):
    q = serializers.CharField(required=False, max_length=200, help_text="A part of the name.")


class Resellers(Endpoint):
    scope = "resellers"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[ResellerFilters], responses=page_of(PersonOut), summary="List resellers"
    )
    def get(self, request: Request) -> Response:
        given = self.query(ResellerFilters)
        rows = _all()
        if "q" in given:
            rows = rows.filter(local_part__icontains=given["q"])
        return pagination.page(request, given, rows, key="id", show=_shown)

    @extend_schema(request=NewResellerIn, responses={201: PersonOut}, summary="Add a reseller")
    def post(self, request: Request) -> Response:
        given, actor = self.read(NewResellerIn), actor_of(request)
        username, password = given["username"], given.get("password")
        verifiers = None if password is None else services.new_verifiers(password, username)
        values = {name: value for name, value in given.items() if name in PERSON_FIELDS}
        with transaction.atomic():
            user = services.add_person(
                username=username, role=Role.RESELLER, verifiers=verifiers, values=values, by=actor
            )
            _set_plan(user, given, actor)
        shown = _shown(_one(user.local_part))
        return etags.tagged(shown, status=201, Location=f"{request.path}{user.local_part}/")


class ResellerView(Endpoint):
    scope = "resellers"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=PersonOut, summary="Read a reseller")
    def get(self, request: Request, username: str) -> Response:
        return etags.tagged(_shown(_one(username)))

    @extend_schema(request=ResellerIn, responses=PersonOut, summary="Change a reseller")
    def patch(self, request: Request, username: str) -> Response:
        given, actor = self.read(ResellerIn), actor_of(request)
        user = _one(username)
        etags.require_match(request, _shown(user))
        password = given.get("password")
        verifiers = None if password is None else services.new_verifiers(password, username)
        values = {name: value for name, value in given.items() if name in PERSON_FIELDS}
        with transaction.atomic():
            services.change_user(user=user, values=values, by=actor, expected_version=user.version)
            _set_plan(user, given, actor)
            if verifiers is not None:
                services.set_verifiers(user=user, verifiers=verifiers, by=actor)
        return etags.tagged(_shown(_one(username)))

    @extend_schema(responses={204: None}, summary="Delete a reseller")
    def delete(self, request: Request, username: str) -> Response:
        """Not while he has domains."""
        user = _one(username)
        etags.require_match(request, _shown(user), is_needed=False)
        services.delete_user(user=user, by=actor_of(request))
        return Response(status=204)


def _all() -> QuerySet[User]:
    # Without the domain every mailbox would be looked at.
    rows = User.objects.filter(domain=None, role=Role.RESELLER)
    owned = DomainOwnership.objects.filter(reseller=OuterRef("pk")).values("reseller")
    count = Subquery(owned.annotate(count=Count("pk")).values("count"))
    return rows.select_related("reseller_plan__plan").annotate(domains_owned=Coalesce(count, 0))


def _one(username: str) -> User:
    user = _all().filter(local_part=username.lower()).first()
    if user is None:
        raise NotFound
    return user


def _shown(user: User) -> dict[str, Any]:
    return shapes.person_shown(user, domains=getattr(user, "domains_owned", 0))


def _set_plan(user: User, given: dict[str, Any], actor: User) -> None:
    if "plan" not in given:
        return
    if given["plan"] is not None:
        plans.put_on(username=user.local_part, plan_name=given["plan"], by=actor)
        return
    row = ResellerPlan.objects.select_related("plan").filter(reseller=user).first()
    if row is not None:
        plans.take_off(row=row, by=actor)


urlpatterns = [
    path("resellers/", Resellers.as_view(), name="resellers"),
    path("resellers/<str:username>/", ResellerView.as_view(), name="reseller"),
]
