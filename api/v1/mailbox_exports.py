"""Whole mailboxes as files (U-024): made by a job, for who asked alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.downloads import DownloadEndpoint, download
from api.endpoints import Endpoint, actor_of
from api.fields import Out
from api.finding import known
from api.v1.jobs import JobOut, accepted, job_shown
from mailboxes import exports
from mailboxes.exports import Export

PIECE_BYTES = 1 << 18


class MailboxExportOut(Out):
    job = JobOut()
    size_bytes = serializers.IntegerField(
        allow_null=True, help_text="Of the file; null: there is none, or none any more."
    )
    reason = serializers.CharField(
        help_text="Why no file was made, where the server had no room for it; else empty."
    )


class MailboxExports(Endpoint):
    scope = "mailboxes"

    @extend_schema(responses=MailboxExportOut(many=True), summary="List your exports of a mailbox")
    def get(self, request: Request, address: str) -> Response:
        """The latest that you have asked for, newest first."""
        actor = actor_of(request)
        user = exports.user_for(actor, address)
        return Response([_shown(one) for one in exports.latest(actor, user)])

    @extend_schema(request=None, responses={202: JobOut}, summary="Export a mailbox")
    def post(self, request: Request, address: str) -> Response:
        """A job makes a ZIP file with an mbox for each folder, flags included; one that is being
        made serves. `/users/ADDRESS/exports/ID/` has it for a week, for you alone: your own
        mailbox, or one of a domain that you administer."""
        actor = actor_of(request)
        user = exports.user_for(actor, address)
        return accepted(exports.start(user=user, by=actor))


class MailboxExport(DownloadEndpoint):
    scope = "mailboxes"

    @extend_schema(
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
        summary="Download an exported mailbox",
    )
    def get(self, request: Request, address: str, job_id: int) -> HttpResponseBase:
        """The download is on record."""
        actor = actor_of(request)
        user = exports.user_for(actor, address)
        made = exports.fetch(actor, user, known(job_id))
        name = exports.download_name(user)
        return download(_pieces(made), name=name, content_type="application/zip")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _shown(export: Export) -> dict[str, Any]:
    has_file = export.path is not None
    return {
        "job": job_shown(export.job),
        "size_bytes": export.size_bytes if has_file else None,
        "reason": export.reason,
    }


urlpatterns = [
    path("users/<str:address>/exports/", MailboxExports.as_view(), name="mailbox-exports"),
    path(
        "users/<str:address>/exports/<int:job_id>/",
        MailboxExport.as_view(),
        name="mailbox-export",
    ),
]
