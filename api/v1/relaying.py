"""Who may send through here, and what is passed on where (G-016, G-040, G-045)."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import path
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import forwarding
from accounts.models import ForwardingBan
from accounts.permissions import Verb
from api import etags, finding, pagination
from api.endpoints import Endpoint, actor_of
from api.fields import In, Out, Text, Words, of_model
from api.schema import page_of
from api.shapes import values_of
from operations import relay
from operations.models import RelayNetwork, RelayService
from spool import relaydomains, singly
from spool.models import RelayDomain, SingleDestination


class NoteIn(In):
    note = Text(required=False, allow_blank=True, max_length=200)


class RelayFilters(pagination.Paged):
    q = serializers.CharField(required=False, max_length=253, help_text="A part of it.")


class RelayingEndpoint(Endpoint):
    scope = "relaying"
    verb = Verb.MANAGE_SERVER


# --- networks ------------------------------------------------------------------------------------


class RelayNetworkIn(NoteIn):
    """What is given changes, the rest stays."""

    services = Words(
        required=False,
        min_length=1,
        length=10,
        help_text=f"Of {', '.join(RelayService.values)}: where its machines need not log in. "
        "A new network begins with smtp.",
    )


class NewRelayNetworkIn(RelayNetworkIn):
    """For which machines nobody has to log in, and where."""

    network = Text(max_length=49, help_text="An address, or a network such as 192.0.2.0/24.")


class RelayNetworkOut(Out):
    id = serializers.IntegerField()
    network = serializers.CharField()
    services = serializers.ListField(child=serializers.CharField())
    note = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


NETWORK = OpenApiExample(
    "A web server", {"network": "192.0.2.17", "note": "forms of the web shop"}, request_only=True
)


class RelayNetworks(RelayingEndpoint):
    @extend_schema(
        parameters=[RelayFilters], responses=page_of(RelayNetworkOut), summary="List relay networks"
    )
    def get(self, request: Request) -> Response:
        """Machines that may send without logging in."""
        given = self.query(RelayFilters)
        rows = RelayNetwork.objects.filter(network__icontains=given.get("q", ""))
        return pagination.page(request, given, rows, key="id", show=_network)

    @extend_schema(
        request=NewRelayNetworkIn,
        responses={201: RelayNetworkOut},
        examples=[NETWORK],
        summary="Add a relay network",
    )
    def post(self, request: Request) -> Response:
        """Whoever can send from there can send to everybody."""
        row = relay.add(by=actor_of(request), **self.read(NewRelayNetworkIn))
        return etags.tagged(_network(row), status=201, Location=f"{request.path}{row.pk}/")


class RelayNetworkView(RelayingEndpoint):
    @extend_schema(responses=RelayNetworkOut, summary="Read a relay network")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_network(finding.one(RelayNetwork.objects.all(), key)))

    @extend_schema(
        request=RelayNetworkIn, responses=RelayNetworkOut, summary="Change a relay network"
    )
    def patch(self, request: Request, key: int) -> Response:
        given = self.read(RelayNetworkIn)
        with transaction.atomic():
            row = finding.one(RelayNetwork.objects.select_for_update(), key)
            etags.require_match(request, _network(row))
            row = relay.change(row=row, values=given, by=actor_of(request))
        return etags.tagged(_network(row))

    @extend_schema(responses={204: None}, summary="Remove a relay network")
    def delete(self, request: Request, key: int) -> Response:
        """Its machines must log in from now on."""
        row = finding.one(RelayNetwork.objects.all(), key)
        etags.require_match(request, _network(row), is_needed=False)
        relay.remove(row=row, by=actor_of(request))
        return Response(status=204)


def _network(row: RelayNetwork) -> dict[str, Any]:
    return {"id": row.pk, **values_of(row, ("network", *relay.FIELDS, "created_at"))}


# --- domains -------------------------------------------------------------------------------------

RelayDomainIn: Any = of_model("RelayDomainIn", RelayDomain, relaydomains.FIELDS)
_RelayDomainShown: Any = of_model("RelayDomainShown", RelayDomain, relaydomains.FIELDS, Out)


class NewRelayDomainIn(RelayDomainIn):  # type: ignore[misc]
    name = Text(max_length=253, help_text="A domain of somebody else's.")


class RelayDomainOut(_RelayDomainShown):  # type: ignore[misc]
    id = serializers.IntegerField()
    name = serializers.CharField()


class RelayDomains(RelayingEndpoint):
    @extend_schema(
        parameters=[RelayFilters], responses=page_of(RelayDomainOut), summary="List relay domains"
    )
    def get(self, request: Request) -> Response:
        """Domains of somebody else's whose mail is taken and passed on: backup MX."""
        given = self.query(RelayFilters)
        rows = RelayDomain.objects.filter(name__icontains=given.get("q", ""))
        return pagination.page(request, given, rows, key="name", show=_domain)

    @extend_schema(
        request=NewRelayDomainIn, responses={201: RelayDomainOut}, summary="Add a relay domain"
    )
    def post(self, request: Request) -> Response:
        given = self.read(NewRelayDomainIn)
        row = relaydomains.add(name=given.pop("name"), values=given, by=actor_of(request))
        return etags.tagged(_domain(row), status=201, Location=f"{request.path}{row.pk}/")


