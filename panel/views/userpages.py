"""The page of one user, to add one and to edit one (U-010…U-023)."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters

from accounts import editing, permissions, room, selectors, services
from accounts.models import User
from accounts.permissions import Verb
from domains.models import Domain
from mailboxes.models import AccountUsage
from panel import notices, ofdomain, refusals
from panel.access import ADMINISTRATORS, FORM, actor_of, opens_for
from panel.forms import users as forms
from panel.forms.base import version_in
from panel.forms.tabbed import TabbedForm
from panel.undoing import undo_of_this


@opens_for(ADMINISTRATORS, methods=FORM)
@sensitive_post_parameters()
def new(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
    is_post = request.method == "POST"
    tabbed = forms.tabs_for(actor, domain, None, request.POST if is_post else None)
    if is_post and tabbed.is_valid():
        added: list[User] = []
        if tabbed.save(lambda: added.append(_add(tabbed, domain, actor))):
            notices.done(request, f"Added {added[0]}.", undo=undo_of_this())
            return redirect("panel:users-new" if "another" in request.POST else "panel:users", name)
    full = "" if is_post else refusals.full(room.for_user(domain))
    context = {"tabbed": tabbed, "full": full, **ofdomain.about(request, domain)}
    return render(request, "panel/users/new.html", context)


@opens_for(ADMINISTRATORS, methods=FORM)
@sensitive_post_parameters()
def edit(request: HttpRequest, name: str, username: str) -> HttpResponse:
    actor = actor_of(request)
    user = selectors.user_for(actor, f"{username}@{name}", verb=Verb.CHANGE_USERS)
    domain = selectors.domain_for(actor, name)
    is_post = request.method == "POST"
    tabbed = forms.tabs_for(actor, domain, user, request.POST if is_post else None)
    if is_post:
        tabbed.version = version_in(request.POST)
    if is_post and tabbed.is_valid() and tabbed.save(lambda: _save(request, tabbed, user, actor)):
        notices.done(request, f"Saved {user}.", undo=undo_of_this())
        return redirect("panel:user", name, user.local_part)
    context = {
        "tabbed": tabbed,
        "user_row": user,
        "usage": AccountUsage.objects.filter(account=user).first(),
        **ofdomain.about(request, domain),
    }
    return render(request, "panel/users/edit.html", context)


def _add(tabbed: TabbedForm, domain: Domain, actor: User) -> User:
    values = forms.read(tabbed)
    username, password = values.pop("username"), values.pop("password", "")
    is_administrator = _take_role(values, domain, actor)
    _require_for(values, domain, actor)
    return services.add_user(
        domain=domain,
        username=username,
        verifiers=forms.verifiers_of(password, username),
        is_administrator=bool(is_administrator),
        values=values,
        by=actor,
    )


def _save(request: HttpRequest, tabbed: TabbedForm, user: User, actor: User) -> None:
    domain = user.domain
    if domain is None:
        raise LookupError("people without a mailbox have another page")
    values = forms.read(tabbed)
    password = values.pop("password", "")
    is_administrator = _take_role(values, domain, actor)
    _require_for(values, domain, actor)
    saved = editing.edit_user(
        user=user,
        values=values,
        verifiers=forms.verifiers_of(password, user.local_part),
        is_administrator=is_administrator,
        expected_version=tabbed.version,
        by=actor,
    )
    if password and saved.pk == actor.pk:
        update_session_auth_hash(request, saved)


def _take_role(values: dict[str, Any], domain: Domain, actor: User) -> bool | None:
    wanted: bool | None = values.pop("is_administrator", None)
    if wanted is not None:
        permissions.require(actor, Verb.CHANGE_ADMINISTRATORS, domain)
    return wanted


def _require_for(values: dict[str, Any], domain: Domain, actor: User) -> None:
    for verb in services.verbs_to_change(values):
        permissions.require(actor, verb, domain)


urlpatterns = [
    path("domain/<str:name>/users/new/", new, name="users-new"),
    path("domain/<str:name>/user/<str:username>/", edit, name="user"),
]
