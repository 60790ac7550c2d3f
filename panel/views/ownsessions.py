"""The browsers in which somebody is logged in, and the button that ends one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path

from accounts import websessions
from accounts.models import WebSession
from clock.moments import utc_now
from panel import accountpages, notices, sessions
from panel.access import ACTION, EVERYBODY, actor_of, opens_for


@opens_for(EVERYBODY, in_person=True)
def browsers(request: HttpRequest) -> HttpResponse:
    rows = websessions.current(actor_of(request), now=utc_now())
    context = {
        "links": accountpages.links(request),
        "rows": rows,
        "own_key": request.session.session_key,
    }
    return render(request, "panel/account/sessions.html", context)


@opens_for(EVERYBODY, methods=ACTION, in_person=True)
def end(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = get_object_or_404(WebSession, pk=number, user=actor)
    websessions.end(session=row, forget=sessions.forget, by=actor)
    notices.done(request, "That browser is logged out.")
    return redirect("panel:account-sessions")


@opens_for(EVERYBODY, methods=ACTION, in_person=True)
def end_others(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    own = request.session.session_key or ""
    count = websessions.end_others(user=actor, keep=own, forget=sessions.forget, by=actor)
    notices.done(request, f"Logged out {count} other browser{'' if count == 1 else 's'}.")
    return redirect("panel:account-sessions")


urlpatterns = [
    path("account/sessions/", browsers, name="account-sessions"),
    path("account/sessions/others/end/", end_others, name="account-sessions-end-others"),
    path("account/sessions/<int:number>/end/", end, name="account-session-end"),
]
