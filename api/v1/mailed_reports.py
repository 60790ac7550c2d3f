"""Reports that are mailed, once or on a schedule (R-020, M-036)."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import UserUnknown
from accounts.models import User
from api import etags, finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import Choice, Out, Text, Words, of_model
from api.schema import page_of
from api.shapes import values_of
from clock.moments import utc_now
from domains.errors import DomainUnknown, Problem, ValuesRefused
from reports import kinds, schedules
from reports.models import Kind, Run, Schedule

_Values: Any = of_model("MailedReportValues", Schedule, schedules.SETTINGS)
_Shown: Any = of_model("MailedReportShown", Schedule, schedules.SETTINGS, Out)


class MailedReportIn(_Values):  # type: ignore[misc]
    """When and to whom: what is given changes, the rest stays."""

    addresses = Words(
        required=False,
        length=330,
        max_length=schedules.MOST_ADDRESSES,
        help_text="Each gets a message of his own; left out of a new one: yourself.",
    )


class NewMailedReportIn(MailedReportIn):
    """Which report, besides; a domain's own people need not name it."""

    kind = Choice(choices=Kind.choices)
    domain = Text(required=False, max_length=253, help_text="For reports of a domain.")
    user = Text(required=False, max_length=330, help_text="For reports of a user: an address.")


class RunOut(Out):
    due_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=Run.State.choices)
    note = serializers.CharField(allow_blank=True, help_text="Why not, or to whom not.")


class MailedReportOut(_Shown):  # type: ignore[misc]
    id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    title = serializers.CharField()
    domain = serializers.CharField(allow_null=True, help_text="Null: not of one domain.")
    user = serializers.CharField(allow_null=True, help_text="Null: not of one user.")
    owner = serializers.CharField(
        allow_null=True, help_text="With whose rights it is made; null: nothing is sent any more."
    )
    addresses = serializers.ListField(child=serializers.CharField())
    next_at = serializers.DateTimeField(allow_null=True, help_text="Null: it was sent once.")
    last_run = RunOut(allow_null=True, help_text="Null: it was not due yet.")
    created_at = serializers.DateTimeField()
    version = serializers.IntegerField()


NEW = OpenApiExample(
    "A domain's traffic, every Monday",
    {
        "kind": "domain-traffic",
        "domain": "shop.example",
        "rhythm": "weekly",
        "hour": 6,
        "addresses": ["ann@shop.example"],
    },
    request_only=True,
)


class MailedReports(Endpoint):
    scope = "reports"

    @extend_schema(
        parameters=[pagination.Paged],
        responses=page_of(MailedReportOut),
        summary="List mailed reports",
    )
    def get(self, request: Request) -> Response:
        """Newest first: those about domains in sight, or about yourself."""
        given = self.query(pagination.Paged)
        return pagination.page(request, given, _rows(actor_of(request)), key="-id", show=_shown)

    @extend_schema(
        request=NewMailedReportIn,
        responses={201: MailedReportOut},
        examples=[NEW],
        summary="Mail a report",
    )
    def post(self, request: Request) -> Response:
        """Made with your rights each time it is due. `once` is sent within a minute."""
        actor, given = actor_of(request), self.read(NewMailedReportIn)
        row = _shown(finding.one(_rows(actor), _add(actor, given).pk))
        return etags.tagged(row, status=201, Location=f"{request.path}{row['id']}/")


class MailedReportView(Endpoint):
    scope = "reports"

    @extend_schema(responses=MailedReportOut, summary="Read a mailed report")
    def get(self, request: Request, key: int) -> Response:
        """When it is due, to whom it goes, and how it went the last time."""
        return etags.tagged(_shown(finding.one(_rows(actor_of(request)), key)))

    @extend_schema(
        request=MailedReportIn, responses=MailedReportOut, summary="Change a mailed report"
    )
    def patch(self, request: Request, key: int) -> Response:
        """Set what is given; `is_paused` holds it without forgetting it."""
        actor, given = actor_of(request), self.read(MailedReportIn)
        row = finding.one(_rows(actor), key)
        etags.require_match(request, _shown(row))
        schedules.change(
            schedule=row,
            addresses=given.pop("addresses", None),
            values=given,
            expected_version=row.version,
            by=actor,
            now=utc_now(),
        )
        return etags.tagged(_shown(finding.one(_rows(actor), key)))

    @extend_schema(responses={204: None}, summary="Delete a mailed report")
    def delete(self, request: Request, key: int) -> Response:
        """What was sent stays sent."""
        actor = actor_of(request)
        row = finding.one(_rows(actor), key)
        etags.require_match(request, _shown(row), is_needed=False)
        schedules.delete(schedule=row, by=actor)
        return Response(status=204)


class MailedReportSend(Endpoint):
    scope = "reports"

    @extend_schema(request=None, responses={202: RunOut}, summary="Send a mailed report now")
    def post(self, request: Request, key: int) -> Response:
        """Within a minute; what is due later stays due."""
        actor = actor_of(request)
        row = finding.one(_rows(actor), key)
        return Response(_run(schedules.send_now(schedule=row, by=actor, now=utc_now())), status=202)


def _rows(actor: User) -> QuerySet[Schedule]:
    """Those in sight, with their last run."""
    latest = Run.objects.filter(schedule=OuterRef("pk")).order_by("-pk")
    return schedules.schedules_for(actor).annotate(
        last_due=Subquery(latest.values("due_at")[:1]),
        last_state=Subquery(latest.values("state")[:1]),
        last_note=Subquery(latest.values("note")[:1]),
    )


def _add(actor: User, given: dict[str, Any]) -> Schedule:
    """Raises ValuesRefused; NotPermitted, FeatureOff."""
    kind = Kind(given["kind"])
    scope = kinds.scope_of(kind)
    strays = [name for name in ("domain", "user") if name in given and name != scope]
    if strays:
        raise ValuesRefused((Problem(strays[0], f"is not what {kind} is about"),))
    own = schedules.own_address(actor)
    try:
        return schedules.add(
            kind=kind,
            domain=given.get("domain", ""),
            address=given.get("user", ""),
            addresses=given.get("addresses", [own] if own else []),
            values={name: given[name] for name in schedules.SETTINGS if name in given},
            by=actor,
            now=utc_now(),
        )
    except (DomainUnknown, UserUnknown) as error:
        raise ValuesRefused((Problem(scope.value, str(error)),)) from None


def _shown(row: Any) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": row.kind,
        "title": str(row),
        "domain": row.domain.name if row.domain is not None else None,
        "user": str(row.account) if row.account is not None else None,
        "owner": str(row.owner) if row.owner is not None else None,
        **values_of(row, (*schedules.SETTINGS, "addresses", "next_at", "created_at", "version")),
        "last_run": {"due_at": row.last_due, "state": row.last_state, "note": row.last_note}
        if row.last_due is not None
        else None,
    }


def _run(row: Run) -> dict[str, Any]:
    return values_of(row, ("due_at", "state", "note"))


urlpatterns = [
    path("mailed-reports/", MailedReports.as_view(), name="mailed-reports"),
    path("mailed-reports/<int:key>/", MailedReportView.as_view(), name="mailed-report"),
    path("mailed-reports/<int:key>/send/", MailedReportSend.as_view(), name="mailed-report-send"),
]
