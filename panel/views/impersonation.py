"""Logging in as another in a new window, and out of it again (U-060…U-062, D-006, D-020)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import impersonation
from accounts.errors import ImpersonationOver, UserUnknown
from accounts.models import User
from accounts.permissions import Verb, require
from clock.moments import utc_now
from domains.lookups import begins_with
from events import audit
from panel import notices, refusals, sessions, windows
from panel.access import (
    ADMINISTRATORS,
    FORM,
    PROVIDERS,
    actor_of,
    circumstances,
    client_address,
    opens_for,
)
from panel.forms.impersonation import ImpersonationForm
from panel.gate import to_second_factor
from panel.refusals import Refused

# Addresses that are proposed while one is typed.
PROPOSED = 10


@opens_for(ADMINISTRATORS, methods=FORM, in_person=True)
def impersonate(request: HttpRequest) -> HttpResponse:
    """Any user in reach, by address (U-061, U-062)."""
    actor = actor_of(request)
    require(actor, Verb.IMPERSONATE, actor.domain)
    data = request.POST if request.method == "POST" else None
    if data is not None and sessions.needs_proof(request, actor):
        return to_second_factor(request.path)
    form = ImpersonationForm(data, initial={"address": request.GET.get("address", "")})
    form.fields["address"].widget.attrs["hx-get"] = reverse("panel:impersonate-proposals")
    if data is not None and form.is_valid():
        try:
            subject = impersonation.subject_for(actor, form.cleaned_data["address"].strip())
        except UserUnknown as error:
            form.add_error("address", refusals.words(error))
        else:
            opened = _open(request, form, subject)
            if opened is not None:
                return opened
    now = utc_now()
    mine = [row for row in impersonation.current(now=now) if row.by_id == actor.pk]
    context = {"form": form, "mine": mine}
    return render(request, "panel/impersonation/start.html", context)


@opens_for(ADMINISTRATORS, in_person=True)
def proposals(request: HttpRequest) -> HttpResponse:
    """Options for the address field, by the beginning of the address."""
    text = request.GET.get("address", "").strip().lower().replace("\0", "")[:320]
    local_part, _, name = text.partition("@")
    rows: list[User] = []
    if text:
        found = impersonation.subjects_for(actor_of(request))
        found = found.filter(begins_with("local_part", local_part))
        if "@" in text:
            named = begins_with("domain__name", name) | begins_with("domain__unicode_name", name)
            found = found.filter(named)
        rows = list(found.order_by("local_part", "pk")[:PROPOSED])
    return render(request, "panel/impersonation/proposals.html", {"users": rows})


@opens_for(PROVIDERS, methods=FORM, in_person=True)
def of_domain(request: HttpRequest, name: str) -> HttpResponse:
    """The domain's primary administrator (D-006): a POST goes straight on where it can."""
    actor = actor_of(request)
    try:
        subject = impersonation.administrator_for(actor, name)
    except UserUnknown:
        notices.warned(request, f"{name} has no primary administrator to log in as.")
        return redirect("panel:domains")
    form = ImpersonationForm(request.POST if request.method == "POST" else None)
    del form.fields["address"]
    if request.method == "POST" and sessions.needs_proof(request, actor):
        return to_second_factor(request.path)
    if request.method == "POST" and form.is_valid():
        opened = _open(request, form, subject)
        if opened is not None:
            return opened
    context = {"form": form, "subject": subject, "domain": subject.domain}
    return render(request, "panel/impersonation/start.html", context)


@never_cache
@require_GET
def enter(request: HttpRequest) -> HttpResponse:
    """The token becomes the cookie of the window; only for whoever is logged in and asked."""
    actor, slot = windows.really(request), vars(request).get("slot", "")
    if actor is None:
        return windows.over(request)
    try:
        with audit.acting(**circumstances(request)):
            _, cookie = impersonation.enter(
                slot=slot, token=request.GET.get("token", ""), actor=actor, now=utc_now()
            )
    except ImpersonationOver:
        return windows.over(request)
    response = redirect("panel:home")
    windows.set_cookie(response, request, cookie)
    return response


enter.opens_windows = True  # type: ignore[attr-defined]


@windows.allowed_in_windows
@require_POST
def end(request: HttpRequest) -> HttpResponse:
    row = windows.of(request)
    if row is None:
        return redirect("panel:home")
    impersonation.end(impersonation=row, now=utc_now())
    vars(request)["impersonation"] = None
    response = render(request, "panel/impersonation/over.html", {"ended": row})
    windows.delete_cookie(response)
    return response


def _open(
    request: HttpRequest, form: ImpersonationForm, subject: User
) -> HttpResponseRedirect | None:
    """Into the new window; None: the form has the refusal."""
    try:
        row, token = impersonation.start(
            actor=actor_of(request),
            subject=subject,
            reason=form.cleaned_data["reason"],
            is_read_only=form.cleaned_data["is_read_only"],
            client_address=client_address(request),
            now=utc_now(),
        )
    except Refused as error:
        for field, sentence in refusals.problems(error):
            form.refuse(field, sentence)
        return None
    inside = reverse("panel:impersonation-enter").removeprefix("/")
    return HttpResponseRedirect(f"{windows.path_of(row.slot)}{inside}?token={token}")


urlpatterns = [
    path("impersonate/", impersonate, name="impersonate"),
    path("impersonate/proposals/", proposals, name="impersonate-proposals"),
    path("domain/<str:name>/impersonate/", of_domain, name="domain-impersonate"),
    path("impersonation/enter/", enter, name="impersonation-enter"),
    path("impersonation/end/", end, name="impersonation-end"),
]
