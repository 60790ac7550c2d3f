"""The message archive: search, read, download, export, deliver again (A-010…A-017)."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from administration import redelivery
from api.downloads import DownloadEndpoint, download
from api.endpoints import Endpoint, actor_of
from api.fields import Choice, In, Moment, Out, Text, Words
from api.finding import known
from api.v1 import jobs
from api.v1.jobs import JobOut
from archive import engine, exports, searching
from archive.engine import Archived, Criteria, Direction
from archive.exports import Format
from archive.tasks import export as export_job

MOST_KEYS = 1000
LONGEST_CURSOR = 500


class ArchivedOut(Out):
    key = serializers.CharField()
    at = serializers.DateTimeField()
    direction = serializers.ChoiceField(choices=[one.value for one in Direction])
    domains = serializers.ListField(child=serializers.CharField())
    sender = serializers.CharField(allow_blank=True, help_text="Of the envelope.")
    recipients = serializers.ListField(child=serializers.CharField())
    subject = serializers.CharField(allow_blank=True)
    size_bytes = serializers.IntegerField()


class ArchivePageOut(Out):
    items = ArchivedOut(many=True)
    next = serializers.CharField(allow_null=True, help_text="Give it as `after`; null: no more.")
    is_set_up = serializers.BooleanField(help_text="False: nothing is archived.")


class ArchivedFieldOut(Out):
    name = serializers.CharField()
    value = serializers.CharField(allow_blank=True)


class ArchivedTextOut(ArchivedOut):
    """All of it is a stranger's words."""

    header = ArchivedFieldOut(many=True)
    text = serializers.CharField(allow_blank=True)
    is_from_html = serializers.BooleanField()
    is_cut = serializers.BooleanField(help_text="There is more: download it.")


class CriteriaIn(In):
    """All that is given must fit."""

    domain = Text(required=False, max_length=253)
    since = Moment(required=False)
    before = Moment(required=False)
    sender = Text(required=False, max_length=330, help_text="A part of it, or @domain.")
    recipient = Text(required=False, max_length=330, help_text="A part of it, or @domain.")
    subject = Text(required=False, max_length=300, help_text="Words.")


class ArchiveFilters(CriteriaIn):
    after = serializers.CharField(required=False, default="", max_length=LONGEST_CURSOR)
    size = serializers.IntegerField(required=False, default=50, min_value=1, max_value=200)


class ArchiveExportIn(In):
    """Of `keys`, or of all that fit `filter`."""

    format = Choice(choices=[one.value for one in Format])
    keys = Words(required=False, min_length=1, max_length=MOST_KEYS, length=searching.LONGEST_KEY)
    filter = CriteriaIn(required=False)


class AgainIn(In):
    address = Text(max_length=330, help_text="A mailbox of a domain in sight.")


class AgainOut(Out):
    id = serializers.CharField(help_text="The spool id of the copy.")


EXPORT = OpenApiExample(
    "All mail of one sender",
    {"format": "mbox", "filter": {"sender": "@partner.example", "since": "2030-01-01T00:00:00Z"}},
    request_only=True,
)


class ArchiveSearch(Endpoint):
    scope = "archive"

    @extend_schema(
        parameters=[ArchiveFilters], responses=ArchivePageOut, summary="Search the archive"
    )
    def get(self, request: Request) -> Response:
        """Newest first. Administrators of a domain search that one, where it is archived.
        The search is on record."""
        actor, given = actor_of(request), self.query(ArchiveFilters)
        cursor, size = given.pop("after"), given.pop("size")
        found = searching.search(actor, Criteria(**given), cursor=cursor, limit=size)
        return Response(
            {
                "items": [_shown(row) for row in found.rows],
                "next": found.cursor or None,
                "is_set_up": engine.current() is not None,
            }
        )


class ArchivedMessage(Endpoint):
    scope = "archive"

    @extend_schema(responses=ArchivedTextOut, summary="Read an archived message")
    def get(self, request: Request, key: str) -> Response:
        """The look is on record."""
        view = searching.view(actor_of(request), key)
        readable = view.readable
        return Response(
            {
                **_shown(view.message),
                "header": [{"name": name, "value": value} for name, value in readable.fields],
                "text": readable.text,
                "is_from_html": readable.is_from_html,
                "is_cut": view.is_cut,
            }
        )


class ArchivedDownload(DownloadEndpoint):
    scope = "archive"

    @extend_schema(
        responses={(200, "message/rfc822"): OpenApiTypes.BINARY},
        summary="Download an archived message",
    )
    def get(self, request: Request, key: str) -> HttpResponseBase:
        """As it was accepted. The download is on record."""
        verb = "downloaded an archived message"
        row, content = searching.read(actor_of(request), key, verb=verb)
        return download([content], name=f"{row.key}.eml", content_type="message/rfc822")


class ArchivedAgain(Endpoint):
    scope = "archive"

    @extend_schema(
        request=AgainIn, responses={202: AgainOut}, summary="Deliver an archived message again"
    )
    def post(self, request: Request, key: str) -> Response:
        """By the way that all mail takes, with the null sender: nobody gets a bounce of it."""
        actor = actor_of(request)
        searching.message(actor, key)
        address = self.read(AgainIn)["address"]
        return Response(
            {"id": redelivery.deliver_again(actor, key, address=address.strip())}, status=202
        )


class ArchiveExports(Endpoint):
    scope = "archive"

    @extend_schema(
        request=ArchiveExportIn,
        responses={202: JobOut},
        examples=[EXPORT],
        summary="Export archived messages",
    )
    def post(self, request: Request) -> Response:
        """A job makes the file; `/archive/exports/ID/` has it for a week, for you alone."""
        actor = actor_of(request)
        searching.require_open(actor)
        given = self.read(ArchiveExportIn)
        job = exports.start(
            actor,
            kind=export_job,
            format_=Format(given["format"]),
            keys=given.get("keys", ()),
            criteria=Criteria(**given.get("filter", {})),
        )
        return jobs.accepted(job)


class ArchiveExport(DownloadEndpoint):
    scope = "archive"

    @extend_schema(
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
        summary="Download an export",
    )
    def get(self, request: Request, job_id: int) -> HttpResponseBase:
        """With any `Accept`: the file has the type that it has; problems are JSON all the same."""
        made = exports.file_of(actor_of(request), known(job_id))
        return download(made.open("rb"), name=made.name, content_type="application/octet-stream")


def _shown(row: Archived) -> dict[str, Any]:
    return {
        "key": row.key,
        "at": row.at,
        "direction": row.direction,
        "domains": list(row.domains),
        "sender": row.sender,
        "recipients": list(row.recipients),
        "subject": row.subject,
        "size_bytes": row.size_bytes,
    }


urlpatterns = [
    path("archive/", ArchiveSearch.as_view(), name="archive"),
    path("archive/exports/", ArchiveExports.as_view(), name="archive-exports"),
    path("archive/exports/<int:job_id>/", ArchiveExport.as_view(), name="archive-export"),
    path("archive/<str:key>/", ArchivedMessage.as_view(), name="archived"),
    path("archive/<str:key>/download/", ArchivedDownload.as_view(), name="archived-download"),
    path("archive/<str:key>/again/", ArchivedAgain.as_view(), name="archived-again"),
]
