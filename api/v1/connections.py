"""Connections that are open now, who is logged in by them, and ending them (M-020…M-047)."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import Verb
from api import pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out
from api.finding import LARGEST_KEY
from api.schema import page_of
from operations import useractivity
from operations.errors import ConnectionUnknown
from operations.models import Connection
from operations.useractivity import OnlineUser

MOST_ONLINE = 1000


class ConnectionOut(Out):
    id = serializers.CharField(help_text="A number of 64 bits, as a text.")
    service = serializers.CharField()
    client_address = serializers.CharField()
    client_port = serializers.IntegerField()
    local_address = serializers.CharField()
    local_port = serializers.IntegerField()
    is_encrypted = serializers.BooleanField()
    tls = serializers.CharField(allow_blank=True)
    is_logged_in = serializers.BooleanField()
    started_at = serializers.DateTimeField()
    bytes_in = serializers.IntegerField()
    bytes_out = serializers.IntegerField()


class OnlineOut(Out):
    connection_id = serializers.CharField()
    address = serializers.CharField()
    type = serializers.CharField()
    client_address = serializers.CharField()
    started_at = serializers.DateTimeField()


class OnlineListOut(Out):
    items = OnlineOut(many=True)


class PartyOut(Out):
    client_address = serializers.CharField()
    connections = serializers.IntegerField()
    since = serializers.DateTimeField()
    bytes_in = serializers.IntegerField()
    bytes_out = serializers.IntegerField()


class PartiesOut(Out):
    items = PartyOut(many=True)


class PartyFilters(In):
    service = serializers.CharField(required=False, default="", max_length=10)


class ConnectionFilters(pagination.Paged):
    service = serializers.CharField(required=False, default="", max_length=10)
    client_address = serializers.CharField(
        required=False, default="", max_length=45, help_text="How it begins."
    )
    is_outbound = serializers.BooleanField(required=False, default=False)


class OnlineFilters(In):
    address = serializers.CharField(required=False, default="", max_length=330)
    domain = serializers.CharField(required=False, default="", max_length=253)
    client_address = serializers.CharField(required=False, default="", max_length=45)


class Connections(Endpoint):
    scope = "connections"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[ConnectionFilters],
        responses=page_of(ConnectionOut),
        summary="List connections",
    )
    def get(self, request: Request) -> Response:
        """For system administrators, oldest first."""
        given = self.query(ConnectionFilters)
        rows = useractivity.connections_for(
            actor_of(request),
            service=given["service"],
            is_outbound=given["is_outbound"],
            text=given["client_address"],
        )
        return pagination.page(request, given, rows, key="id", show=_shown)


class Parties(Endpoint):
    scope = "connections"
    verb = Verb.MANAGE_SERVER

    @extend_schema(
        parameters=[PartyFilters], responses=PartiesOut, summary="List connections by address"
    )
    def get(self, request: Request) -> Response:
        """The busiest first."""
        service = self.query(PartyFilters)["service"]
        found = useractivity.parties_for(actor_of(request), service=service)
        names = ("client_address", "connections", "since", "bytes_in", "bytes_out")
        shown = [{name: getattr(one, name) for name in names} for one in found[:MOST_ONLINE]]
        return Response({"items": shown})


class ConnectionView(Endpoint):
    scope = "connections"

    @extend_schema(responses={204: None}, summary="End a connection")
    def delete(self, request: Request, key: int) -> Response:
        """Within a second; it may be made again at once. Administrators of a domain end the
        sessions of their users."""
        if key > LARGEST_KEY:
            raise ConnectionUnknown
        actor = actor_of(request)
        useractivity.drop(useractivity.connection_for(actor, key), by=actor)
        return Response(status=204)


class Online(Endpoint):
    scope = "connections"

    @extend_schema(parameters=[OnlineFilters], responses=OnlineListOut, summary="List online users")
    def get(self, request: Request) -> Response:
        """Who is logged in now, of the domains in sight."""
        found = useractivity.online_for(actor_of(request), **self.query(OnlineFilters))
        return Response({"items": [_online(one) for one in found[:MOST_ONLINE]]})


def _shown(row: Connection) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "service": row.service,
        "client_address": row.client_address,
        "client_port": row.client_port,
        "local_address": row.local_address,
        "local_port": row.local_port,
        "is_encrypted": row.is_encrypted,
        "tls": row.tls,
        "is_logged_in": row.account_id is not None,
        "started_at": row.started_at,
        "bytes_in": row.bytes_in,
        "bytes_out": row.bytes_out,
    }


def _online(one: OnlineUser) -> dict[str, Any]:
    return {
        "connection_id": str(one.connection_id),
        "address": one.address,
        "type": one.type,
        "client_address": one.client_address,
        "started_at": one.started_at,
    }


urlpatterns = [
    path("connections/", Connections.as_view(), name="connections"),
    path("connections/by-address/", Parties.as_view(), name="parties"),
    path("connections/online/", Online.as_view(), name="online"),
    path("connections/<int:key>/", ConnectionView.as_view(), name="connection"),
]
