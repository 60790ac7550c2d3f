"""What must be done before any other page opens: a new password, a second factor (U-001, U-014)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts import secondfactor, websessions
from accounts.models import User
from clock.moments import utc_now
from panel import notices, sessions, windows

View = TypeVar("View", bound=Callable[..., Any])


def passes_gate(view: View) -> View:
    """Marks a page that is open before: where that is done, and out."""
    view.passes_gate = True  # type: ignore[attr-defined]
    return view


def to_second_factor(target: str) -> HttpResponse:
    """To where a code is asked for; from there back to `target`."""
    return redirect(f"{reverse('panel:second-factor')}?{urlencode({'next': target})}")


class Gate:
    """Middleware, behind all that tells who asks; the Django admin is behind it, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        user = request.user
        if not isinstance(user, User) or windows.of(request) is not None:
            return None
        if request.session.session_key:
            websessions.see(request.session.session_key, now=utc_now())
        if vars(view).get("passes_gate"):
            return None
        if user.must_change_password and not user.password_locked:
            notices.warned(request, "Please choose a new password before you go on.")
            return redirect("panel:account-password")
        if secondfactor.is_required(user) and sessions.proven_at(request) is None:
            if secondfactor.has_one(user):
                return to_second_factor(request.get_full_path())
            notices.warned(request, "This server wants a second factor of you before you go on.")
            return redirect("panel:account-second-factor")
        return None
