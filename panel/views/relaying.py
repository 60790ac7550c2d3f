"""Relay domains, relay networks and the forwarding blacklist (G-016, G-040, G-045)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse

from accounts import forwarding
from accounts.models import ForwardingBan
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


@dataclass(frozen=True, slots=True)
class ShortList:
    """`key`: the field that names a row; `columns`: label and field of what is shown besides.

    `add` takes `by` and what stands in the form, `remove` row and `by`.
    """

    title: str
    noun: str
    intro: str
    empty: str
    model: type[Model]
    key: str
    form: type[PanelForm]
    columns: tuple[tuple[str, str], ...]
    add: Callable[..., Any]
    remove: Callable[..., None]


RELAY_DOMAINS = ShortList(
    title="Relay domains",
    noun="relay domain",
    intro="Domains of somebody else's whose mail is taken here and passed on: a backup MX.",
    empty="This server takes mail for its own domains only.",
    model=RelayDomain,
    key="name",
    form=RelayDomainForm,
    columns=(("Passed on to", "host"), ("Port", "port"), ("Note", "note")),
    add=lambda name, by, **values: relaydomains.add(name=name, values=values, by=by),
    remove=relaydomains.remove,
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
    add=relay.add,
    remove=relay.remove,
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
    add=forwarding.add,
    remove=forwarding.remove,
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
    add=singly.add,
    remove=singly.remove,
)


def _list(request: HttpRequest, short: ShortList, remove_name: str) -> HttpResponse:
    form = short.form(request.POST if request.method == "POST" else None)
    tabbed = one_form(form, f"Add a {short.noun}")
    if request.method == "POST" and tabbed.is_valid():
        actor = actor_of(request)
        if tabbed.save(lambda: short.add(by=actor, **form.cleaned_data)):
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
    short.remove(row=row, by=actor_of(request))
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


def _paths(short: ShortList, list_name: str, row_name: str) -> list[URLPattern]:
    """The list, its path and URL name the same, and what takes a row off it."""
    remove_name = f"{row_name}-remove"

    @opens_for(SYSTEM, methods=FORM)
    def rows(request: HttpRequest) -> HttpResponse:
        return _list(request, short, f"panel:{remove_name}")

    @opens_for(SYSTEM, methods=ACTION)
    def remove(request: HttpRequest, row_id: int) -> HttpResponse:
        return _remove(request, short, row_id, f"panel:{list_name}")

    return [
        path(f"{list_name}/", rows, name=list_name),
        path(f"{list_name}/<int:row_id>/remove/", remove, name=remove_name),
    ]


urlpatterns = [
    *_paths(RELAY_DOMAINS, "relay-domains", "relay-domain"),
    *_paths(RELAY_NETWORKS, "relay-networks", "relay-network"),
    *_paths(FORWARDING_BLACKLIST, "forwarding-blacklist", "forwarding-ban"),
    *_paths(SINGLE_DESTINATIONS, "single-destinations", "single-destination"),
]
