"""Further names of domains (D-100…D-102)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.urls import path, reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import domainaliases, permissions, selectors
from accounts.models import User
from accounts.permissions import Verb
from api import etags, pagination, shapes
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import In, Text
from api.schema import page_of
from api.shapes import DomainAliasOut
from api.v1 import domain_alias_claims
from api.v1.domain_alias_claims import ClaimOut
from clock.moments import utc_now
from domains import services
from domains.errors import DomainUnknown, NameMalformed, Problem, ValuesRefused
from domains.models import ClaimedAlias, DomainAlias
from domains.names import read_name


class DomainAliasIn(In):
    name = Text(max_length=253)
    domain = Text(max_length=253, help_text="Whose further name it will be.")


class DomainAliasFilters(pagination.Paged):
    domain = serializers.CharField(required=False, max_length=253)


class DomainAliases(Endpoint):
    scope = "domains"

    @extend_schema(
        parameters=[DomainAliasFilters],
        responses=page_of(DomainAliasOut),
        summary="List domain aliases",
    )
    def get(self, request: Request) -> Response:
        """Of all domains in sight, or of one of them."""
        given, actor = self.query(DomainAliasFilters), actor_of(request)
        rows = _seen(actor)
        if "domain" in given:
            rows = rows.filter(domain=selectors.domain_for(actor, given["domain"]))
        return pagination.page(request, given, rows, key="name", show=shapes.domain_alias_shown)

    @extend_schema(
        request=DomainAliasIn,
        responses={201: DomainAliasOut, 202: ClaimOut},
        summary="Add a domain alias",
    )
    def post(self, request: Request) -> Response:
        """Mail to every address works under the new name, too.

        Where the provider asks for a proof of control, 202 tells which TXT record gives it: the
        name waits for it in `/domain-alias-claims/`.
        """
        actor, given = actor_of(request), self.read(DomainAliasIn)
        try:
            domain = selectors.domain_for(actor, given["domain"])
        except DomainUnknown:
            raise ValuesRefused((Problem("domain", "is none of yours"),)) from None
        permissions.require(actor, Verb.CHANGE_DOMAIN_ALIASES, domain)
        alias = domainaliases.add(domain=domain, name=given["name"], by=actor, now=utc_now())
        if isinstance(alias, ClaimedAlias):
            location = reverse("api:domain-alias-claim", args=(alias.pk,))
            return etags.tagged(domain_alias_claims.shown(alias), status=202, Location=location)
        shown = shapes.domain_alias_shown(alias)
        return etags.tagged(shown, status=201, Location=f"{request.path}{alias.name}/")


class DomainAliasView(Endpoint):
    scope = "domains"

    @extend_schema(responses=DomainAliasOut, summary="Read a domain alias")
    def get(self, request: Request, name: str) -> Response:
        return etags.tagged(shapes.domain_alias_shown(_one(actor_of(request), name)))

    @extend_schema(responses={204: None}, summary="Remove a domain alias")
    def delete(self, request: Request, name: str) -> Response:
        """Mail to that name is refused from now on."""
        actor = actor_of(request)
        alias = _one(actor, name)
        permissions.require(actor, Verb.CHANGE_DOMAIN_ALIASES, alias.domain)
        services.remove_alias(alias=alias, by=actor)
        return Response(status=204)


def _seen(actor: User) -> QuerySet[DomainAlias]:
    seen = selectors.domains_for(actor).values("pk")
    return DomainAlias.objects.filter(domain__in=seen).select_related("domain")


def _one(actor: User, name: str) -> DomainAlias:
    try:
        alias = _seen(actor).filter(name=read_name(name).name).first()
    except NameMalformed:
        alias = None
    if alias is None:
        raise NotFound
    return alias


urlpatterns = [
    path("domain-aliases/", DomainAliases.as_view(), name="domain-aliases"),
    path("domain-aliases/<str:name>/", DomainAliasView.as_view(), name="domain-alias"),
]
