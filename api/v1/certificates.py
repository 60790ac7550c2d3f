"""Certificates of the server: what there is, install, order, remove (N-004, N-005)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from api import etags, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out, Text
from api.schema import page_of
from api.shapes import values_of
from certificates import expiry, services
from certificates.errors import CertificateUnknown
from certificates.models import Certificate, Source
from clock.moments import utc_now

LONGEST_PEM = 100_000  # characters
SHOWN = (
    "host", "source", "issuer", "not_before", "not_after", "fingerprint", "installed_at",
    "renew_at", "failures", "last_error",
)  # fmt: skip


class HostIn(In):
    host = Text(max_length=255, help_text="A host name, or *.example.com.")


class CertificateIn(HostIn):
    chain = Text(max_length=LONGEST_PEM, help_text="PEM: the certificate, then its issuers.")
    key = Text(max_length=LONGEST_PEM, help_text="PEM, not encrypted. It is never shown.")


class CertificateOut(Out):
    host = serializers.CharField()
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]
    issuer = serializers.CharField(allow_blank=True)
    not_before = serializers.DateTimeField(allow_null=True, help_text="Null: there is none yet.")
    not_after = serializers.DateTimeField(allow_null=True)
    fingerprint = serializers.CharField(allow_blank=True, help_text="SHA-256, hexadecimal.")
    installed_at = serializers.DateTimeField(allow_null=True)
    renew_at = serializers.DateTimeField(allow_null=True, help_text="Null: nothing is ordered.")
    failures = serializers.IntegerField(help_text="Orders that failed in a row.")
    last_error = serializers.CharField(allow_blank=True)
    remark = serializers.CharField(allow_blank=True, help_text="What a person should know.")


class CertificateFilters(pagination.Paged):
    q = serializers.CharField(required=False, max_length=255, help_text="A part of the host.")


ORDER = OpenApiExample("One host", {"host": "mail.shop.example"}, request_only=True)


class Certificates(Endpoint):
    scope = "certificates"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[CertificateFilters],
        responses=page_of(CertificateOut),
        summary="List certificates",
    )
    def get(self, request: Request) -> Response:
        """By host; `default` is for clients that name no host, or one without a certificate."""
        given = self.query(CertificateFilters)
        rows = Certificate.objects.all()
        if "q" in given:
            rows = rows.filter(host__icontains=given["q"])
        return pagination.page(request, given, rows, key="host", show=_shown)

    @extend_schema(
        request=CertificateIn, responses={201: CertificateOut}, summary="Install a certificate"
    )
    def post(self, request: Request) -> Response:
        """Clients of the host see it from now on; it takes the place of one that is there."""
        given = self.read(CertificateIn)
        row = services.install(
            host=given["host"],
            chain_pem=given["chain"].encode(),
            key_pem=given["key"].encode(),
            by=actor_of(request),
            now=utc_now(),
        )
        return etags.tagged(_shown(row), status=201, Location=f"{request.path}{row.host}/")


class CertificateOrders(Endpoint):
    scope = "certificates"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        request=HostIn,
        responses={202: CertificateOut},
        examples=[ORDER],
        summary="Order a certificate",
    )
    def post(self, request: Request) -> Response:
        """Within a minute, and renewed from then on; what is there stays meanwhile."""
        host = self.read(HostIn)["host"]
        row = services.ask_for(host=host, by=actor_of(request), now=utc_now())
        return etags.tagged(_shown(row), status=202, Location=f"../{row.host}/")


class CertificateView(Endpoint):
    scope = "certificates"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=CertificateOut, summary="Read a certificate")
    def get(self, request: Request, host: str) -> Response:
        return etags.tagged(_shown(_certificate(host)))

    @extend_schema(responses={204: None}, summary="Remove a certificate")
    def delete(self, request: Request, host: str) -> Response:
        """The host's clients see the default certificate, which itself always stays."""
        row = _certificate(host)
        etags.require_match(request, _shown(row), is_needed=False)
        services.remove(host=row.host, by=actor_of(request))
        return Response(status=204)


def _certificate(host: str) -> Certificate:
    """Raises CertificateUnknown."""
    row = Certificate.objects.filter(host=host.lower()).first()
    if row is None:
        raise CertificateUnknown(host)
    return row


def _shown(row: Certificate) -> dict[str, Any]:
    return {**values_of(row, SHOWN), "remark": expiry.remark(row, now=utc_now())}


urlpatterns = [
    path("certificates/", Certificates.as_view(), name="certificates"),
    path("certificates/orders/", CertificateOrders.as_view(), name="certificate-orders"),
    path("certificates/<str:host>/", CertificateView.as_view(), name="certificate"),
]
