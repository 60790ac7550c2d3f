"""Transcripts: every word between clients and the server for some minutes."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Any

from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from api import finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Number, Out, Text
from api.schema import page_of
from api.shapes import values_of
from clock.moments import utc_now
from operations import transcripts
from operations.models import Transcript

MOST_LINES = 1000
LONGEST_MINUTES = int(transcripts.LONGEST.total_seconds() // 60)


class TranscriptIn(In):
    subject = Text(max_length=330, help_text="A mail address, or a client's IP address.")
    minutes = Number(required=False, default=10, min_value=1, max_value=LONGEST_MINUTES)


class TranscriptOut(Out):
    id = serializers.IntegerField()
    subject = serializers.CharField()
    actor = serializers.CharField()
    started_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    stopped_at = serializers.DateTimeField(allow_null=True)
    is_running = serializers.BooleanField()


class TranscriptLineOut(Out):
    time = serializers.CharField()
    session = serializers.CharField(allow_blank=True)
    text = serializers.CharField(allow_blank=True, help_text="C: the client, S: this server.")


class TranscriptLinesOut(Out):
    items = TranscriptLineOut(many=True)
    next = serializers.IntegerField(allow_null=True, help_text="Give it as `after`; null: no more.")


class TranscriptLineFilters(In):
    after = serializers.IntegerField(
        required=False, default=0, min_value=0, max_value=2**31, help_text="Lines to pass over."
    )
    size = serializers.IntegerField(
        required=False, default=200, min_value=1, max_value=MOST_LINES, help_text="Lines of a page."
    )


WATCH = OpenApiExample(
    "What one user's programs say",
    {"subject": "ann@shop.example", "minutes": 15},
    request_only=True,
)


class Transcripts(Endpoint):
    scope = "logs"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[pagination.Paged], responses=page_of(TranscriptOut), summary="List transcripts"
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        given = self.query(pagination.Paged)
        return pagination.page(request, given, Transcript.objects.all(), key="-id", show=_shown)

    @extend_schema(
        request=TranscriptIn,
        responses={201: TranscriptOut},
        examples=[WATCH],
        summary="Start a transcript",
    )
    def post(self, request: Request) -> Response:
        """Without passwords and without the text of messages; it ends by itself."""
        given = self.read(TranscriptIn)
        row = transcripts.start(
            subject=given["subject"],
            by=actor_of(request),
            now=utc_now(),
            lasting=timedelta(minutes=given["minutes"]),
        )
        return Response(_shown(row), status=201, headers={"Location": f"{request.path}{row.pk}/"})


class TranscriptView(Endpoint):
    scope = "logs"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=TranscriptOut, summary="Read a transcript's state")
    def get(self, request: Request, key: int) -> Response:
        return Response(_shown(finding.one(Transcript.objects.all(), key)))


class TranscriptLines(Endpoint):
    scope = "logs"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[TranscriptLineFilters],
        responses=TranscriptLinesOut,
        summary="Read a transcript's lines",
    )
    def get(self, request: Request, key: int) -> Response:
        """What was recorded so far, oldest first."""
        given = self.query(TranscriptLineFilters)
        row = finding.one(Transcript.objects.all(), key)
        after, size = given["after"], given["size"]
        found = list(islice(transcripts.read(row), after, after + size + 1))
        items = [{"time": one.time, "session": one.session, "text": one.text} for one in found]
        following = after + size if len(found) > size else None
        return Response({"items": items[:size], "next": following})


class TranscriptStop(Endpoint):
    scope = "logs"
    verb = Verb.MANAGE_SERVER

    @extend_schema(request=None, responses=TranscriptOut, summary="Stop a transcript")
    def post(self, request: Request, key: int) -> Response:
        """What was recorded stays for a week."""
        row = finding.one(Transcript.objects.all(), key)
        row = transcripts.stop(row.pk, by=actor_of(request), now=utc_now())
        return Response(_shown(row))


def _shown(row: Transcript) -> dict[str, Any]:
    names = ("subject", "actor", "started_at", "ends_at", "stopped_at")
    is_running = row.stopped_at is None and row.ends_at > utc_now()
    return {"id": row.pk, **values_of(row, names), "is_running": is_running}


urlpatterns = [
    path("transcripts/", Transcripts.as_view(), name="transcripts"),
    path("transcripts/<int:key>/", TranscriptView.as_view(), name="transcript"),
    path("transcripts/<int:key>/lines/", TranscriptLines.as_view(), name="transcript-lines"),
    path("transcripts/<int:key>/stop/", TranscriptStop.as_view(), name="transcript-stop"),
]
