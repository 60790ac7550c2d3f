"""Gateways: other servers that take our outgoing mail (G-001…G-008)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from api import etags, finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Number, Out, Text, Words, of_model
from api.finding import LARGEST_KEY
from api.schema import page_of
from api.shapes import values_of
from api.v1.forecasts import SupposedOut, supposed_shown
from clock.moments import utc_now
from domains.errors import DomainUnknown, Problem, ValuesRefused
from spool import gateways, supposing
from spool.gatewaytest import test_gateway
from spool.models import Gateway

_GatewayValues: Any = of_model("GatewayValues", Gateway, gateways.FIELDS)
_GatewayShown: Any = of_model("GatewayShown", Gateway, gateways.FIELDS, Out)


class GatewayIn(_GatewayValues):  # type: ignore[misc]
    """What is given changes, the rest stays."""

    password = Text(
        required=False, allow_blank=True, max_length=256, help_text="Never shown; empty: none."
    )
    destinations = Words(required=False, length=253, help_text="Domains, .domain for all below.")
    sending_domains = Words(required=False, length=253, help_text="Domains of ours.")


class NewGatewayIn(GatewayIn):
    """No destinations or no sending domains means any."""

    name = Text(max_length=100)
    host = Text(max_length=253)


class GatewayOut(_GatewayShown):  # type: ignore[misc]
    id = serializers.IntegerField()
    has_password = serializers.BooleanField()
    destinations = serializers.ListField(child=serializers.CharField())
    sending_domains = serializers.ListField(child=serializers.CharField())


class Gateways(Endpoint):
    scope = "gateways"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[pagination.Paged], responses=page_of(GatewayOut), summary="List gateways"
    )
    def get(self, request: Request) -> Response:
        given = self.query(pagination.Paged)
        rows = Gateway.objects.prefetch_related("destinations", "sending_domains")
        return pagination.page(request, given, rows, key="id", show=_shown)

    @extend_schema(request=NewGatewayIn, responses={201: GatewayOut}, summary="Add a gateway")
    def post(self, request: Request) -> Response:
        given = self.read(NewGatewayIn)
        try:
            row = gateways.add(by=actor_of(request), **_arguments(given))
        except DomainUnknown as error:
            raise _no_such_domain(error) from None
        return etags.tagged(_shown(row), status=201, Location=f"{request.path}{row.pk}/")


class GatewayView(Endpoint):
    scope = "gateways"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=GatewayOut, summary="Read a gateway")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_shown(finding.one(Gateway.objects.all(), key)))

    @extend_schema(request=GatewayIn, responses=GatewayOut, summary="Change a gateway")
    def patch(self, request: Request, key: int) -> Response:
        given = self.read(GatewayIn)
        with transaction.atomic():
            row = finding.one(Gateway.objects.select_for_update(), key)
            etags.require_match(request, _shown(row))
            try:
                row = gateways.change(gateway=row, by=actor_of(request), **_arguments(given))
            except DomainUnknown as error:
                raise _no_such_domain(error) from None
        return etags.tagged(_shown(row))

    @extend_schema(responses={204: None}, summary="Delete a gateway")
    def delete(self, request: Request, key: int) -> Response:
        """Mail takes the next one that fits, or goes directly."""
        row = finding.one(Gateway.objects.all(), key)
        etags.require_match(request, _shown(row), is_needed=False)
        gateways.delete(gateway=row, by=actor_of(request))
        return Response(status=204)


class GatewayTestOut(Out):
    is_ok = serializers.BooleanField()
    reply = serializers.CharField(allow_blank=True, help_text="The last words.")
    tls = serializers.CharField(allow_blank=True, help_text="Empty: not encrypted.")
    dialogue = serializers.ListField(
        child=serializers.CharField(), help_text="> ours, < theirs, = what happened."
    )


class GatewayTest(Endpoint):
    scope = "gateways"
    verb = Verb.MANAGE_SERVER

    @extend_schema(request=None, responses=GatewayTestOut, summary="Try a gateway out")
    def post(self, request: Request, key: int) -> Response:
        """Connects, encrypts and logs in; no mail is sent. It may take a minute."""
        found = test_gateway(finding.one(Gateway.objects.all(), key))
        return Response(
            {
                "is_ok": found.is_ok,
                "reply": found.reply,
                "tls": found.tls,
                "dialogue": list(found.dialogue),
            }
        )


class SupposedGatewayIn(GatewayIn):
    gateway = Number(
        required=False, min_value=1, max_value=LARGEST_KEY, help_text="Left out: one more gateway."
    )


class GatewayForecast(Endpoint):
    scope = "gateways"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        request=SupposedGatewayIn, responses=SupposedOut, summary="Forecast a changed gateway"
    )
    def post(self, request: Request) -> Response:
        """When the spool would be empty. The values are checked as if they were saved; they
        are not."""
        given = self.read(SupposedGatewayIn)
        key = given.pop("gateway", None)
        row = finding.one(Gateway.objects.all(), key) if key is not None else None
        given.pop("password", None)
        try:
            found = supposing.with_gateway(gateway=row, now=utc_now(), **_arguments(given))
        except DomainUnknown as error:
            raise _no_such_domain(error) from None
        return Response(supposed_shown(found))


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    others = ("password", "destinations", "sending_domains")
    values = {name: value for name, value in given.items() if name not in others}
    return {"values": values, **{name: given[name] for name in others if name in given}}


def _no_such_domain(error: DomainUnknown) -> ValuesRefused:
    return ValuesRefused((Problem("sending_domains", str(error)),))


def _shown(row: Gateway) -> dict[str, Any]:
    return {
        "id": row.pk,
        **values_of(row, gateways.FIELDS),
        "has_password": bool(row.password),
        "destinations": sorted(one.name for one in row.destinations.all()),
        "sending_domains": sorted(one.name for one in row.sending_domains.all()),
    }


urlpatterns = [
    path("gateways/", Gateways.as_view(), name="gateways"),
    path("gateways/forecast/", GatewayForecast.as_view(), name="gateway-forecast"),
    path("gateways/<int:key>/", GatewayView.as_view(), name="gateway"),
    path("gateways/<int:key>/test/", GatewayTest.as_view(), name="gateway-test"),
]
