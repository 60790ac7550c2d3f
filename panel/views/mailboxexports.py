"""Exporting a whole mailbox, one's own or a user's, and fetching the file (U-024)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import selectors
from accounts.models import User
from accounts.permissions import Verb
from jobs import services as jobs
from jobs.errors import JobOver
from mailboxes import exports
from mailboxes.errors import NoRoomForExport
from mailboxes.models import AccountUsage
from panel import accountpages, notices, ofdomain, refusals
from panel.access import ADMINISTRATORS, FORM, OF_DOMAINS, actor_of, opens_for
from panel.views.jobs import dress


@opens_for(ADMINISTRATORS, methods=FORM)
def of_user(request: HttpRequest, name: str, username: str) -> HttpResponse:
    user = _user(request, name, username)
    url = reverse("panel:user-export", args=(name, user.local_part))
    if request.method == "POST":
        _act(request, user)
        return redirect(url)
    assert user.domain is not None
    context = _context(request, user, url) | ofdomain.about(request, user.domain)
    return render(request, "panel/users/export.html", context)


@opens_for(ADMINISTRATORS)
def file_of_user(request: HttpRequest, name: str, username: str, job_id: int) -> HttpResponseBase:
    return _file(request, _user(request, name, username), job_id)


@opens_for(OF_DOMAINS, methods=FORM)
def own(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    url = reverse("panel:account-export")
    if request.method == "POST":
        _act(request, actor)
        return redirect(url)
    context = _context(request, actor, url) | {"links": accountpages.links(request)}
    return render(request, "panel/account/export.html", context)


@opens_for(OF_DOMAINS)
def own_file(request: HttpRequest, job_id: int) -> HttpResponseBase:
    return _file(request, actor_of(request), job_id)


def _user(request: HttpRequest, name: str, username: str) -> User:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
    return selectors.user_for(actor, f"{username}@{domain.name}", verb=Verb.CHANGE_USERS)


def _act(request: HttpRequest, user: User) -> None:
    """Begin one, or end the one that is running."""
    actor = actor_of(request)
    if "cancel" in request.POST:
        for one in exports.latest(actor, user):
            if not one.job.has_ended:
                with suppress(JobOver):
                    jobs.cancel(one.job.pk, by=actor)
        notices.done(request, "The export ends at its next step.")
        return
    try:
        exports.start(user=user, by=actor)
    except NoRoomForExport as error:
        notices.warned(request, refusals.words(error))
    else:
        notices.done(request, "The file is being made: it stands here when it is done.")


def _context(request: HttpRequest, user: User, url: str) -> dict[str, Any]:
    found = exports.latest(actor_of(request), user)
    for one in found:
        dress(one.job)
    return {
        "user_row": user,
        "exports": [(one, f"{url}{one.job.pk}/") for one in found],
        "is_running": any(not one.job.has_ended for one in found),
        "kept_days": exports.KEPT.days,
        "usage": AccountUsage.objects.filter(account=user).first(),
    }


def _file(request: HttpRequest, user: User, job_id: int) -> HttpResponseBase:
    """Never shown by the browser itself: what is in it is somebody else's."""
    made = exports.fetch(actor_of(request), user, job_id)
    return FileResponse(
        made.open("rb"),
        as_attachment=True,
        filename=exports.download_name(user),
        content_type="application/zip",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"},
    )


urlpatterns = [
    path("domain/<str:name>/user/<str:username>/export/", of_user, name="user-export"),
    path(
        "domain/<str:name>/user/<str:username>/export/<int:job_id>/",
        file_of_user,
        name="user-exported",
    ),
    path("account/export/", own, name="account-export"),
    path("account/export/<int:job_id>/", own_file, name="account-exported"),
]
