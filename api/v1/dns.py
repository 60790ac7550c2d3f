"""What must stand in a domain's DNS, and whether it does (D-028, G-030…G-032)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors
from accounts.permissions import Verb, require
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from clock.moments import utc_now
from zones import facts, services
from zones import selectors as zones
from zones.findings import Level
from zones.records import Need, Record
from zones.services import Report

# The addresses behind the server's name are asked for; nobody waits long for them.
PATIENCE_SECONDS = 3.0


class RecordOut(Out):
    check = serializers.CharField(help_text="Which check looks at it.")
    name = serializers.CharField(help_text="Without the final dot.")
    type = serializers.CharField()
    value = serializers.CharField()
    need = serializers.ChoiceField(choices=[one.value for one in Need])
    why = serializers.CharField()
    line = serializers.CharField(help_text="For a zone file.")


class FindingOut(Out):
    check = serializers.CharField()
    title = serializers.CharField()
    level = serializers.ChoiceField(choices=[one.value for one in Level])
    text = serializers.CharField()


class DnsReportOut(Out):
    level = serializers.ChoiceField(choices=[one.value for one in Level])
    checked_at = serializers.DateTimeField()
    findings = FindingOut(many=True)


class DnsOut(Out):
    records = RecordOut(many=True)
    report = DnsReportOut(allow_null=True, help_text="Of the last check; null: there was none.")


class DomainDns(Endpoint):
    scope = "domains"

    @extend_schema(responses=DnsOut, summary="Read a domain's DNS records and last check")
    def get(self, request: Request, name: str) -> Response:
        """The most important first. Nobody has to publish them all: `need` tells."""
        domain = selectors.domain_for(actor_of(request), name)
        lookup = facts.new_lookup(patience_seconds=PATIENCE_SECONDS)
        records = services.advise(domain, lookup=lookup)
        report = zones.last_report(domain)
        return Response(
            {
                "records": [_record(one) for one in records],
                "report": _report(report) if report is not None else None,
            }
        )


class DomainDnsCheck(Endpoint):
    scope = "domains"

    @extend_schema(request=None, responses=DnsReportOut, summary="Check a domain's DNS now")
    def post(self, request: Request, name: str) -> Response:
        """Asks the DNS for some seconds, and keeps what it said."""
        actor = actor_of(request)
        domain = selectors.domain_for(actor, name)
        require(actor, Verb.VIEW, domain)
        return Response(_report(services.check(domain, now=utc_now())))


def _record(one: Record) -> dict[str, Any]:
    return {
        "check": one.check,
        "name": one.name,
        "type": one.type,
        "value": one.value,
        "need": one.need,
        "why": one.why,
        "line": one.line,
    }


def _report(report: Report) -> dict[str, Any]:
    return {
        "level": report.level,
        "checked_at": report.checked_at,
        "findings": [
            {"check": one.check, "title": one.title, "level": one.level, "text": one.text}
            for one in report.findings
        ],
    }


urlpatterns = [
    path("domains/<str:name>/dns/", DomainDns.as_view(), name="domain-dns"),
    path("domains/<str:name>/dns/check/", DomainDnsCheck.as_view(), name="domain-dns-check"),
]
