"""Further names of domains that wait for a proof of control (D-101)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import domainaliases, selectors
from accounts.permissions import Verb
from api import etags, pagination, shapes
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from api.finding import LARGEST_KEY
from api.schema import page_of
from api.shapes import DomainAliasOut
from clock.moments import utc_now
from domains import claims
from domains.models import ClaimedAlias
from zones import claims as proofs


class ClaimOut(Out):
    """A name that is not the domain's yet."""

    id = serializers.IntegerField()
    name = serializers.CharField(help_text="As an A-label.")
    unicode_name = serializers.CharField()
    domain = serializers.CharField()
    record_name = serializers.CharField(help_text="Where to add a TXT record.")
    record_value = serializers.CharField(help_text="What it must say.")
    claimed_at = serializers.DateTimeField()
    lapses_at = serializers.DateTimeField(help_text="Without a proof it is given up then.")
    checked_at = serializers.DateTimeField(allow_null=True)
    finding = serializers.CharField(allow_blank=True, help_text="Why it is not proven yet.")


class CheckedOut(Out):
    is_proven = serializers.BooleanField(help_text="True: it is a domain alias now.")
    finding = serializers.CharField(allow_blank=True)


class ClaimFilters(pagination.Paged):
    domain = serializers.CharField(required=False, max_length=253)


class DomainAliasClaims(Endpoint):
    scope = "domains"

    @extend_schema(
        parameters=[ClaimFilters],
        responses=page_of(ClaimOut),
        summary="List domain aliases that wait for a proof",
    )
    def get(self, request: Request) -> Response:
        """Of all domains in sight, or of one of them. They are added as domain aliases are."""
        given, actor = self.query(ClaimFilters), actor_of(request)
        rows = selectors.domain_alias_claims_for(actor)
        if "domain" in given:
            rows = rows.filter(domain=selectors.domain_for(actor, given["domain"]))
        return pagination.page(request, given, rows, key="id", show=shown)


class DomainAliasClaim(Endpoint):
    scope = "domains"

    @extend_schema(responses=ClaimOut, summary="Read what waits for a proof")
    def get(self, request: Request, key: int) -> Response:
        """With the record that proves it."""
        return etags.tagged(shown(_one(request, key, Verb.VIEW)))

    @extend_schema(responses={204: None}, summary="Give a claimed name up")
    def delete(self, request: Request, key: int) -> Response:
        row = _one(request, key, Verb.CHANGE_DOMAIN_ALIASES)
        claims.withdraw(claim=row, by=actor_of(request))
        return Response(status=204)


class DomainAliasClaimCheck(Endpoint):
    scope = "domains"

    @extend_schema(request=None, responses=CheckedOut, summary="Look for the proof now")
    def post(self, request: Request, key: int) -> Response:
        """DNS is asked; it is every ten minutes anyhow."""
        row = _one(request, key, Verb.CHANGE_DOMAIN_ALIASES)
        alias = proofs.check(row, by=actor_of(request), now=utc_now())
        if alias is None:
            row.refresh_from_db()
        finding = "" if alias is not None else row.finding
        return Response({"is_proven": alias is not None, "finding": finding})


class DomainAliasClaimApproval(Endpoint):
    scope = "domains"
    verb = Verb.MANAGE_SERVER

    @extend_schema(request=None, responses=DomainAliasOut, summary="Approve a claimed name")
    def post(self, request: Request, key: int) -> Response:
        """Without any proof: the provider knows whose name it is."""
        actor = actor_of(request)
        alias = domainaliases.approve(claim=_one(request, key, Verb.VIEW), by=actor)
        return Response(shapes.domain_alias_shown(alias))


def shown(row: ClaimedAlias) -> dict[str, Any]:
    record = proofs.record_of(row)
    return {
        "id": row.pk,
        "name": row.name,
        "unicode_name": row.unicode_name,
        "domain": row.domain.name,
        "record_name": record.name,
        "record_value": record.value.strip('"'),
        "claimed_at": row.claimed_at,
        "lapses_at": row.lapses_at,
        "checked_at": row.checked_at,
        "finding": row.finding,
    }


def _one(request: Request, key: int, verb: Verb) -> ClaimedAlias:
    """Raises ClaimUnknown, NotPermitted, FeatureOff."""
    return domainaliases.claim_for(actor_of(request), min(key, LARGEST_KEY), verb=verb)


urlpatterns = [
    path("domain-alias-claims/", DomainAliasClaims.as_view(), name="domain-alias-claims"),
    path("domain-alias-claims/<int:key>/", DomainAliasClaim.as_view(), name="domain-alias-claim"),
    path(
        "domain-alias-claims/<int:key>/check/",
        DomainAliasClaimCheck.as_view(),
        name="domain-alias-claim-check",
    ),
    path(
        "domain-alias-claims/<int:key>/approve/",
        DomainAliasClaimApproval.as_view(),
        name="domain-alias-claim-approval",
    ),
]
