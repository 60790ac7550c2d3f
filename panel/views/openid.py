"""Logging in by a provider's word: what is set of it, the way there and back, one's own links."""

from __future__ import annotations

import hmac
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import identities, loginprovider, openid, permissions
from accounts.errors import IdentityTaken, IdentityUnknown, ProviderFailed
from accounts.models import LinkedIdentity, LoginProvider, User
from accounts.openid import Departure
from accounts.permissions import Verb
from clock.moments import from_micros, to_micros, utc_now
from operations import blocks
from panel import accountpages, formpage, notices, refusals, sessions
from panel.access import (
    ACTION,
    EVERYBODY,
    FORM,
    SYSTEM,
    actor_of,
    client_address,
    opens_for,
)
from panel.formpage import FormPage
from panel.forms.loginprovider import LoginProviderForm
from panel.gate import passes_gate, to_second_factor
from panel.undoing import undo_of_this
from panel.views import entrance
from protocols.openid import Identity

# Where somebody on his way to the provider is remembered, and for how long.
DEPARTURE = "departure"
DEPARTURE_SECONDS = 600
LONGEST_ANSWER = 4000
NOT_ANSWERED = (
    "The log-in provider did not answer as it should. Please try again, or use your password."
)
NOT_KNOWN = (
    "Nobody here is known by this identity, or may come in. Log in with your password; "
    "under My account you can then link it."
)


@opens_for(SYSTEM, methods=FORM)
def settings(request: HttpRequest) -> HttpResponse:
    """Off until it is set; saving asks the provider once who it is."""
    actor = actor_of(request)
    permissions.require(actor, Verb.MANAGE_SERVER)
    row = loginprovider.read()
    form = LoginProviderForm(request.POST if request.method == "POST" else None, row=row)

    def change() -> None:
        values, secret = form.values(), form.secret()
        loginprovider.change(values=values, client_secret=secret, by=actor)

    if formpage.save(request, form, change):
        openid.forget(loginprovider.read())
        notices.done(request, "Saved.", undo=undo_of_this())
        _try(request)
        return redirect("panel:login-provider")
    page = FormPage(
        title="Log-in provider",
        save_label="Save changes",
        back_url=reverse("panel:settings"),
        back_label="Server settings",
        intro="People whom another house knows (OpenID Connect) can log in to this panel by its "
        "word. Only users that are here already come in: by an address that the provider has "
        "verified, or by what they link themselves under My account. Mail programs are not "
        f"concerned. Register there as redirect address: {_return_address(request)}",
    )
    return page.show(request, form)


@passes_gate
@never_cache
@require_GET
def depart(request: HttpRequest) -> HttpResponse:
    """To the provider, and from there back to `returned`."""
    row = loginprovider.offered()
    if row is None or not entrance.may_show_password(request):
        return redirect("panel:login")
    if blocks.is_barred("web", client_address(request)):
        return entrance.refuse(request, NOT_ANSWERED)
    return _depart(request, row, {"next": entrance.next_page(request)})


@passes_gate
@never_cache
@require_GET
def returned(request: HttpRequest) -> HttpResponse:
    """The provider's answer; one that nobody here waits for leads to the log-in page."""
    kept, row = _departure(request), loginprovider.offered()
    given = {name: request.GET.get(name, "")[:LONGEST_ANSWER] for name in ("state", "code", "iss")}
    if (
        kept is None
        or row is None
        or not hmac.compare_digest(
            kept["state"].encode(), given["state"].encode("utf-8", "surrogatepass")
        )
    ):
        return redirect("panel:login")
    try:
        if not given["code"]:
            raise ProviderFailed
        identity = openid.arrive(
            row,
            code=given["code"],
            issuer=given["iss"],
            departure=Departure(kept["state"], kept["nonce"], kept["verifier"]),
            redirect_uri=_return_address(request),
            now=utc_now(),
        )
        if "links" in kept:
            return _link(request, identity, kept["links"])
        return _enter(request, row, identity, kept["next"])
    except ProviderFailed:
        return entrance.refuse(request, NOT_ANSWERED)
    except IdentityUnknown:
        return entrance.refuse(request, NOT_KNOWN)