class RelayDomainView(RelayingEndpoint):
    @extend_schema(responses=RelayDomainOut, summary="Read a relay domain")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_domain(finding.one(RelayDomain.objects.all(), key)))

    @extend_schema(request=RelayDomainIn, responses=RelayDomainOut, summary="Change a relay domain")
    def patch(self, request: Request, key: int) -> Response:
        given = self.read(RelayDomainIn)
        with transaction.atomic():
            row = finding.one(RelayDomain.objects.select_for_update(), key)
            etags.require_match(request, _domain(row))
            row = relaydomains.change(row=row, values=given, by=actor_of(request))
        return etags.tagged(_domain(row))

    @extend_schema(responses={204: None}, summary="Remove a relay domain")
    def delete(self, request: Request, key: int) -> Response:
        """No mail is taken for it any more; what waits goes to its MX."""
        row = finding.one(RelayDomain.objects.all(), key)
        etags.require_match(request, _domain(row), is_needed=False)
        relaydomains.remove(row=row, by=actor_of(request))
        return Response(status=204)


def _domain(row: RelayDomain) -> dict[str, Any]:
    return {"id": row.pk, "name": row.name, **values_of(row, relaydomains.FIELDS)}


# --- where nothing is forwarded ------------------------------------------------------------------


class NewForwardingBanIn(NoteIn):
    name = Text(max_length=255, help_text="A domain, or *.domain for all below it.")


class ForwardingBanOut(Out):
    id = serializers.IntegerField()
    name = serializers.CharField()
    note = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


class ForwardingBans(RelayingEndpoint):
    @extend_schema(
        parameters=[RelayFilters],
        responses=page_of(ForwardingBanOut),
        summary="List the forwarding blacklist",
    )
    def get(self, request: Request) -> Response:
        """Domains to which nobody's mail is forwarded automatically."""
        given = self.query(RelayFilters)
        rows = ForwardingBan.objects.filter(name__icontains=given.get("q", ""))
        return pagination.page(request, given, rows, key="name", show=_ban)

    @extend_schema(
        request=NewForwardingBanIn,
        responses={201: ForwardingBanOut},
        summary="Add to the forwarding blacklist",
    )
    def post(self, request: Request) -> Response:
        """Forwards that exist already stop."""
        row = forwarding.add(by=actor_of(request), **self.read(NewForwardingBanIn))
        return etags.tagged(_ban(row), status=201, Location=f"{request.path}{row.pk}/")


