"""What crashes have left of mail that was being accepted: read, put in, deleted (S-058)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from api import etags, pagination
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import Out
from api.schema import page_of
from api.shapes import values_of
from api.v1.queue import TextOut, text_shown
from api.v1.spool import read_id
from blobs.errors import StoreError
from blobs.ids import encode_id
from clock.moments import utc_now
from spool import lost, lostviewing, requeueing
from spool.errors import SpoolFull
from spool.models import LostRecord, LostState
from spool.requeueing import NotRequeued

SHOWN = (
    "state", "reason", "written_at", "found_at", "origin", "sender", "recipients", "message_id",
    "size_bytes",
)  # fmt: skip


class LostMailOut(Out):
    """Sender, recipients and Message-ID are a stranger's words."""

    id = serializers.CharField()
    state = serializers.ChoiceField(choices=LostState.choices)
    reason = serializers.CharField(allow_blank=True, help_text="Why it is as it is.")
    written_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was handed in; null: nobody knows."
    )
    found_at = serializers.DateTimeField()
    requeue_at = serializers.DateTimeField(
        allow_null=True, help_text="Then, unless it comes again; null: not by itself."
    )
    patience_until = serializers.DateTimeField(
        allow_null=True,
        help_text="So long a recipient who cannot be reached holds up the others.",
    )
    forget_at = serializers.DateTimeField(help_text="From then on it is gone for good.")
    origin = serializers.CharField(allow_blank=True)
    sender = serializers.CharField(allow_blank=True)
    recipients = serializers.ListField(
        child=serializers.CharField(), help_text="As RCPT TO said; none: it is no message."
    )
    message_id = serializers.CharField(allow_blank=True, help_text="Message-ID, no brackets.")
    size_bytes = serializers.IntegerField()
    file = serializers.CharField(help_text="Below the data folder.")
    spool_id = serializers.CharField(
        allow_null=True, help_text="The message that it became; null: none."
    )
    can_requeue = serializers.BooleanField(help_text="And its text can be read.")
    can_delete = serializers.BooleanField()


class RequeuedOut(Out):
    spool_id = serializers.CharField(help_text="The message that it became.")


class LostFilters(pagination.Paged):
    state = serializers.ChoiceField(choices=LostState.choices, required=False)


class LostMail(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[LostFilters],
        responses=page_of(LostMailOut),
        summary="List what crashes have left",
    )
    def get(self, request: Request) -> Response:
        """The latest first; also what has been dealt with since, until it is forgotten."""
        given = self.query(LostFilters)
        rows = lost.known()
        if "state" in given:
            rows = rows.filter(state=given["state"])
        return pagination.page(request, given, rows, key="-id", show=_shown)


class LostMessage(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=LostMailOut, summary="Read what became of one")
    def get(self, request: Request, record_id: str) -> Response:
        return etags.tagged(_shown(_row(record_id)))

    @extend_schema(responses={204: None}, summary="Delete what a crash has left")
    def delete(self, request: Request, record_id: str) -> Response:
        """For good: its bytes are overwritten. Neither sender nor recipients are told."""
        row = _row(record_id)
        etags.require_match(request, _shown(row), is_needed=False)
        lost.delete(row=row, by=actor_of(request))
        return Response(status=204)


class LostText(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(responses=TextOut, summary="Read the text of what a crash has left")
    def get(self, request: Request, record_id: str) -> Response:
        """Where it is a message, as long as it lies there. The look is on record."""
        row = _row(record_id)
        try:
            view = lostviewing.view(row=row, by=actor_of(request))
        except StoreError:
            raise NotFound from None
        return Response(text_shown(view))


class LostRequeue(Endpoint):
    scope = "spool"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        request=None, responses=RequeuedOut, summary="Put what a crash has left into the spool"
    )
    def post(self, request: Request, record_id: str) -> Response:
        """Now, whether or not the same message came again. Recipients are asked for anew: 409
        `not-requeued` where nobody takes it."""
        row = _row(record_id)
        try:
            message_id = requeueing.requeue_by_hand(row=row, by=actor_of(request), now=utc_now())
        except (StoreError, SpoolFull):
            reason = "the disk takes nothing just now"
            raise NotRequeued(reason, LostState(row.state)) from None
        return Response({"spool_id": encode_id(message_id)})


def _row(record_id: str) -> LostRecord:
    """Raises NotFound, LostUnknown."""
    return lost.known_by_id(read_id(record_id))


def _shown(row: LostRecord) -> dict[str, Any]:
    fate = lostviewing.fate(row)
    return {
        "id": str(row),
        **values_of(row, SHOWN),
        "requeue_at": fate.requeue_at,
        "patience_until": fate.patience_until,
        "forget_at": fate.forget_at,
        "file": lost.place_of(row),
        "spool_id": None if row.spooled_id is None else encode_id(row.spooled_id),
        "can_requeue": fate.is_message,
        "can_delete": fate.is_open,
    }


urlpatterns = [
    path("lost-mail/", LostMail.as_view(), name="lost-mail"),
    path("lost-mail/<str:record_id>/", LostMessage.as_view(), name="lost-message"),
    path("lost-mail/<str:record_id>/text/", LostText.as_view(), name="lost-message-text"),
    path("lost-mail/<str:record_id>/requeue/", LostRequeue.as_view(), name="lost-message-requeue"),
]
