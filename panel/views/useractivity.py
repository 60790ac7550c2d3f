"""Online users and current connections, and what is done about them (M-020…M-047)."""

from __future__ import annotations

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import impersonation, permissions, selectors
from accounts.errors import ImpersonationOver, NotPermitted
from accounts.models import Impersonation, Role, User
from accounts.permissions import Verb
from clock.moments import utc_now
from operations import useractivity
from operations.errors import ConnectionUnknown
from operations.models import Connection
from panel import bulk, notices
from panel.access import ACTION, ADMINISTRATORS, SYSTEM, actor_of, opens_for
from panel.activitylists import OUTBOUND, ConnectionListing, SessionListing, name_users
from panel.lists import BulkAction, Link

# More addresses than that are not shown at once: the busiest are what matters.
MOST_PARTIES = 200
PROTOCOLS = (("", "All"), ("smtp", "SMTP"), ("imap", "IMAP"), ("pop", "POP"), ("ldap", "LDAP"))


@opens_for(ADMINISTRATORS)
def online(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    actions = (
        BulkAction("End session", "log-out", reverse("panel:online-users-end")),
        BulkAction("Disable user", "user-x", reverse("panel:online-users-disable"), is_danger=True),
    )
    listing = SessionListing(request, useractivity.sessions_for(actor), actions=actions)
    return listing.response(impersonations=_impersonations(actor))


@opens_for(ADMINISTRATORS, methods=ACTION)
def end(request: HttpRequest) -> HttpResponse:
    """The user may log in again at once (M-025)."""
    listing = SessionListing(request, useractivity.sessions_for(actor_of(request)))
    _cut(request, listing.selected(), "Ended", "sessions")
    return redirect(_back(request, "panel:online-users"))


@opens_for(ADMINISTRATORS, methods=ACTION)
def end_impersonation(request: HttpRequest, number: int) -> HttpResponse:
    """One's own window, or by a system administrator anybody's (U-060)."""
    try:
        row = impersonation.end_for(actor_of(request), number, now=utc_now())
    except ImpersonationOver:
        notices.warned(request, "This impersonation has ended meanwhile.")
    else:
        notices.done(request, f"Ended the impersonation of {row.subject} by {row.by}.")
    return redirect("panel:online-users")


@opens_for(ADMINISTRATORS, methods=ACTION)
def disable(request: HttpRequest) -> HttpResponse:
    """Until an administrator enables them again; all their sessions end (M-026)."""
    actor = actor_of(request)
    listing = SessionListing(request, useractivity.sessions_for(actor))
    accounts = listing.selected().values("account_id")
    chosen = list(selectors.users_for(actor).filter(pk__in=accounts).order_by("pk"))

    def change(user: User) -> None:
        permissions.require(actor, Verb.CHANGE_USERS, user.domain)
        useractivity.disable_user(user=user, by=actor)

    outcome = bulk.each(chosen, change)
    _say_if_none(request, chosen)
    bulk.tell(request, "Disabled", outcome, "users")
    return redirect(_back(request, "panel:online-users"))


@opens_for(SYSTEM)
def connections(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    is_outbound = request.GET.get("show") == OUTBOUND
    rows = useractivity.connections_for(actor, is_outbound=is_outbound)
    actions = (BulkAction("Drop", "unplug", reverse("panel:connections-drop")),)
    listing = ConnectionListing(request, rows, actions=actions)
    name_users(listing.rows, actor)
    return listing.response()


@opens_for(SYSTEM, methods=ACTION)
def drop(request: HttpRequest) -> HttpResponse:
    """Cut without blacklisting (M-047)."""
    is_outbound = request.GET.get("show") == OUTBOUND
    rows = useractivity.connections_for(actor_of(request), is_outbound=is_outbound)
    _cut(request, ConnectionListing(request, rows).selected(), "Dropped", "connections")
    return redirect(_back(request, "panel:connections"))


@opens_for(SYSTEM)
def parties(request: HttpRequest) -> HttpResponse:
    """The connections grouped by address, so that too many of one are seen (M-045)."""
    service = request.GET.get("service", "")
    service = service if service in dict(PROTOCOLS) else ""
    found = useractivity.parties_for(actor_of(request), service=service)
    url = reverse("panel:connection-parties")
    context = {
        "parties": found[:MOST_PARTIES],
        "number": len(found),
        "most": MOST_PARTIES,
        "service": service,
        "protocols": [
            Link(label, f"{url}?service={name}" if name else url, name == service)
            for name, label in PROTOCOLS
        ],
    }
    return render(request, "panel/operations/parties.html", context)


def _cut(request: HttpRequest, rows: Iterable[Connection], verb: str, plural: str) -> None:
    actor = actor_of(request)

    def change(row: Connection) -> None:
        try:
            useractivity.drop(useractivity.connection_for(actor, row.pk), by=actor)
        except ConnectionUnknown:
            # Seen, yet not his to end; one that has ended meanwhile is as was wanted.
            if useractivity.sessions_for(actor).filter(pk=row.pk).exists():
                raise NotPermitted(Verb.CHANGE_USERS) from None

    chosen = list(rows)
    _say_if_none(request, chosen)
    bulk.tell(request, verb, bulk.each(chosen, change), plural)


def _say_if_none(request: HttpRequest, chosen: list[User] | list[Connection]) -> None:
    if not chosen:
        notices.warned(request, "Nothing was selected, or it has ended meanwhile.")


def _impersonations(actor: User) -> list[tuple[Impersonation, bool, str]]:
    """Each with whether the actor may end it, and the address it comes from.

    From where the provider's people work is none of a customer's business.
    """
    rows = impersonation.visible_to(actor, now=utc_now())
    is_system = actor.role == Role.SYSTEM_ADMINISTRATOR
    return [
        (
            row,
            impersonation.may_end(actor, row),
            row.client_address if is_system or row.by_id == actor.pk else "",
        )
        for row in rows
    ]


def _back(request: HttpRequest, name: str) -> str:
    """The list as it was filtered."""
    state = request.GET.urlencode()
    return reverse(name) + (f"?{state}" if state else "")


urlpatterns = [
    path("online-users/", online, name="online-users"),
    path("online-users/end/", end, name="online-users-end"),
    path("online-users/disable/", disable, name="online-users-disable"),
    path(
        "online-users/impersonation/<int:number>/end/",
        end_impersonation,
        name="online-users-end-impersonation",
    ),
    path("connections/", connections, name="connections"),
    path("connections/drop/", drop, name="connections-drop"),
    path("connections/by-address/", parties, name="connection-parties"),
]