class ForwardingBanView(RelayingEndpoint):
    @extend_schema(responses=ForwardingBanOut, summary="Read an entry of the forwarding blacklist")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_ban(finding.one(ForwardingBan.objects.all(), key)))

    @extend_schema(
        request=NoteIn, responses=ForwardingBanOut, summary="Change a forwarding entry's note"
    )
    def patch(self, request: Request, key: int) -> Response:
        given = self.read(NoteIn)
        with transaction.atomic():
            row = finding.one(ForwardingBan.objects.select_for_update(), key)
            etags.require_match(request, _ban(row))
            row = forwarding.change(row=row, note=given.get("note", row.note), by=actor_of(request))
        return etags.tagged(_ban(row))

    @extend_schema(responses={204: None}, summary="Remove from the forwarding blacklist")
    def delete(self, request: Request, key: int) -> Response:
        """Forwards there go on."""
        row = finding.one(ForwardingBan.objects.all(), key)
        etags.require_match(request, _ban(row), is_needed=False)
        forwarding.remove(row=row, by=actor_of(request))
        return Response(status=204)


def _ban(row: ForwardingBan) -> dict[str, Any]:
    return {"id": row.pk, **values_of(row, ("name", "note", "created_at"))}


# --- one recipient at a time ---------------------------------------------------------------------


class NewSingleDestinationIn(NoteIn):
    name = Text(max_length=253, help_text="A domain, or .domain for all below it.")


class SingleDestinationOut(Out):
    id = serializers.IntegerField()
    name = serializers.CharField()
    note = serializers.CharField(allow_blank=True)


class SingleDestinations(RelayingEndpoint):
    @extend_schema(
        parameters=[RelayFilters],
        responses=page_of(SingleDestinationOut),
        summary="List single-recipient destinations",
    )
    def get(self, request: Request) -> Response:
        """Domains that get each message once for every recipient."""
        given = self.query(RelayFilters)
        rows = SingleDestination.objects.filter(name__icontains=given.get("q", ""))
        return pagination.page(request, given, rows, key="name", show=_single)

    @extend_schema(
        request=NewSingleDestinationIn,
        responses={201: SingleDestinationOut},
        summary="Add a single-recipient destination",
    )
    def post(self, request: Request) -> Response:
        """Mail goes there one recipient at a time from now on."""
        row = singly.add(by=actor_of(request), **self.read(NewSingleDestinationIn))
        return etags.tagged(_single(row), status=201, Location=f"{request.path}{row.pk}/")


class SingleDestinationView(RelayingEndpoint):
    @extend_schema(responses=SingleDestinationOut, summary="Read a single-recipient destination")
    def get(self, request: Request, key: int) -> Response:
        return etags.tagged(_single(finding.one(SingleDestination.objects.all(), key)))

    @extend_schema(
        request=NoteIn,
        responses=SingleDestinationOut,
        summary="Change a single-recipient destination's note",
    )
    def patch(self, request: Request, key: int) -> Response:
        given = self.read(NoteIn)
        with transaction.atomic():
            row = finding.one(SingleDestination.objects.select_for_update(), key)
            etags.require_match(request, _single(row))
            row = singly.change(row=row, note=given.get("note", row.note), by=actor_of(request))
        return etags.tagged(_single(row))

    @extend_schema(responses={204: None}, summary="Remove a single-recipient destination")
    def delete(self, request: Request, key: int) -> Response:
        """Its recipients share transactions again."""
        row = finding.one(SingleDestination.objects.all(), key)
        etags.require_match(request, _single(row), is_needed=False)
        singly.remove(row=row, by=actor_of(request))
        return Response(status=204)


def _single(row: SingleDestination) -> dict[str, Any]:
    return {"id": row.pk, **values_of(row, ("name", "note"))}


urlpatterns = [
    path("relay-networks/", RelayNetworks.as_view(), name="relay-networks"),
    path("relay-networks/<int:key>/", RelayNetworkView.as_view(), name="relay-network"),
    path("relay-domains/", RelayDomains.as_view(), name="relay-domains"),
    path("relay-domains/<int:key>/", RelayDomainView.as_view(), name="relay-domain"),
    path("forwarding-blacklist/", ForwardingBans.as_view(), name="forwarding-blacklist"),
    path("forwarding-blacklist/<int:key>/", ForwardingBanView.as_view(), name="forwarding-ban"),
    path("single-destinations/", SingleDestinations.as_view(), name="single-destinations"),
    path(
        "single-destinations/<int:key>/",
        SingleDestinationView.as_view(),
        name="single-destination",
    ),
]
