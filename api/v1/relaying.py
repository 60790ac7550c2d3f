"""Who may send through here, and what is passed on where (G-016, G-040, G-045)."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from accounts import forwarding
from accounts.models import ForwardingBan
from api.fields import In, Out, Text, Words, of_model
from api.shortlists import ShortList, paths_of
from operations import relay
from operations.models import RelayNetwork, RelayService
from spool import relaydomains, singly
from spool.models import RelayDomain, SingleDestination


class NoteIn(In):
    note = Text(required=False, allow_blank=True, max_length=200)


class _NamedOut(Out):
    id = serializers.IntegerField()
    name = serializers.CharField()


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


NETWORKS = ShortList(
    model=RelayNetwork,
    several="relay networks",
    one="a relay network",
    key="network",
    order="id",
    new=NewRelayNetworkIn,
    changed=RelayNetworkIn,
    shown=RelayNetworkOut,
    add=relay.add,
    change=relay.change,
    remove=relay.remove,
    tells={
        "list": "Machines that may send without logging in.",
        "add": "Whoever can send from there can send to everybody.",
        "remove": "Its machines must log in from now on.",
    },
    examples=[
        OpenApiExample(
            "A web server",
            {"network": "192.0.2.17", "note": "forms of the web shop"},
            request_only=True,
        )
    ],
)

RelayDomainIn: Any = of_model("RelayDomainIn", RelayDomain, relaydomains.FIELDS)
RelayDomainOut: Any = of_model("RelayDomainOut", RelayDomain, relaydomains.FIELDS, _NamedOut)


class NewRelayDomainIn(RelayDomainIn):  # type: ignore[misc]
    name = Text(max_length=253, help_text="A domain of somebody else's.")


DOMAINS = ShortList(
    model=RelayDomain,
    several="relay domains",
    one="a relay domain",
    new=NewRelayDomainIn,
    changed=RelayDomainIn,
    shown=RelayDomainOut,
    add=lambda name, by, **values: relaydomains.add(name=name, values=values, by=by),
    change=relaydomains.change,
    remove=relaydomains.remove,
    tells={
        "list": "Domains of somebody else's whose mail is taken and passed on: backup MX.",
        "remove": "No mail is taken for it any more; what waits goes to its MX.",
    },
)


class NewForwardingBanIn(NoteIn):
    name = Text(max_length=255, help_text="A domain, or *.domain for all below it.")


class ForwardingBanOut(_NamedOut):
    note = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()


BLACKLIST = ShortList(
    model=ForwardingBan,
    several="the forwarding blacklist",
    one="a forwarding blacklist entry",
    new=NewForwardingBanIn,
    changed=NoteIn,
    shown=ForwardingBanOut,
    add=forwarding.add,
    change=forwarding.change,
    remove=forwarding.remove,
    tells={
        "list": "Domains to which nobody's mail is forwarded automatically.",
        "add": "Forwards that exist already stop.",
        "remove": "Forwards there go on.",
    },
)


class NewSingleDestinationIn(NoteIn):
    name = Text(max_length=253, help_text="A domain, or .domain for all below it.")


class SingleDestinationOut(_NamedOut):
    note = serializers.CharField(allow_blank=True)


SINGLES = ShortList(
    model=SingleDestination,
    several="single-recipient destinations",
    one="a single-recipient destination",
    new=NewSingleDestinationIn,
    changed=NoteIn,
    shown=SingleDestinationOut,
    add=singly.add,
    change=singly.change,
    remove=singly.remove,
    tells={
        "list": "Domains that get each message once for every recipient.",
        "add": "Mail goes there one recipient at a time from now on.",
        "remove": "Its recipients share transactions again.",
    },
)

urlpatterns = [
    *paths_of(NETWORKS, "relay-networks", "relay-network"),
    *paths_of(DOMAINS, "relay-domains", "relay-domain"),
    *paths_of(BLACKLIST, "forwarding-blacklist", "forwarding-ban"),
    *paths_of(SINGLES, "single-destinations", "single-destination"),
]
