"""The subscribers of a mailing list (L-012)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http.response import HttpResponseBase
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api import etags, pagination
from api.downloads import DownloadEndpoint, download
from api.endpoints import Endpoint, actor_of
from api.fields import Choice, In, Out, Switch, Text
from api.schema import page_of
from mailinglists import exporting, invitations, membership, selectors
from mailinglists.errors import SubscriberUnknown
from mailinglists.membership import Added, NewSubscriber
from mailinglists.models import Mode, Subscriber, SubscriberState

MOST_AT_ONCE = 1_000
MOST_MALFORMED = 100


class SubscriberFilters(pagination.Paged):
    q = serializers.CharField(
        required=False, max_length=320, help_text="A part of the address or the name."
    )
    state = serializers.ChoiceField(required=False, choices=SubscriberState.choices)
    mode = serializers.ChoiceField(required=False, choices=Mode.choices)


class ListSubscriberOut(Out):
    address = serializers.CharField()
    name = serializers.CharField(allow_blank=True)
    mode = serializers.ChoiceField(choices=Mode.choices)
    state = serializers.ChoiceField(choices=SubscriberState.choices)
    suspended_for = serializers.CharField(
        allow_blank=True, help_text="`bounces` or `request`; empty: not suspended."
    )
    bounce_score = serializers.FloatField(help_text="Of what came back lately.")
    last_bounce_at = serializers.DateTimeField(allow_null=True)
    subscribed_at = serializers.DateTimeField()


class NewListSubscriberIn(In):
    address = Text(max_length=320)
    name = Text(required=False, allow_blank=True, max_length=200)
    mode = Choice(required=False, choices=Mode.choices)


class NewListSubscribersIn(In):
    subscribers = serializers.ListField(
        child=NewListSubscriberIn(), min_length=1, max_length=MOST_AT_ONCE
    )
    have_agreed = Switch(
        required=False,
        default=False,
        help_text="They are subscribed at once, which is on record; otherwise each gets a mail and "
        "is subscribed when he confirms it.",
    )


class SubscribersAddedOut(Out):
    added = serializers.IntegerField()
    known = serializers.IntegerField(help_text="Were on the list already, and stay as they are.")
    malformed = serializers.ListField(
        child=serializers.CharField(), help_text="The first that are no addresses."
    )


class ListSubscriberIn(In):
    """What is given changes, the rest stays."""

    name = Text(required=False, allow_blank=True, max_length=200)
    mode = Choice(required=False, choices=Mode.choices)
    state = Choice(
        required=False,
        choices=[SubscriberState.ACTIVE.value, SubscriberState.SUSPENDED.value],
        help_text="`suspended`: gets nothing until it is `active` again, which also forgets what "
        "came back. Who has not confirmed cannot be set.",
    )


NEW = OpenApiExample(
    "Two who have agreed",
    {
        "subscribers": [
            {"address": "ann@partner.example", "name": "Ann Example"},
            {"address": "bob@partner.example", "mode": "digest"},
        ],
        "have_agreed": True,
    },
    request_only=True,
)


class ListSubscribers(Endpoint):
    scope = "mailing-lists"

    @extend_schema(
        parameters=[SubscriberFilters],
        responses=page_of(ListSubscriberOut),
        summary="List the subscribers of a mailing list",
    )
    def get(self, request: Request, address: str) -> Response:
        """In the order in which they came, however many there are."""
        given = self.query(SubscriberFilters)
        mailing_list = selectors.list_for(actor_of(request), address)
        rows = Subscriber.objects.filter(mailing_list=mailing_list)
        for name in ("state", "mode"):
            if name in given:
                rows = rows.filter(**{name: given[name]})
        if words := given.get("q"):
            rows = rows.filter(Q(key__icontains=words) | Q(name__icontains=words))
        return pagination.page(request, given, rows, key="id", show=_shown)

    @extend_schema(
        request=NewListSubscribersIn,
        responses=SubscribersAddedOut,
        examples=[NEW],
        summary="Add subscribers to a mailing list",
    )
    def post(self, request: Request, address: str) -> Response:
        """Up to a thousand at once; who is on the list already stays as he is."""
        actor = actor_of(request)
        mailing_list = selectors.list_for(actor, address)
        given = self.read(NewListSubscribersIn)
        rows = [
            NewSubscriber(one["address"], one.get("name", ""), one.get("mode", Mode.STANDARD))
            for one in given["subscribers"]
        ]
        added = Added()
        for part in invitations.import_subscribers(
            mailing_list=mailing_list, rows=rows, is_confirmed=given["have_agreed"], by=actor
        ):
            added.join(part)
        return Response(
            {
                "added": added.added,
                "known": added.known,
                "malformed": added.malformed[:MOST_MALFORMED],
            }
        )


class ListSubscriberView(Endpoint):
    scope = "mailing-lists"

    @extend_schema(responses=ListSubscriberOut, summary="Read a subscriber of a mailing list")
    def get(self, request: Request, address: str, subscriber: str) -> Response:
        return etags.tagged(_shown(self._row(request, address, subscriber)))

    @extend_schema(
        request=ListSubscriberIn,
        responses=ListSubscriberOut,
        summary="Change a subscriber of a mailing list",
    )
    def patch(self, request: Request, address: str, subscriber: str) -> Response:
        """How he gets posts, and whether he does."""
        actor = actor_of(request)
        row = self._row(request, address, subscriber)
        given = self.read(ListSubscriberIn)
        etags.require_match(request, _shown(row))
        state = given.pop("state", row.state)
        if given:
            row = membership.change_subscriber(subscriber=row, by=actor, **given)
        if state != row.state:
            is_off = state == SubscriberState.SUSPENDED
            row = (membership.suspend if is_off else membership.resume)(subscriber=row, by=actor)
        return etags.tagged(_shown(row))

    @extend_schema(responses={204: None}, summary="Remove a subscriber from a mailing list")
    def delete(self, request: Request, address: str, subscriber: str) -> Response:
        """He gets nothing more, and is not told."""
        row = self._row(request, address, subscriber)
        membership.remove_subscribers(
            mailing_list=row.mailing_list, addresses=[row.address], by=actor_of(request)
        )
        return Response(status=204)

    def _row(self, request: Request, address: str, subscriber: str) -> Subscriber:
        mailing_list = selectors.list_for(actor_of(request), address)
        if "@" not in subscriber:
            raise SubscriberUnknown(subscriber)
        return selectors.subscriber_of(mailing_list, subscriber)


class ListSubscribersExport(DownloadEndpoint):
    scope = "mailing-lists"

    @extend_schema(
        responses={(200, "text/csv"): OpenApiTypes.BINARY},
        summary="Download the subscribers of a mailing list",
    )
    def get(self, request: Request, address: str) -> HttpResponseBase:
        """All of them as CSV, which can be imported again; that you took them is on record."""
        actor = actor_of(request)
        mailing_list = selectors.list_for(actor, address)
        lines = exporting.export(mailing_list=mailing_list, by=actor)
        pieces = (line.encode() for line in lines)
        name = f"{mailing_list.address}-subscribers.csv"
        return download(pieces, name=name, content_type="text/csv; charset=utf-8")


def _shown(row: Subscriber) -> dict[str, Any]:
    return {
        "address": row.address,
        "name": row.name,
        "mode": row.mode,
        "state": row.state,
        "suspended_for": row.suspended_for,
        "bounce_score": row.bounce_score,
        "last_bounce_at": row.last_bounce_at,
        "subscribed_at": row.subscribed_at,
    }


_OF_LIST = "mailing-lists/<str:address>/subscribers/"
urlpatterns = [
    path(_OF_LIST, ListSubscribers.as_view(), name="list-subscribers"),
    path(f"{_OF_LIST}export/", ListSubscribersExport.as_view(), name="list-subscribers-export"),
    path(f"{_OF_LIST}<str:subscriber>/", ListSubscriberView.as_view(), name="list-subscriber"),
]
