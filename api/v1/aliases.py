"""Addresses without mailbox that lead to others (U-030…U-034)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import aliases, permissions, selectors
from accounts.aliases import ALIAS_FIELDS
from accounts.models import CATCH_ALL, User, UserAlias
from accounts.permissions import Verb
from api import bulk, etags, pagination, shapes
from api.bulk import BulkResult
from api.endpoints import Endpoint, actor_of
from api.fields import In, Text, Words, of_model
from api.schema import page_of
from api.shapes import AliasOut
from domains import selectors as domain_selectors
from domains.errors import DomainUnknown, Problem, ValuesRefused

AliasValuesIn: Any = of_model("AliasValuesIn", UserAlias, ALIAS_FIELDS)


class NewAliasIn(AliasValuesIn):  # type: ignore[misc]
    """The catch-all is set at its domain."""

    address = Text(max_length=330, help_text="In a domain that you see.")
    targets = Words(
        min_length=1, help_text="User names of the domain, or whole addresses anywhere."
    )


class AliasIn(AliasValuesIn):  # type: ignore[misc]
    """What is given changes, the rest stays."""

    targets = Words(required=False, min_length=1)


class AliasesIn(In):
    rows = serializers.ListField(child=NewAliasIn(), min_length=1, max_length=bulk.MOST_ROWS)


class AliasFilters(pagination.Paged):
    q = serializers.CharField(required=False, max_length=200, help_text="A part of the name.")
    domain = serializers.CharField(required=False, max_length=253)


NEW_ALIAS = OpenApiExample(
    "Two people read sales@",
    {"address": "sales@shop.example", "targets": ["ann", "bob@partner.example"]},
    request_only=True,
)


class Aliases(Endpoint):
    scope = "aliases"

    @extend_schema(parameters=[AliasFilters], responses=page_of(AliasOut), summary="List aliases")
    def get(self, request: Request) -> Response:
        """The aliases of all domains in sight, or of one of them; without catch-alls."""
        given, actor = self.query(AliasFilters), actor_of(request)
        rows = selectors.aliases_for(actor).prefetch_related("targets__account__domain")
        if "domain" in given:
            rows = rows.filter(domain=selectors.domain_for(actor, given["domain"]))
        if "q" in given:
            rows = rows.filter(local_part__icontains=given["q"])
        return pagination.page(request, given, rows, key="id", show=_row)

    @extend_schema(
        request=NewAliasIn, responses={201: AliasOut}, examples=[NEW_ALIAS], summary="Add an alias"
    )
    def post(self, request: Request) -> Response:
        """An alias that would lead nowhere, or back to itself, is refused."""
        alias = _add(actor_of(request), self.read(NewAliasIn))
        shown = shapes.alias_shown(alias)
        return etags.tagged(shown, status=201, Location=f"{request.path}{shown['address']}/")


class AliasesBulk(Endpoint):
    scope = "aliases"

    @extend_schema(request=AliasesIn, responses={207: BulkResult}, summary="Add several aliases")
    def post(self, request: Request) -> Response:
        """Each row by itself: the answer has a result for every one of them."""
        actor = actor_of(request)
        rows = self.read(AliasesIn)["rows"]
        body = bulk.each(
            rows, lambda row: _add(actor, row), name=lambda row: str(row["address"]), status=201
        )
        return bulk.respond(body)


class AliasView(Endpoint):
    scope = "aliases"

    @extend_schema(responses=AliasOut, summary="Read an alias")
    def get(self, request: Request, address: str) -> Response:
        return etags.tagged(shapes.alias_shown(selectors.alias_for(actor_of(request), address)))

    @extend_schema(request=AliasIn, responses=AliasOut, summary="Change an alias")
    def patch(self, request: Request, address: str) -> Response:
        """Targets that are given replace all that there were."""
        actor = actor_of(request)
        alias = selectors.alias_for(actor, address, verb=Verb.CHANGE_ALIASES)
        given = self.read(AliasIn)
        with transaction.atomic():
            domain_selectors.locked(alias.domain_id)
            alias = selectors.alias_for(actor, address)
            etags.require_match(request, shapes.alias_shown(alias))
            targets = given.pop("targets", None)
            aliases.change_alias(alias=alias, targets=targets, values=given, by=actor)
        return etags.tagged(shapes.alias_shown(selectors.alias_for(actor, address)))

    @extend_schema(responses={204: None}, summary="Delete an alias")
    def delete(self, request: Request, address: str) -> Response:
        """Other aliases no longer lead to it."""
        actor = actor_of(request)
        alias = selectors.alias_for(actor, address, verb=Verb.CHANGE_ALIASES)
        etags.require_match(request, shapes.alias_shown(alias), is_needed=False)
        aliases.delete_alias(alias=alias, by=actor)
        return Response(status=204)


def _add(actor: User, given: dict[str, Any]) -> UserAlias:
    local_part, _, name = given["address"].rpartition("@")
    if local_part == CATCH_ALL:
        raise ValuesRefused((Problem("address", "the catch-all is set at its domain"),))
    try:
        domain = selectors.domain_for(actor, name)
    except DomainUnknown:
        problem = Problem("address", "its domain is none of yours")
        raise ValuesRefused((problem,)) from None
    permissions.require(actor, Verb.CHANGE_ALIASES, domain)
    values = {name: value for name, value in given.items() if name in ALIAS_FIELDS}
    return aliases.add_alias(
        domain=domain, name=local_part, targets=given["targets"], values=values, by=actor
    )


def _row(alias: UserAlias) -> dict[str, Any]:
    """With targets that were fetched for the whole page."""
    targets = sorted(alias.targets.all(), key=lambda target: target.pk)
    names = [aliases.target_name(alias.domain, target) for target in targets]
    return shapes.alias_shown(alias, names)


urlpatterns = [
    path("aliases/", Aliases.as_view(), name="aliases"),
    path("aliases/bulk/", AliasesBulk.as_view(), name="aliases-bulk"),
    path("aliases/<str:address>/", AliasView.as_view(), name="alias"),
]
