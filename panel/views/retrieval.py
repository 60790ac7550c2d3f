"""Accounts on other servers: a user's own, and those of users one administers (N-060, W-005)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.debug import sensitive_post_parameters

from accounts import selectors
from accounts.models import User
from accounts.permissions import Verb
from clock.moments import utc_now
from panel import accountpages, notices, ofdomain, refusals
from panel.access import ACTION, ADMINISTRATORS, EVERYBODY, FORM, OF_DOMAINS, actor_of, opens_for
from panel.formpage import FormPage
from panel.forms.retrieval import NewRetrievalForm, RetrievalForm
from panel.undoing import undo_of_this
from retrieval import permits, services
from retrieval.errors import NotFetchable, TriedTooOften
from retrieval.models import Kind, RetrievalAccount
from retrieval.selectors import account_for, accounts_for
from retrieval.trying import try_out

TITLE = "Fetched mail"


@opens_for(OF_DOMAINS)
def own(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    context = _context(actor, actor, reverse("panel:account-retrieval-new"))
    context["links"] = accountpages.links(request)
    return render(request, "panel/account/retrieval.html", context)


@opens_for(OF_DOMAINS, methods=FORM)
@sensitive_post_parameters()
def new_own(request: HttpRequest) -> HttpResponse:
    return _new(request, actor_of(request))


@opens_for(ADMINISTRATORS)
def of_user(request: HttpRequest, name: str, username: str) -> HttpResponse:
    user = _user(request, name, username)
    assert user.domain is not None
    url = reverse("panel:user-retrieval-new", args=(user.domain.name, user.local_part))
    context = _context(actor_of(request), user, url) | ofdomain.about(request, user.domain)
    return render(request, "panel/users/retrieval.html", context)


@opens_for(ADMINISTRATORS, methods=FORM)
@sensitive_post_parameters()
def new_of_user(request: HttpRequest, name: str, username: str) -> HttpResponse:
    return _new(request, _user(request, name, username))


@opens_for(EVERYBODY, methods=FORM)
@sensitive_post_parameters()
def edit(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = account_for(actor, number)
    form = RetrievalForm(request.POST if request.method == "POST" else None, row=row)

    def change() -> None:
        services.change(
            account=row,
            values=form.values(),
            password=form.password(),
            expected_version=form.cleaned_data["version"] or 0,
            by=actor,
        )

    if request.method == "POST" and form.is_valid() and form.save(change):
        notices.done(request, f"Saved the account {row}.", undo=_undo(actor))
        return redirect(_list_of(actor, row.user))
    return _page(str(row), "Save changes", actor, row.user).show(request, form)


@opens_for(EVERYBODY, methods=ACTION)
def remove(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = account_for(actor, number)
    services.remove(account=row, by=actor)
    text = f"Removed the account {row}. The mail that it has brought stays."
    notices.done(request, text)
    return redirect(_list_of(actor, row.user))


@opens_for(EVERYBODY, methods=ACTION)
def fetch(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = account_for(actor, number)
    try:
        services.fetch_now(account=row, by=actor)
    except NotFetchable as error:
        notices.warned(request, refusals.words(error))
    else:
        notices.done(request, f"Mail is fetched from {row} in a few seconds.")
    return redirect(_list_of(actor, row.user))


@opens_for(EVERYBODY, methods=ACTION)
def test(request: HttpRequest, number: int) -> HttpResponse:
    """A real session, in which nothing is fetched; it may take most of a minute."""
    actor = actor_of(request)
    row = account_for(actor, number)
    try:
        found = try_out(account=row, by=actor)
    except TriedTooOften as error:
        notices.warned(request, refusals.words(error))
    else:
        (notices.done if found.is_ok else notices.failed)(request, f"{row}: {found.text}")
    return redirect(_list_of(actor, row.user))


def _new(request: HttpRequest, user: User) -> HttpResponse:
    actor = actor_of(request)
    form = NewRetrievalForm(request.POST if request.method == "POST" else None)

    def add() -> None:
        services.add(
            user=user,
            kind=Kind(form.cleaned_data["kind"]),
            values=form.values(),
            password=form.cleaned_data["password"],
            by=actor,
        )

    if request.method == "POST" and form.is_valid() and form.save(add):
        text = "Added the account. Its mail is fetched in a few seconds, and then again and again."
        notices.done(request, text, undo=_undo(actor))
        return redirect(_list_of(actor, user))
    return _page("Fetch mail from another server", "Add the account", actor, user).show(
        request, form
    )


def _user(request: HttpRequest, name: str, username: str) -> User:
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
    return selectors.user_for(actor, f"{username}@{domain.name}", verb=Verb.CHANGE_USERS)


def _context(actor: User, user: User, new_url: str) -> dict[str, Any]:
    rows = list(accounts_for(actor).filter(user=user))
    now = utc_now()
    off = [kind.label for kind in Kind if permits.switched_off(user, kind)]
    return {
        "user_row": user,
        "rows": [(row, _is_running(row, now)) for row in rows],
        "is_busy": any(_is_running(row, now) for row in rows),
        "new_url": new_url if len(off) < len(Kind) else "",
        "off": " and ".join(off),
    }


def _is_running(row: RetrievalAccount, now: Any) -> bool:
    return row.claimed_until is not None and row.claimed_until > now


def _list_of(actor: User, user: User) -> str:
    if actor.pk == user.pk or user.domain is None:
        return reverse("panel:account-retrieval")
    return reverse("panel:user-retrieval", args=(user.domain.name, user.local_part))


def _undo(actor: User) -> notices.Undo | None:
    """The page that takes changes back opens for administrators."""
    return undo_of_this() if actor.role in ADMINISTRATORS else None


def _page(title: str, save_label: str, actor: User, user: User) -> FormPage:
    return FormPage(title, save_label, _list_of(actor, user), TITLE)


_OF_USER = "domain/<str:name>/user/<str:username>/fetched-mail/"
urlpatterns = [
    path("account/fetched-mail/", own, name="account-retrieval"),
    path("account/fetched-mail/new/", new_own, name="account-retrieval-new"),
    path(_OF_USER, of_user, name="user-retrieval"),
    path(f"{_OF_USER}new/", new_of_user, name="user-retrieval-new"),
    path("fetched-mail/<int:number>/", edit, name="retrieval"),
    path("fetched-mail/<int:number>/remove/", remove, name="retrieval-remove"),
    path("fetched-mail/<int:number>/fetch/", fetch, name="retrieval-fetch"),
    path("fetched-mail/<int:number>/test/", test, name="retrieval-test"),
]
