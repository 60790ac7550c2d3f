"""What became of mail: the trace of a message, and the ledger of accepted mail and its ends."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models import QuerySet
from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import selectors as account_selectors
from accounts.models import Role, User
from api import pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out
from api.schema import page_of
from api.v1.spool import read_id
from blobs.ids import encode_id
from clock.moments import utc_now
from domains.models import Domain
from spool import sight, telling
from spool.ledger import COLUMNS
from spool.models import LedgerHour, RefusedMail, SpooledMessage
from spool.viewing import MOST_RECIPIENTS

HOUR_SECONDS = 3600
MOST_HOURS = 24 * 366 * 200


class FoundOut(Out):
    id = serializers.CharField(help_text="The spool id.")
    sender = serializers.CharField(allow_blank=True)
    message_id = serializers.CharField(allow_blank=True)
    accepted_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class RefusedOut(Out):
    at = serializers.DateTimeField()
    client_address = serializers.CharField()
    sender = serializers.CharField(allow_blank=True)
    recipient = serializers.CharField(allow_blank=True)
    reply = serializers.CharField()


class TraceListOut(Out):
    messages = FoundOut(many=True)
    refused = RefusedOut(many=True, help_text="Mail that was not accepted.")


class TraceOut(FoundOut):
    story = serializers.CharField(help_text="All that is known, in sentences.")


class TraceFilters(In):
    q = serializers.CharField(
        max_length=400, help_text="A spool id, a Message-ID, or an address of either side."
    )


class LedgerOut(Out):
    domain = serializers.CharField(allow_null=True, help_text="Null: none of ours, or deleted.")
    hour = serializers.DateTimeField(
        help_text="Its beginning; that of 1970: the sum of all hours older than the ledger keeps."
    )
    accepted = serializers.IntegerField()
    delivered = serializers.IntegerField()
    relayed = serializers.IntegerField()
    bounced = serializers.IntegerField()
    expired = serializers.IntegerField()
    discarded = serializers.IntegerField()
    deleted = serializers.IntegerField()


class LedgerFilters(pagination.Paged):
    domain = serializers.CharField(required=False, max_length=253)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class Traces(Endpoint):
    scope = "reports"

    @extend_schema(
        parameters=[TraceFilters], responses=TraceListOut, summary="Find what became of mail"
    )
    def get(self, request: Request) -> Response:
        """Latest first, as far as you may see it; mail that was refused for addresses of yours,
        or that they sent to other servers."""
        found = sight.find_for(actor_of(request), self.query(TraceFilters)["q"])
        return Response(
            {
                "messages": [_message(message) for message in found.messages],
                "refused": [_refused(row) for row in found.refused],
            }
        )


class TraceView(Endpoint):
    scope = "reports"

    @extend_schema(responses=TraceOut, summary="Read the trace of a message")
    def get(self, request: Request, spool_id: str) -> Response:
        """Every decision and every attempt, of at most 1,000 recipients. Of others' mail: what
        became of the recipients in your domains."""
        actor = actor_of(request)
        message = sight.message_for(actor, read_id(spool_id))
        told = sight.trace_for(actor, message, limit=MOST_RECIPIENTS)
        return Response({**_message(message), "story": telling.tell(told, now=utc_now())})


class Ledger(Endpoint):
    scope = "reports"

    @extend_schema(
        parameters=[LedgerFilters], responses=page_of(LedgerOut), summary="Read the ledger"
    )
    def get(self, request: Request) -> Response:
        """By domain and hour, latest entered first: accepted = all ends + still in the spool."""
        given, actor = self.query(LedgerFilters), actor_of(request)
        rows = _ledger_for(actor)
        if "domain" in given:
            rows = rows.filter(domain_id=account_selectors.domain_for(actor, given["domain"]).pk)
        if "since" in given:
            rows = rows.filter(hour__gte=_hour(given["since"]))
        if "until" in given:
            rows = rows.filter(hour__lt=_hour(given["until"]))
        names: dict[int, str] = {}

        def prepare(page: list[LedgerHour]) -> None:
            domains = Domain.objects.filter(pk__in={row.domain_id for row in page})
            names.update(domains.values_list("pk", "name"))

        return pagination.page(
            request, given, rows, key="-id", show=lambda row: _hours(row, names), prepare=prepare
        )


def _ledger_for(actor: User) -> QuerySet[LedgerHour]:
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        return LedgerHour.objects.all()
    seen = account_selectors.domains_for(actor).values("pk")
    return LedgerHour.objects.filter(domain_id__in=seen)


def _hour(moment: datetime) -> int:
    return min(max(int(moment.timestamp()) // HOUR_SECONDS, 0), MOST_HOURS)


def _message(message: SpooledMessage) -> dict[str, Any]:
    return {
        "id": encode_id(message.pk),
        "sender": message.sender,
        "message_id": message.message_id,
        "accepted_at": message.accepted_at,
        "finished_at": message.finished_at,
    }


def _refused(row: RefusedMail) -> dict[str, Any]:
    return {
        "at": row.at,
        "client_address": row.client_address,
        "sender": row.sender,
        "recipient": row.recipient,
        "reply": row.reply,
    }


def _hours(row: LedgerHour, names: dict[int, str]) -> dict[str, Any]:
    return {
        "domain": names.get(row.domain_id),
        "hour": datetime.fromtimestamp(row.hour * HOUR_SECONDS, UTC),
        **{name: getattr(row, name) for name in COLUMNS},
    }


urlpatterns = [
    path("trace/", Traces.as_view(), name="traces"),
    path("trace/<str:spool_id>/", TraceView.as_view(), name="trace"),
    path("ledger/", Ledger.as_view(), name="ledger"),
]