@opens_for(EVERYBODY, in_person=True)
@never_cache
def own(request: HttpRequest) -> HttpResponse:
    """By which identities the owner may come in."""
    actor = actor_of(request)
    if sessions.needs_proof(request, actor):
        return to_second_factor(request.path)
    provider, linked = loginprovider.offered(), identities.of_user(actor)
    known = {link.issuer for link in linked}
    context = {
        "links": accountpages.links(request),
        "linked": linked,
        "provider": provider if provider and provider.issuer not in known else None,
    }
    return render(request, "panel/account/identities.html", context)


@opens_for(EVERYBODY, methods=ACTION, in_person=True)
def link(request: HttpRequest) -> HttpResponse:
    """A page with the way to the provider: a form must not lead to another site (CSP)."""
    actor, row = actor_of(request), loginprovider.offered()
    if row is None or sessions.needs_proof(request, actor):
        return redirect("panel:account-identities")
    try:
        address = _prepare(request, row, {"links": actor.pk})
    except ProviderFailed:
        notices.failed(request, NOT_ANSWERED)
        return redirect("panel:account-identities")
    context = {"links": accountpages.links(request), "provider": row, "address": address}
    return render(request, "panel/account/identity_link.html", context)


@opens_for(EVERYBODY, methods=ACTION, in_person=True)
def unlink(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    if not sessions.needs_proof(request, actor):
        row = get_object_or_404(LinkedIdentity, pk=number, user=actor)
        identities.disconnect(link=row, by=actor)
        notices.done(request, "It does not open your account any more.")
    return redirect("panel:account-identities")


def _enter(
    request: HttpRequest, row: LoginProvider, identity: Identity, target: str
) -> HttpResponse:
    """Raises IdentityUnknown."""
    user = identities.enter(identity, client_address=client_address(request), now=utc_now())
    if row.trusts_second_factor and identity.has_second_factor:
        sessions.log_in(request, user, by_second_factor=True)
        return redirect(target)
    return entrance.go_on(request, user, target)


def _link(request: HttpRequest, identity: Identity, user_id: int) -> HttpResponse:
    """Only for whoever is still logged in as the one that asked."""
    user = request.user
    if not isinstance(user, User) or user.pk != user_id:
        return redirect("panel:login")
    try:
        identities.connect(user=user, identity=identity, by=user, now=utc_now())
    except IdentityTaken as error:
        notices.failed(request, refusals.words(error))
    else:
        notices.done(request, "From now on you can log in by this identity.")
    return redirect("panel:account-identities")


def _depart(request: HttpRequest, row: LoginProvider, purpose: dict[str, Any]) -> HttpResponse:
    try:
        return HttpResponseRedirect(_prepare(request, row, purpose))
    except ProviderFailed:
        return entrance.refuse(request, NOT_ANSWERED)


def _prepare(request: HttpRequest, row: LoginProvider, purpose: dict[str, Any]) -> str:
    """The provider's address; what must come back is kept in the session."""
    address, made = openid.depart(row, redirect_uri=_return_address(request))
    request.session[DEPARTURE] = {
        "state": made.state,
        "nonce": made.nonce,
        "verifier": made.verifier,
        "at": to_micros(utc_now()),
        **purpose,
    }
    return address


def _departure(request: HttpRequest) -> dict[str, Any] | None:
    """Good once."""
    kept: dict[str, Any] | None = request.session.pop(DEPARTURE, None)
    if kept is None:
        return None
    passed = (utc_now() - from_micros(kept["at"])).total_seconds()
    return kept if passed < DEPARTURE_SECONDS else None


def _return_address(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("panel:openid-return"))


def _try(request: HttpRequest) -> None:
    row = loginprovider.offered()
    if row is None:
        return
    try:
        openid.depart(row, redirect_uri=_return_address(request))
    except ProviderFailed:
        notices.warned(
            request, "The provider does not answer as it should: see the log for the reason."
        )


urlpatterns = [
    path("login-provider/", settings, name="login-provider"),
    path("login/provider/", depart, name="openid"),
    path("login/provider/return/", returned, name="openid-return"),
    path("account/identities/", own, name="account-identities"),
    path("account/identities/link/", link, name="account-identity-link"),
    path("account/identities/<int:number>/unlink/", unlink, name="account-identity-unlink"),
]
