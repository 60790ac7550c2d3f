"""Logging in and out of the panel, and the choice of light or dark."""

from __future__ import annotations

import time
from ipaddress import ip_address

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.urls import path
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import impersonation, loginprovider, secondfactor
from accounts.models import ClearTextLogin, User
from accounts.settings import LOGIN
from clock.moments import to_micros, utc_now
from operations import trustedproxies, turns
from operations.errors import NotYetYourTurn
from operations.turns import Turn
from panel import sessions, windows
from panel.access import client_address
from panel.context import THEME_COOKIE, THEMES
from panel.forms.entrance import LoginForm
from panel.gate import passes_gate, to_second_factor

# As long as the listeners take: guessing by one connection is slowed.
FAILURE_SECONDS = 1.0
HTTPS_PORT = 443
THEME_COOKIE_SECONDS = 365 * 24 * 3600


@passes_gate
@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """One answer for every failure, after the same time (N-011)."""
    if not may_show_password(request):
        return HttpResponseRedirect(_encrypted_address(request))
    target = next_page(request)
    if request.user.is_authenticated and request.method != "POST":
        return redirect(target)
    form = LoginForm(request.POST or None)
    status = 403 if form.is_bound else 200
    turn: Turn | None = None
    if request.method == "POST" and form.is_valid():
        try:
            user = _whose_password(request, form)
        except NotYetYourTurn as error:
            status, turn = 429, Turn(error.token, error.seconds)
            form.add_error(None, _please_wait(turn))
        else:
            if user is not None:
                return go_on(request, user, target)
            time.sleep(FAILURE_SECONDS)
            turn = turns.next_turn(
                login=form.cleaned_data["username"],
                client_address=client_address(request),
                now=utc_now(),
            )
            words = f" {_please_wait(turn)}" if turn else ""
            form.add_error(None, f"Wrong name or password.{words}")
    response = _show(request, form, target, turn=turn, status=status)
    if turn is not None:
        response.headers["Retry-After"] = str(turn.seconds)
    return response


def refuse(request: HttpRequest, sentence: str) -> HttpResponse:
    """The log-in page for somebody who came by another way and does not get in."""
    return _show(request, LoginForm(), next_page(request), status=403, refusal=sentence)


def _show(
    request: HttpRequest,
    form: LoginForm,
    target: str,
    *,
    status: int,
    turn: Turn | None = None,
    refusal: str = "",
) -> HttpResponse:
    context = {"form": form, "next": target, "turn": turn, "refusal": refusal}
    context["provider"] = loginprovider.offered()
    return render(request, "panel/login.html", context, status=status)


def _whose_password(request: HttpRequest, form: LoginForm) -> User | None:
    """None: it is wrong, or nobody's. Raises NotYetYourTurn before anything is looked at."""
    given = form.cleaned_data
    turns.require(
        login=given["username"],
        token=given["turn"],
        client_address=client_address(request),
        now=utc_now(),
    )
    user = auth.authenticate(request, username=given["username"], password=given["password"])
    return user if isinstance(user, User) else None


def go_on(request: HttpRequest, user: User, target: str) -> HttpResponse:
    """Who the user is has been shown: in, or on to the second factor."""
    if secondfactor.has_one(user):
        return ask_for_second_factor(request, user, target)
    sessions.log_in(request, user, by_second_factor=False)
    return redirect(target)


def _please_wait(turn: Turn) -> str:
    """The same for names that exist and for others."""
    seconds = "1 second" if turn.seconds == 1 else f"{turn.seconds} seconds"
    return (
        f"There were many wrong tries with this name: please wait {seconds}, "
        "then enter the password again."
    )


@passes_gate
def admin_login(request: HttpRequest) -> HttpResponse:
    """The Django admin has no log-in of its own: here the second factor is asked for."""
    if request.user.is_authenticated:
        raise PermissionDenied
    target = request.GET.get("next", resolve_url("admin:index"))
    return redirect_to_login(target)


@passes_gate
@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    if isinstance(request.user, User):
        impersonation.end_all(actor=request.user, now=utc_now(), because="logged out")
    sessions.log_out(request)
    return redirect("panel:login")


@passes_gate
@windows.allowed_in_windows
@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    response = redirect(next_page(request))
    wanted = request.POST.get("theme")
    if wanted in THEMES:
        response.set_cookie(
            THEME_COOKIE,
            wanted,
            max_age=THEME_COOKIE_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=request.is_secure(),
        )
    return response


def ask_for_second_factor(request: HttpRequest, user: User, target: str) -> HttpResponse:
    """The password was right: nobody is logged in yet, on to the code."""
    request.session.cycle_key()
    request.session[sessions.PENDING] = {"user": user.pk, "at": to_micros(utc_now())}
    return to_second_factor(target)


def next_page(request: HttpRequest) -> str:
    """Where `next` leads, if that is on this site; else the first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else resolve_url("panel:home")


def may_show_password(request: HttpRequest) -> bool:
    """Whether a password may cross this connection (N-006)."""
    if request.is_secure():
        return True
    policy = LOGIN.read().clear_text_login
    if policy == ClearTextLogin.LOOPBACK:
        try:
            return ip_address(client_address(request)).is_loopback
        except ValueError:
            return False
    return bool(policy == ClearTextLogin.ALLOW)


def _encrypted_address(request: HttpRequest) -> str:
    host = request.get_host()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    # A proxy in front has the port that people know.
    is_direct = trustedproxies.BY_PROXY not in request.META
    port = HTTPS_PORT + (settings.MAILHOST_PORT_OFFSET if is_direct else 0)
    return f"https://{name}{'' if port == HTTPS_PORT else f':{port}'}{request.get_full_path()}"


urlpatterns = [
    path("login/", login, name="login"),
    path("logout/", logout, name="logout"),
    path("theme/", theme, name="theme"),
]
