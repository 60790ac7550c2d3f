"""The Services page: each mail service is switched on and off here (M-001…M-010)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import permissions
from accounts.permissions import Verb
from clock.moments import utc_now
from domains.errors import Refused
from operations import services, servicestate
from operations.models import Service
from operations.servicestate import ServiceStanding
from panel import notices, refusals, servicerows
from panel.access import ACTION, SYSTEM, actor_of, opens_for
from panel.lists import Link
from panel.notices import Undo
from spool import load


@opens_for(SYSTEM)
def overview(request: HttpRequest) -> HttpResponse:
    """For htmx only the cells that change, so that checked boxes stay checked."""
    standings = servicestate.standings_for(actor_of(request))
    node = _node(request.GET)
    is_part = request.headers.get("HX-Request") == "true"
    page = "states" if is_part else "services"
    context = {
        "rows": servicerows.rows(standings, node),
        "node": "" if node is None else node,
        "machines": list(_machines(standings, node)),
        "is_part": is_part,
        "load": load.current(now=utc_now()),
    }
    return render(request, f"panel/operations/{page}.html", context)


@opens_for(SYSTEM, methods=ACTION)
def start(request: HttpRequest) -> HttpResponse:
    return _switch(request, _chosen(request), is_start=True)


@opens_for(SYSTEM, methods=ACTION)
def stop(request: HttpRequest) -> HttpResponse:
    return _switch(request, _chosen(request), is_start=False)


@opens_for(SYSTEM, methods=ACTION)
def start_all(request: HttpRequest) -> HttpResponse:
    return _switch_all(request, services.start_all, "Started all services.", "stop")


@opens_for(SYSTEM, methods=ACTION)
def stop_all(request: HttpRequest) -> HttpResponse:
    text = "Stopped all services: what is under way is finished, nothing new begins."
    return _switch_all(request, services.stop_all, text, "start")


def _switch(request: HttpRequest, chosen: list[Service], *, is_start: bool) -> HttpResponse:
    actor, node = actor_of(request), _node(request.POST)
    permissions.require(actor, Verb.MANAGE_SERVER)
    if not chosen:
        notices.warned(request, "Select the services that you mean first.")
    done = []
    for service in chosen:
        try:
            if is_start:
                services.start(service, by=actor, node=node)
            else:
                services.stop(service, by=actor, node=node)
        except Refused as error:
            notices.failed(request, refusals.words(error))
        else:
            done.append(service)
    if done:
        names = ", ".join(service.label for service in done)
        verb, opposite = ("Started", "stop") if is_start else ("Stopped", "start")
        undo = _undo(opposite, done, node)
        notices.done(request, f"{verb} {names}{_where(node)}.", undo=undo)
    return redirect(_back(node))


def _switch_all(
    request: HttpRequest, change: Callable[..., list[ServiceStanding]], text: str, opposite: str
) -> HttpResponse:
    actor, node = actor_of(request), _node(request.POST)
    permissions.require(actor, Verb.MANAGE_SERVER)
    before = servicerows.rows(servicestate.standings(), node)
    is_start = opposite == "stop"
    changed = [
        Service(row.service)
        for row in before
        if (row.is_switched_off if is_start else row.is_wanted)
    ]
    try:
        change(by=actor, node=node)
    except Refused as error:
        notices.failed(request, refusals.words(error))
    else:
        undo = _undo(opposite, changed, node) if changed else None
        notices.done(request, text, undo=undo)
    return redirect(_back(node))


def _chosen(request: HttpRequest) -> list[Service]:
    """What was checked, or the one of a row's own button."""
    given = [request.POST["only"]] if "only" in request.POST else request.POST.getlist("selected")
    return [service for service in Service if service.value in given]


def _undo(opposite: str, changed: Iterable[Service], node: int | None) -> Undo:
    fields = {"selected": [service.value for service in changed]}
    if node is not None:
        fields["node"] = [str(node)]
    return Undo(reverse(f"panel:services-{opposite}"), fields)


def _node(given: QueryDict) -> int | None:
    """Which machine is meant; None: all of them."""
    text = given.get("node", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None


def _where(node: int | None) -> str:
    return "" if node is None else f" on machine {node}"


def _back(node: int | None) -> str:
    return reverse("panel:services") + ("" if node is None else f"?node={node}")


def _machines(standings: Iterable[ServiceStanding], node: int | None) -> Iterable[Link]:
    """To choose one; nothing to choose where there is only one."""
    nodes = sorted({one.node for one in standings})
    if len(nodes) < 2:
        return
    yield Link("All machines", _back(None), node is None)
    for number in nodes:
        yield Link(f"Machine {number}", _back(number), number == node)


urlpatterns = [
    path("services/", overview, name="services"),
    path("services/start/", start, name="services-start"),
    path("services/stop/", stop, name="services-stop"),
    path("services/start-all/", start_all, name="services-start-all"),
    path("services/stop-all/", stop_all, name="services-stop-all"),
]
