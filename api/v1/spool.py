"""The spool: what waits, what is done to it, and taking that back (S-010…S-045)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Role, User
from api.endpoints import Endpoint, actor_of
from api.errors import NotFound
from api.fields import Choice, In, Number, Out, Switch, Text, Words
from api.finding import LARGEST_KEY
from api.v1 import jobs
from api.v1.jobs import JobOut
from blobs.errors import BadId
from blobs.ids import decode_id, encode_id
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from jobs.models import Job
from spool import bulkjobs, selectors, sight, viewing
from spool.changing import Done
from spool.listing import Column, Cursor, CursorMalformed, MessageRow
from spool.models import SpoolChange
from spool.orders import Kind, Order
from spool.selection import NothingSelected, Selection, SpoolFilter, Status
from spool.viewing import RecipientView

MOST_IDS = 1000


class MessageOut(Out):
    id = serializers.CharField(help_text="The spool id, as Received lines have it.")
    sender = serializers.CharField()
    submitter = serializers.CharField(allow_blank=True)
    recipients = serializers.CharField(allow_blank=True, help_text="The first ones, in words.")
    size_kb = serializers.IntegerField()
    delivered = serializers.IntegerField()
    total = serializers.IntegerField()
    accepted_at = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True)
    is_in_work = serializers.BooleanField()
    status = serializers.CharField()
    priority = serializers.IntegerField()
    is_priority_manual = serializers.BooleanField()
    removed_at = serializers.DateTimeField(
        allow_null=True, help_text="When it is removed from quarantine; null: it is not there."
    )


class MessagesOut(Out):
    items = MessageOut(many=True)
    next = serializers.CharField(allow_null=True, help_text="Give it as `after`; null: no more.")
    total = serializers.IntegerField()
    is_exact = serializers.BooleanField(help_text="False: about so many, or at least.")


class RecipientOut(Out):
    address = serializers.CharField()
    original_address = serializers.CharField(allow_blank=True)
    status = serializers.CharField()
    is_ended = serializers.BooleanField()
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True)
    reply = serializers.CharField(allow_blank=True)
    way = serializers.CharField(allow_blank=True)
    priority = serializers.IntegerField()
    removed_at = serializers.DateTimeField(
        allow_null=True, help_text="When it is removed from quarantine; null: it is not there."
    )


class MessageDetailOut(Out):
    id = serializers.CharField()
    sender = serializers.CharField(allow_blank=True)
    message_id = serializers.CharField(allow_blank=True, help_text="Message-ID, no brackets.")
    size_bytes = serializers.IntegerField()
    accepted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True, help_text="Null: in the spool.")
    recipients = RecipientOut(many=True)


@extend_schema_field(OpenApiTypes.OBJECT)
class Reasons(serializers.JSONField):
    """Why recipients were passed over, and how many."""


class DoneOut(Out):
    done = serializers.IntegerField(help_text="Messages.")
    skipped = serializers.IntegerField()
    reasons = Reasons()
    change_id = serializers.CharField(allow_null=True, help_text="For undoing; null: none.")


class UndoneOut(Out):
    done = serializers.IntegerField(help_text="Messages that are as they were.")


class SpoolFilters(In):
    after = serializers.CharField(required=False, max_length=2000)
    size = serializers.IntegerField(required=False, default=100, min_value=1, max_value=1000)
    sender = serializers.CharField(required=False, max_length=330)
    recipient = serializers.CharField(required=False, max_length=330)
    domain = serializers.CharField(required=False, max_length=253)
    destination = serializers.CharField(required=False, max_length=253)
    status = serializers.ChoiceField(choices=[status.value for status in Status], required=False)


class FilterIn(In):
    """Everything that is given must fit; `@domain` stands for all addresses of a domain."""

    sender = Text(required=False, max_length=330)
    recipient = Text(required=False, max_length=330)
    domain = Text(required=False, max_length=253)
    destination = Text(required=False, max_length=253)
    status = Choice(choices=[status.value for status in Status], required=False)
    older_than_seconds = Number(required=False, min_value=1, max_value=10**8)
    younger_than_seconds = Number(required=False, min_value=1, max_value=10**8)


class SpoolAction(In):
    """Exactly one of `ids`, `filter` and `all` says what is meant."""

    action = Choice(choices=[kind.value for kind in Kind])
    ids = Words(required=False, length=20, max_length=MOST_IDS, help_text="At least one.")
    filter = FilterIn(required=False)
    all = Switch(required=False, help_text="The whole spool: for system administrators.")
    priority = Number(
        required=False, allow_null=True, min_value=1, max_value=10, help_text="Null: by the rules."
    )
    reason = Text(required=False, max_length=200, help_text="Why it is held, or put in quarantine.")
    way = Text(
        required=False,
        max_length=300,
        help_text="auto, direct, gateway:7 or host:mx.example.net:25.",
    )


HOLD = OpenApiExample(
    "Hold mail to one domain",
    {"action": "hold", "filter": {"destination": "slow.example"}, "reason": "they are moving"},
    request_only=True,
)


class Spool(Endpoint):
    scope = "spool"

    @extend_schema(
        parameters=[SpoolFilters], responses=MessagesOut, summary="List what is in the spool"
    )
    def get(self, request: Request) -> Response:
        """Oldest first; mail that domains in sight cause, or that is for their mailboxes."""
        given = self.query(SpoolFilters)
        cursor = _cursor(given.pop("after", None))
        size = given.pop("size")
        page = selectors.page(
            actor_of(request),
            now=utc_now(),
            filter=_filter(given),
            column=Column.TIME_IN_SPOOL,
            rows=size,
            cursor=cursor,
        )
        return Response(
            {
                "items": [_row(row) for row in page.rows],
                "next": page.next.encode() if page.next is not None else None,
                "total": page.total,
                "is_exact": page.is_exact,
            }
        )


class SpoolMessage(Endpoint):
    scope = "spool"

    @extend_schema(responses=MessageDetailOut, summary="Read one message's state")
    def get(self, request: Request, spool_id: str) -> Response:
        """Also when it has left the spool, as long as its trace is kept."""
        actor = actor_of(request)
        message = sight.message_for(actor, read_id(spool_id))
        told = sight.trace_for(actor, message, limit=viewing.MOST_RECIPIENTS)
        recipients = viewing.views_of(told.recipients, told.attempts)
        return Response(
            {
                "id": encode_id(message.pk),
                "sender": message.sender,
                "message_id": message.message_id,
                "size_bytes": message.size_bytes,
                "accepted_at": message.accepted_at,
                "expires_at": message.expires_at,
                "finished_at": message.finished_at,
                "recipients": [_recipient(one) for one in recipients],
            }
        )


class SpoolActions(Endpoint):
    scope = "spool"

    @extend_schema(
        request=SpoolAction,
        responses={200: DoneOut, 202: JobOut},
        examples=[HOLD],
        summary="Act on messages",
    )
    def post(self, request: Request) -> Response:
        """Force, reset retries, set the priority or the way, hold, quarantine, release or delete.

        What is in quarantine is released by its ids, or by a filter with that status.

        Without a selection: 400 `nothing-selected`. On more than a thousand messages: 202 with a
        job, whose result has the same form, with `change_ids` for undoing.
        """
        actor, given = actor_of(request), self.read(SpoolAction)
        selection = _selection(actor, given)
        done = bulkjobs.carry_out(_order(given), selection, by=actor, now=utc_now())
        return jobs.accepted(done) if isinstance(done, Job) else Response(_done(done))


class SpoolUndo(Endpoint):
    scope = "spool"

    @extend_schema(request=None, responses={200: UndoneOut, 202: JobOut}, summary="Undo an action")
    def post(self, request: Request, key: int) -> Response:
        """While there is time: ten seconds for a deletion, a day for most others.

        Of more than a thousand messages: 202 with a job.
        """
        actor = actor_of(request)
        rows = SpoolChange.objects.filter(pk=min(key, LARGEST_KEY))
        if actor.role != Role.SYSTEM_ADMINISTRATOR:
            rows = rows.filter(actor_account=actor)
        if not rows.exists():
            raise NotFound
        done = bulkjobs.undo(change_id=key, by=actor, now=utc_now())
        return jobs.accepted(done) if isinstance(done, Job) else Response({"done": done})


def read_id(text: str) -> int:
    """Raises NotFound."""
    try:
        return decode_id(text)
    except BadId:
        raise NotFound from None


def _selection(actor: User, given: dict[str, Any]) -> Selection:
    named = [name for name in ("ids", "filter", "all") if given.get(name)]
    if not named:
        raise NothingSelected
    if len(named) > 1:
        raise ValuesRefused((Problem(named[1], f"cannot be given together with {named[0]}"),))
    if named == ["ids"]:
        return Selection.of([_selected_id(text) for text in given["ids"]], actor=actor)
    if named == ["filter"]:
        return Selection.matching(_filter(given["filter"]), actor=actor)
    return Selection.everything(actor=actor)


def _selected_id(text: str) -> int:
    try:
        return decode_id(text)
    except BadId:
        raise ValuesRefused((Problem("ids", "one is no spool id"),)) from None


def _filter(given: dict[str, Any]) -> SpoolFilter:
    spans: dict[str, Any] = {
        name: timedelta(seconds=given[f"{name}_seconds"])
        for name in ("older_than", "younger_than")
        if f"{name}_seconds" in given
    }
    texts = {
        name: given[name]
        for name in ("sender", "recipient", "domain", "destination")
        if name in given
    }
    status = Status(given["status"]) if "status" in given else None
    return SpoolFilter(status=status, **texts, **spans)


def _order(given: dict[str, Any]) -> Order:
    """Raises ValuesRefused."""
    kind = Kind(given["action"])
    if kind is Kind.PRIORITY and "priority" not in given:
        raise ValuesRefused((Problem("priority", "must be given"),))
    return Order(kind, given.get("priority"), given.get("reason", ""), given.get("way", ""))


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        return Cursor.parse(text, Column.TIME_IN_SPOOL)
    except CursorMalformed:
        raise ValuesRefused((Problem("after", "is not the `next` of a page"),)) from None


def _row(row: MessageRow) -> dict[str, Any]:
    return {
        "id": row.file_name,
        "sender": row.sender,
        "submitter": row.submitter,
        "recipients": row.recipients,
        "size_kb": row.size_kb,
        "delivered": row.delivered,
        "total": row.total,
        "accepted_at": row.accepted_at,
        "attempts": row.attempts,
        "next_at": row.next_at,
        "is_in_work": row.is_in_work,
        "status": row.status,
        "priority": row.priority,
        "is_priority_manual": row.is_priority_manual,
        "removed_at": row.removed_at,
    }


def _recipient(one: RecipientView) -> dict[str, Any]:
    return {
        "address": one.address,
        "original_address": one.original_address,
        "status": one.status,
        "is_ended": one.is_ended,
        "attempts": one.attempts,
        "next_at": one.next_at,
        "reply": one.reply,
        "way": one.way,
        "priority": one.priority,
        "removed_at": one.removed_at,
    }


def _done(done: Done) -> dict[str, Any]:
    return {
        "done": done.done,
        "skipped": done.skipped,
        "reasons": dict(done.reasons),
        "change_id": str(done.change_id) if done.change_id is not None else None,
    }


urlpatterns = [
    path("spool/", Spool.as_view(), name="spool"),
    path("spool/actions/", SpoolActions.as_view(), name="spool-actions"),
    path("spool/changes/<int:key>/undo/", SpoolUndo.as_view(), name="spool-undo"),
    path("spool/<str:spool_id>/", SpoolMessage.as_view(), name="spool-message"),
]
