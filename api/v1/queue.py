"""The spool in numbers, what was done to it, and the text of one message (S-031, S-042, S-068)."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.permissions import Verb
from api.downloads import DownloadEndpoint, download
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import In, Out
from blobs.errors import BadId, StoreError
from blobs.ids import decode_id
from clock.moments import utc_now
from spool import selectors, sight, statistics, viewing
from spool.errors import MessageGone
from spool.lostviewing import LostView
from spool.models import SpoolChange, SpooledMessage
from spool.statistics import Statistics
from spool.viewing import MessageView

MOST_CHANGES = 200


class SpoolChangeOut(Out):
    id = serializers.CharField(help_text="For undoing it.")
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    verb = serializers.ChoiceField(choices=SpoolChange.Verb.choices)
    selection = serializers.CharField(allow_blank=True, help_text="What was meant, in words.")
    parameter = serializers.CharField(allow_blank=True)
    done = serializers.IntegerField(help_text="Messages.")
    skipped = serializers.IntegerField()
    undo_until = serializers.DateTimeField(allow_null=True, help_text="Null: no way back.")
    undone_at = serializers.DateTimeField(allow_null=True)


class SpoolChangesOut(Out):
    items = SpoolChangeOut(many=True)


class ChangeFilters(In):
    size = serializers.IntegerField(
        required=False, default=50, min_value=1, max_value=MOST_CHANGES, help_text="The latest."
    )


class QueueOut(Out):
    name = serializers.CharField(allow_blank=True, help_text="Empty: mailboxes of this server.")
    recipients = serializers.IntegerField()
    held = serializers.IntegerField()
    empty_at = serializers.DateTimeField(allow_null=True)


class LastErrorOut(Out):
    at = serializers.DateTimeField()
    host = serializers.CharField(allow_blank=True)
    reply = serializers.CharField(allow_blank=True)


class StatisticsOut(Out):
    counted_at = serializers.DateTimeField(allow_null=True, help_text="Null: not counted yet.")
    messages = serializers.IntegerField(allow_null=True)
    recipients = serializers.IntegerField(allow_null=True)
    held = serializers.IntegerField(allow_null=True)
    oldest_age_seconds = serializers.FloatField(allow_null=True)
    accepted_per_minute = serializers.FloatField()
    ended_per_minute = serializers.FloatField()
    deferred_per_minute = serializers.FloatField()
    empty_at = serializers.DateTimeField(allow_null=True, help_text="Null: not within sight.")
    destinations = QueueOut(many=True, help_text="The longest first.")
    last_errors = LastErrorOut(many=True)


class FieldOut(Out):
    name = serializers.CharField()
    value = serializers.CharField(allow_blank=True)


class AttachmentOut(Out):
    name = serializers.CharField(allow_blank=True)
    type = serializers.CharField(allow_blank=True)
    size_bytes = serializers.IntegerField()


class TextOut(Out):
    """All of it is a stranger's words."""

    header = FieldOut(many=True)
    text = serializers.CharField(allow_blank=True)
    is_from_html = serializers.BooleanField()
    attachments = AttachmentOut(many=True)
    is_cut = serializers.BooleanField(help_text="There is more: download it.")


class SpoolChanges(Endpoint):
    scope = "spool"

    @extend_schema(
        parameters=[ChangeFilters],
        responses=SpoolChangesOut,
        summary="List what was done to the spool",
    )
    def get(self, request: Request) -> Response:
        """The latest first; others than system administrators see what they did themselves."""
        size = self.query(ChangeFilters)["size"]
        found = selectors.changes_for(actor_of(request), limit=size)
        return Response({"items": [_change(one) for one in found]})


class SpoolStatistics(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=StatisticsOut, summary="Read the spool in numbers")
    def get(self, request: Request) -> Response:
        """As of the last measuring, with a forecast of when all will have left."""
        return Response(_statistics(statistics.current(now=utc_now())))


class MessageText(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=TextOut, summary="Read a message's text")
    def get(self, request: Request, spool_id: str) -> Response:
        """As long as it is in the spool. The look is on record."""
        actor = actor_of(request)
        message = _message(actor, spool_id)
        try:
            view = viewing.view(message=message, by=actor, now=utc_now())
        except (MessageGone, StoreError):
            raise NotFound from None
        return Response(text_shown(view))


class MessageDownload(DownloadEndpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        responses={(200, "message/rfc822"): OpenApiTypes.BINARY}, summary="Download a message"
    )
    def get(self, request: Request, spool_id: str) -> HttpResponseBase:
        """As it is, as long as it is in the spool. The download is on record."""
        actor = actor_of(request)
        message = _message(actor, spool_id)
        try:
            name, content = viewing.download(message=message, by=actor, now=utc_now())
        except (MessageGone, StoreError):
            raise NotFound from None
        return download([content], name=name, content_type="message/rfc822")


def text_shown(view: MessageView | LostView) -> dict[str, Any]:
    """As TextOut says."""
    readable = view.readable
    return {
        "header": [{"name": name, "value": value} for name, value in readable.fields],
        "text": readable.text,
        "is_from_html": readable.is_from_html,
        "attachments": [
            {"name": one.name, "type": one.content_type, "size_bytes": one.size_bytes}
            for one in readable.attachments
        ],
        "is_cut": view.is_cut,
    }


def _message(actor: User, spool_id: str) -> SpooledMessage:
    """Raises NotFound, MessageUnknown."""
    try:
        return sight.message_for(actor, decode_id(spool_id))
    except BadId:
        raise NotFound from None


def _change(row: SpoolChange) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "at": row.at,
        "actor": row.actor,
        "verb": row.verb,
        "selection": row.selection,
        "parameter": row.parameter,
        "done": row.done,
        "skipped": row.skipped,
        "undo_until": row.undo_until,
        "undone_at": row.undone_at,
    }


def _statistics(found: Statistics) -> dict[str, Any]:
    age = found.oldest_age
    return {
        "counted_at": found.counted_at,
        "messages": found.messages,
        "recipients": found.recipients,
        "held": found.held,
        "oldest_age_seconds": age.total_seconds() if age is not None else None,
        "accepted_per_minute": found.accepted_per_minute,
        "ended_per_minute": found.ended_per_minute,
        "deferred_per_minute": found.deferred_per_minute,
        "empty_at": found.forecast.empty_at,
        "destinations": [
            {
                "name": one.name,
                "recipients": one.recipients,
                "held": one.held,
                "empty_at": one.empty_at,
            }
            for one in found.destinations
        ],
        "last_errors": [
            {"at": one.at, "host": one.host, "reply": one.reply} for one in found.last_errors
        ],
    }


# They stand before the address of one message, which would take them.
urlpatterns = [
    path("spool/changes/", SpoolChanges.as_view(), name="spool-changes"),
    path("spool/statistics/", SpoolStatistics.as_view(), name="spool-statistics"),
    path("spool/<str:spool_id>/text/", MessageText.as_view(), name="spool-text"),
    path("spool/<str:spool_id>/download/", MessageDownload.as_view(), name="spool-download"),
]
