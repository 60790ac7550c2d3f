"""Reports of the server, of domains and of users, to read (R-010, R-015, R-021)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.inactivity import Period
from api.endpoints import Endpoint, actor_of
from api.fields import Choice, In, Out
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from reports import asking, kinds
from reports.series import LONGEST_DAYS, Days
from reports.tables import Unit

USUAL_DAYS = 30
OLDEST = date(2000, 1, 1)


class KindOut(Out):
    kind = serializers.CharField()
    title = serializers.CharField()
    scope = serializers.ChoiceField(choices=[scope.value for scope in kinds.Scope])


class KindsOut(Out):
    items = KindOut(many=True)


class ColumnOut(Out):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # the column's own
    unit = serializers.ChoiceField(choices=[unit.value for unit in Unit])


class ReportOut(Out):
    kind = serializers.CharField()
    title = serializers.CharField()
    about = serializers.CharField(
        allow_blank=True, help_text="The domain or the address; empty: the server."
    )
    first = serializers.DateField()
    last = serializers.DateField()
    columns = ColumnOut(many=True)
    rows = serializers.ListField(
        child=serializers.ListField(child=serializers.JSONField(allow_null=True)),
        help_text="A value for each column: a number, a text, a time, or null.",
    )
    is_cut = serializers.BooleanField(help_text="There are more rows than are shown.")


class ReportFilters(In):
    domain = serializers.CharField(
        required=False, max_length=253, help_text="For reports of domains; your own without it."
    )
    user = serializers.CharField(
        required=False, max_length=330, help_text="For reports of users: an address; or yourself."
    )
    first = serializers.DateField(required=False, help_text="30 days are shown without it.")
    last = serializers.DateField(required=False, help_text="Today without it. UTC, included.")
    inactive = Choice(
        required=False,
        choices=[one.value for one in Period],
        help_text="For reports on inactive users: for how long nobody has logged in.",
    )


EXAMPLE = OpenApiExample(
    "Traffic of a domain",
    {
        "kind": "domain-traffic",
        "title": "Traffic",
        "about": "shop.example",
        "first": "2030-01-31",
        "last": "2030-01-31",
        "columns": [
            {"key": "time", "label": "Time", "unit": "moment"},
            {"key": "received", "label": "Received", "unit": "number"},
        ],
        "rows": [["2030-01-31T09:00:00+00:00", 42]],
        "is_cut": False,
    },
    response_only=True,
)


class Reports(Endpoint):
    scope = "reports"

    @extend_schema(responses=KindsOut, summary="List the reports that there are for you")
    def get(self, request: Request) -> Response:
        """A domain's features may withhold some of them from its own people."""
        found = asking.open_to(actor_of(request))
        items = [
            {
                "kind": kind.value,
                "title": kinds.TITLES[kind],
                "scope": kinds.scope_of(kind).value,
            }
            for kind in found
        ]
        return Response({"items": items})


class ReportView(Endpoint):
    scope = "reports"

    @extend_schema(
        parameters=[ReportFilters],
        responses=ReportOut,
        examples=[EXAMPLE],
        summary="Read a report",
    )
    def get(self, request: Request, kind: str) -> Response:
        """By day, or by hour for a day or two of late. Sizes are bytes, times are UTC."""
        given = self.query(ReportFilters)
        report = asking.make_for(
            actor_of(request),
            kinds.kind_of(kind),
            days=_days(given),
            now=utc_now(),
            domain=given.get("domain", ""),
            address=given.get("user", ""),
            inactive=Period(given.get("inactive", Period.DAYS_90)),
        )
        return Response(report.as_plain())


def _days(given: dict[str, Any]) -> Days:
    """Raises ValuesRefused."""
    last: date = given.get("last") or utc_now().date()
    if not OLDEST + timedelta(days=LONGEST_DAYS) <= last <= date(9999, 1, 1):
        raise ValuesRefused((Problem("last", "is out of range"),))
    first: date = given.get("first") or last - timedelta(days=USUAL_DAYS - 1)
    if not OLDEST <= first <= last or (last - first).days >= LONGEST_DAYS:
        reason = f"must lie before the last day, by {LONGEST_DAYS} days at most"
        raise ValuesRefused((Problem("first", reason),))
    return Days(first, last)


urlpatterns = [
    path("reports/", Reports.as_view(), name="reports"),
    path("reports/<str:kind>/", ReportView.as_view(), name="report"),
]
