"""The first page after logging in, and the search box of every page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from accounts import room, selectors
from accounts.models import Role
from blobs.ids import encode_id
from domains.lookups import begins_with
from panel import checklist, dashboard, figures, ownpages, refusals, windows
from panel.access import ADMINISTRATORS, EVERYBODY, PROVIDERS, actor_of, opens_for
from spool import sight

# What a search shows of each kind; more needs a longer word.
FOUND = 20
LONGEST_SEARCH = 200


@opens_for(EVERYBODY)
def home(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    context: dict[str, object] = {}
    if actor.role in PROVIDERS:
        context["figures"] = figures.of_provider(actor)
        context["full"] = refusals.full(room.for_domain(actor))
    if actor.role == Role.SYSTEM_ADMINISTRATOR:
        tasks = list(checklist.tasks())
        context["tasks"] = tasks if any(not task.is_done for task in tasks) else []
        context["dashboard"] = dashboard.of_server(actor)
    is_in_person = windows.of(request) is None
    if actor.role == Role.DOMAIN_ADMINISTRATOR:
        domain = selectors.domains_for(actor).get()
        own = ownpages.of_domain(actor, domain, is_in_person=is_in_person)
        context.update(domain=domain, own=own, figures=own.figures, tasks=own.tasks)
    if actor.role == Role.USER:
        mine = ownpages.of_user(actor, is_in_person=is_in_person)
        context.update(mine=mine, tasks=mine.tasks)
    return render(request, "panel/home.html", context)


@opens_for(ADMINISTRATORS)
def search(request: HttpRequest) -> HttpResponse:
    """Domains and users in sight by the beginning of their names, messages by address or id:
    that is what indexes find."""
    actor = actor_of(request)
    query = request.GET.get("q", "").strip().replace("\0", "")[:LONGEST_SEARCH]
    context: dict[str, object] = {"query": query}
    if query:
        local_part, _, name = query.lower().partition("@")
        domains = selectors.domains_for(actor)
        wanted = name or local_part
        named = begins_with("name", wanted) | begins_with("unicode_name", wanted)
        context["domains"] = domains.filter(named)[:FOUND]
        users = selectors.users_for(actor).filter(begins_with("local_part", local_part))
        if name:
            users = users.filter(begins_with("domain__name", name))
        context["users"] = users.order_by("local_part", "pk")[:FOUND]
        found = sight.find_for(actor, query)
        context["messages"] = [(encode_id(row.pk), row) for row in found.messages[:FOUND]]
        context["most"] = FOUND
    return render(request, "panel/search.html", context)


urlpatterns = [
    path("", home, name="home"),
    path("search/", search, name="search"),
]
