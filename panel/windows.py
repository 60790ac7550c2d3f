"""Windows in which somebody is logged in as another: addresses and cookies of their own (U-060).

`/as/<slot>/panel/…` is `/panel/…` as the impersonated user sees it. The prefix becomes the script
name, so every address that a page makes leads back into its own window, and the cookie, bound to
that path, is sent from there alone: the session of the other windows is neither used nor changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import get_script_prefix, set_script_prefix

from accounts import impersonation
from accounts.models import Impersonation, User
from clock.moments import utc_now
from panel.access import READING

COOKIE = "impersonation"
ADDRESS = re.compile(r"/as/([0-9a-f]{16})(/.*)", re.DOTALL)

View = Callable[..., HttpResponseBase]


def of(request: HttpRequest) -> Impersonation | None:
    """The impersonation whose window the page is in; None: it is nobody's."""
    found: Impersonation | None = vars(request).get("impersonation")
    return found


def really(request: HttpRequest) -> User | None:
    """Whoever the browser's own session belongs to, when asked for a page of a window."""
    found: User | None = vars(request).get("opener")
    return found


def allowed_in_windows(view: View) -> View:
    """Marks a page that is no `opens_for` one, yet works in a window, even one to look only."""
    view.works_in_windows = True  # type: ignore[attr-defined]
    return view


def path_of(slot: str) -> str:
    return f"{get_script_prefix()}as/{slot}/"


def set_cookie(response: HttpResponse, request: HttpRequest, value: str) -> None:
    """To be called inside of the window whose cookie it is."""
    response.set_cookie(
        COOKIE,
        value,
        path=get_script_prefix(),
        httponly=True,
        samesite="Strict",
        secure=request.is_secure(),
    )


def delete_cookie(response: HttpResponse) -> None:
    response.delete_cookie(COOKIE, path=get_script_prefix(), samesite="Strict")


class Windows:
    """Middleware, after those for sessions and authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address = ADDRESS.fullmatch(request.path_info)
        if address is None:
            return self._get_response(request)
        slot, path = address.groups()
        with _inside(request, slot, path):
            response = self._get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if "slot" not in vars(request):
            return None
        facts = vars(view)
        if facts.get("opens_windows"):
            return None
        row = of(request)
        if row is None:
            return over(request)
        if facts.get("works_in_windows"):
            return None
        if "roles" not in facts or facts.get("in_person"):
            raise PermissionDenied("This page is for the account's owner in person.")
        if row.is_read_only and request.method not in READING:
            raise PermissionDenied("You chose to look only: nothing can be changed in this window.")
        return None


def over(request: HttpRequest) -> HttpResponse:
    """The window is nobody's any more."""
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    response = render(request, "panel/impersonation/over.html", status=403)
    if of(request) is None:
        delete_cookie(response)
    return response


@contextmanager
def _inside(request: HttpRequest, slot: str, path: str) -> Iterator[None]:
    """The request as it is within the window; outside, its session is the browser's own."""
    own, outside = request.session, get_script_prefix()
    user = request.user
    row = impersonation.find(slot, request.COOKIES.get(COOKIE, ""), now=utc_now())
    facts: dict[str, Any] = vars(request)
    facts.update(slot=slot, impersonation=row, opener=user if user.is_authenticated else None)
    session = _store()(row.session_key if row is not None else None)
    request.session = session
    request.user = row.subject if row is not None else AnonymousUser()
    request.path_info = path
    set_script_prefix(path_of(slot))
    try:
        yield
        if row is not None and session.modified:
            _keep(row, session)
    finally:
        set_script_prefix(outside)
        request.session = own


def _keep(row: Impersonation, session: SessionBase) -> None:
    """What is to be said on the next page, if it is too long for a cookie."""
    session.save()
    if row.session_key != session.session_key:
        row.session_key = session.session_key or ""
        row.save(update_fields=["session_key"])


def _store() -> type[SessionBase]:
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return store
