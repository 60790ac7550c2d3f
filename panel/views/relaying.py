"""Relay domains, relay networks and the forwarding blacklist (G-016, G-040, G-045)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import forwarding
from accounts.models import ForwardingBan, User
from operations import relay
from operations.models import RelayNetwork
from panel import notices
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.forms.base import PanelForm
from panel.forms.routes import (
    ForwardingBanForm,
    RelayDomainForm,
    RelayNetworkForm,
    SingleDestinationForm,
    one_form,
)
from panel.notices import Undo
from spool import relaydomains, singly
from spool.models import RelayDomain, SingleDestination

MOST_SHOWN = 1_000

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShortList:
    """`key`: the field that names a row; `columns`: label and field of what is shown besides."""

    title: str
    noun: str
    intro: str
    empty: str
    model: type[Model]
    key: str
    form: type[PanelForm]
    columns: tuple[tuple[str, str], ...]
    add: Callable[[Values, User], Any]
    remove: Callable[[Any, User], None]


RELAY_DOMAINS = ShortList(
    title="Relay domains",
    noun="relay domain",
    intro="Domains of somebody else's whose mail is taken here and passed on: a backup MX.",
    empty="This server takes mail for its own domains only.",
    model=RelayDomain,
    key="name",
    form=RelayDomainForm,
    columns=(("Passed on to", "host"), ("Port", "port"), ("Note", "note")),
    add=lambda values, by: relaydomains.add(
        name=values["name"], values={k: v for k, v in values.items() if k != "name"}, by=by
    ),
    remove=lambda row, by: relaydomains.remove(row=row, by=by),
)
RELAY_NETWORKS = ShortList(
    title="Relay networks",
    noun="relay network",
    intro="Machines that may send through this server without logging in: web servers, scanners. "
    "Whoever can send from there can send to everybody.",
    empty="Everybody has to log in before sending, as it should be.",
    model=RelayNetwork,
    key="network",
    form=RelayNetworkForm,
    columns=(("Services", "services"), ("Note", "note")),
    add=lambda values, by: relay.add(by=by, **values),
    remove=lambda row, by: relay.remove(row=row, by=by),
)
FORWARDING_BLACKLIST = ShortList(
    title="Forwarding blacklist",
    noun="blacklisted domain",
    intro="Domains to which nobody's mail is forwarded automatically, as they blame this server "
    "for the spam that comes along. Forwards that exist already stop.",
    empty="Mail may be forwarded everywhere.",
    model=ForwardingBan,
    key="name",
    form=ForwardingBanForm,
    columns=(("Note", "note"),),
    add=lambda values, by: forwarding.add(name=values["name"], note=values["note"], by=by),
    remove=lambda row, by: forwarding.remove(row=row, by=by),
)


SINGLE_DESTINATIONS = ShortList(
    title="One recipient at a time",
    noun="single-recipient destination",
    intro="Domains elsewhere that get each message once for every recipient, on the same "
    "connection: some strict servers, and some for mailing lists, want it so. It costs speed and "
    "bandwidth. Gateways and relay domains have a switch of their own.",
    empty="Recipients of a message at the same server share one transaction.",
    model=SingleDestination,
    key="name",
    form=SingleDestinationForm,
    columns=(("Note", "note"),),
    add=lambda values, by: singly.add(name=values["name"], note=values["note"], by=by),
    remove=lambda row, by: singly.remove(row=row, by=by),
)


@opens_for(SYSTEM, methods=FORM)
def relay_domains(request: HttpRequest) -> HttpResponse:
    return _page(request, RELAY_DOMAINS, "panel:relay-domain-remove")


@opens_for(SYSTEM, methods=ACTION)
def remove_relay_domain(request: HttpRequest, row_id: int) -> HttpResponse:
    return _remove(request, RELAY_DOMAINS, row_id, "panel:relay-domains")


@opens_for(SYSTEM, methods=FORM)
def relay_networks(request: HttpRequest) -> HttpResponse:
    return _page(request, RELAY_NETWORKS, "panel:relay-network-remove")


@opens_for(SYSTEM, methods=ACTION)
def remove_relay_network(request: HttpRequest, row_id: int) -> HttpResponse:
    return _remove(request, RELAY_NETWORKS, row_id, "panel:relay-networks")


@opens_for(SYSTEM, methods=FORM)
def forwarding_blacklist(request: HttpRequest) -> HttpResponse:
    return _page(request, FORWARDING_BLACKLIST, "panel:forwarding-ban-remove")


@opens_for(SYSTEM, methods=ACTION)
def remove_forwarding_ban(request: HttpRequest, row_id: int) -> HttpResponse:
    return _remove(request, FORWARDING_BLACKLIST, row_id, "panel:forwarding-blacklist")


@opens_for(SYSTEM, methods=FORM)
def single_destinations(request: HttpRequest) -> HttpResponse:
    return _page(request, SINGLE_DESTINATIONS, "panel:single-destination-remove")


@opens_for(SYSTEM, methods=ACTION)
def remove_single_destination(request: HttpRequest, row_id: int) -> HttpResponse:
    return _remove(request, SINGLE_DESTINATIONS, row_id, "panel:single-destinations")


def _page(request: HttpRequest, short: ShortList, remove_name: str) -> HttpResponse:
    form = short.form(request.POST if request.method == "POST" else None)
    tabbed = one_form(form, f"Add a {short.noun}")
    if request.method == "POST" and tabbed.is_valid():
        actor = actor_of(request)
        if tabbed.save(lambda: short.add(form.cleaned_data, actor)):
            notices.done(request, f"Added the {short.noun} {form.cleaned_data[short.key]}.")
            return redirect(request.path)
    found = short.model._default_manager.order_by(short.key)[:MOST_SHOWN]
    rows = [
        (
            getattr(row, short.key),
            [_shown(getattr(row, field)) for _, field in short.columns],
            reverse(remove_name, args=[row.pk]),
        )
        for row in found
    ]
    context = {"short": short, "rows": rows, "tabbed": tabbed, "form": form}
    return render(request, "panel/routes/short_list.html", context)


def _remove(request: HttpRequest, short: ShortList, row_id: int, back: str) -> HttpResponse:
    row = short.model._default_manager.filter(pk=row_id).first()
    if row is None:
        raise Http404
    values = {name: getattr(row, name) for name in short.form.base_fields}
    name = getattr(row, short.key)
    short.remove(row, actor_of(request))
    # Undo adds it again: what stands in the form is all that there is.
    fields = {
        key: value if isinstance(value, list) else [str(value)]
        for key, value in values.items()
        if value not in ("", False)
    }
    undo = Undo(reverse(back), fields)
    notices.done(request, f"Removed the {short.noun} {name}.", undo=undo)
    return redirect(back)


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


urlpatterns = [
    path("relay-domains/", relay_domains, name="relay-domains"),
    path("relay-domains/<int:row_id>/remove/", remove_relay_domain, name="relay-domain-remove"),
    path("relay-networks/", relay_networks, name="relay-networks"),
    path("relay-networks/<int:row_id>/remove/", remove_relay_network, name="relay-network-remove"),
    path("forwarding-blacklist/", forwarding_blacklist, name="forwarding-blacklist"),
    path(
        "forwarding-blacklist/<int:row_id>/remove/",
        remove_forwarding_ban,
        name="forwarding-ban-remove",
    ),
    path("single-destinations/", single_destinations, name="single-destinations"),
    path(
        "single-destinations/<int:row_id>/remove/",
        remove_single_destination,
        name="single-destination-remove",
    ),
]
