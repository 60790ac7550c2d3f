"""The logs by service and day, with their lines searched (M-080…M-088)."""

from __future__ import annotations

from datetime import date

from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import NotPermitted
from accounts.models import Role, User
from accounts.permissions import Verb
from api.downloads import DownloadEndpoint, download
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import In, Out
from logbook.kinds import TITLES, Kind
from logbook.reading import NoLog
from operations import logs


class LogKindOut(Out):
    kind = serializers.CharField()
    title = serializers.CharField()
    days = serializers.ListField(child=serializers.DateField(), help_text="Newest first.")


class LogKindsOut(Out):
    items = LogKindOut(many=True)


class LineOut(Out):
    time = serializers.CharField()
    session = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True)


class LinesOut(Out):
    items = LineOut(many=True)
    is_cut = serializers.BooleanField(help_text="There is more: narrow the search.")
    is_late = serializers.BooleanField(help_text="The time was over before the end of the log.")


class LogOf(In):
    domain = serializers.CharField(
        required=False, default="", max_length=253, help_text="Lines about this one alone."
    )


class LineFilters(LogOf):
    q = serializers.CharField(required=False, default="", max_length=500, help_text="Words.")
    has_related = serializers.BooleanField(
        required=False, default=False, help_text="With all lines of the sessions found."
    )


class Logs(Endpoint):
    scope = "logs"

    @extend_schema(responses=LogKindsOut, summary="List logs")
    def get(self, request: Request) -> Response:
        _sight(actor_of(request))
        items = [
            {"kind": kind.value, "title": TITLES[kind], "days": logs.days(kind)} for kind in Kind
        ]
        return Response({"items": items})


class LogLines(Endpoint):
    scope = "logs"

    @extend_schema(parameters=[LineFilters], responses=LinesOut, summary="Search a log")
    def get(self, request: Request, kind: str, day: str) -> Response:
        """The newest of what was found, oldest first. Others than system administrators see the
        lines that are about their domains."""
        given = self.query(LineFilters)
        domains = _sight(actor_of(request), given["domain"])
        try:
            found = logs.search(
                kind=Kind(kind),
                day=date.fromisoformat(day),
                text=given["q"],
                has_related=given["has_related"],
                domains=domains,
            )
        except (ValueError, NoLog):
            raise NotFound from None
        lines = [hit.line for hit in found.hits]
        return Response(
            {
                "items": [
                    {"time": one.time, "session": one.session, "text": one.text} for one in lines
                ],
                "is_cut": found.is_cut,
                "is_late": found.is_late,
            }
        )


class LogDownload(DownloadEndpoint):
    scope = "logs"

    @extend_schema(
        parameters=[LogOf],
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
        summary="Download a log",
    )
    def get(self, request: Request, kind: str, day: str) -> HttpResponseBase:
        """Compressed; others than system administrators get the lines that are about their
        domains. The download is on record (M-086)."""
        actor = actor_of(request)
        domains = _sight(actor, self.query(LogOf)["domain"])
        try:
            pieces = logs.download(
                kind=Kind(kind), day=date.fromisoformat(day), by=actor, domains=domains
            )
        except (ValueError, NoLog):
            raise NotFound from None
        return download(pieces, name=f"{kind}-{day}.zip", content_type="application/zip")


def _sight(actor: User, domain: str = "") -> frozenset[str] | None:
    """Whose lines the actor may read; None: all. Raises NotPermitted, DomainUnknown."""
    if actor.role == Role.USER:
        raise NotPermitted(Verb.VIEW)
    return logs.sight_of(actor, domain)


urlpatterns = [
    path("logs/", Logs.as_view(), name="logs"),
    path("logs/<str:kind>/<str:day>/", LogLines.as_view(), name="log-lines"),
    path("logs/<str:kind>/<str:day>/download/", LogDownload.as_view(), name="log-download"),
]
