"""Sessions of browsers: cookies that stay on TLS, and what is known of each that is logged in."""

from __future__ import annotations

from datetime import datetime
from importlib import import_module

from django.conf import settings
from django.contrib import auth
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse

from accounts import secondfactor, websessions
from accounts.models import User
from clock.moments import from_micros, to_micros, utc_now
from operations import tally
from panel.access import client_address

# Keys of what a session holds.
PROVEN_AT = "second_factor_at"
PENDING = "pending"


class Sessions(SessionMiddleware):
    """Secure by the connection, not by a setting: on loopback the panel speaks HTTP as well."""

    def process_request(self, request: HttpRequest) -> None:
        settings.MAILHOST_SERVER_KEYS.follow()  # sessions are signed with the present one
        super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response = super().process_response(request, response)
        _follow_key(request)
        if request.is_secure():
            for name in (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME):
                if name in response.cookies:
                    response.cookies[name]["secure"] = True
        return response


def _follow_key(request: HttpRequest) -> None:
    """Django gives a session another key when it was begun under the last server key."""
    came_with = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    key = request.session.session_key
    if came_with and key and key != came_with:
        websessions.move(came_with, key)


def log_in(request: HttpRequest, user: User, *, by_second_factor: bool) -> None:
    """With a new session key; the browser joins the list that the user sees."""
    auth.login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    request.session.pop(PENDING, None)
    if by_second_factor:
        prove(request)
    request.session.save()
    now = utc_now()
    tally.web_login(user.pk, user.domain_id, now=now)
    websessions.begin(
        user=user,
        session_key=request.session.session_key or "",
        client_address=client_address(request),
        program=request.headers.get("User-Agent", ""),
        now=now,
    )


def log_out(request: HttpRequest) -> None:
    if request.session.session_key:
        websessions.close(request.session.session_key)
    auth.logout(request)


def prove(request: HttpRequest) -> None:
    """The second factor was right just now."""
    request.session[PROVEN_AT] = to_micros(utc_now())


def proven_at(request: HttpRequest) -> datetime | None:
    micros = request.session.get(PROVEN_AT)
    return from_micros(micros) if micros is not None else None


def needs_proof(request: HttpRequest, user: User) -> bool:
    """Whether the user has a second factor and has not shown it lately."""
    proven = proven_at(request)
    if proven is not None and utc_now() - proven < secondfactor.FRESH:
        return False
    return secondfactor.has_one(user)


def keep_after_change(request: HttpRequest, user: User) -> None:
    """The user changed his own password: this browser stays, under a new key."""
    old = request.session.session_key or ""
    auth.update_session_auth_hash(request, user)
    request.session.save()
    websessions.move(old, request.session.session_key or "")


def forget(session_key: str) -> None:
    import_module(settings.SESSION_ENGINE).SessionStore().delete(session_key)
