"""The second factor: asked for at the log-in and before delicate steps; set up by its owner."""

from __future__ import annotations

import base64
import io
import time

import qrcode
import qrcode.image.svg
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import secondfactor, watching
from accounts.backend import AddressBackend
from accounts.errors import CodeRefused, TooManyTries
from accounts.models import Authenticator, User
from clock.moments import from_micros, utc_now
from panel import accountpages, notices, passkeysite, refusals, sessions
from panel.access import ACTION, EVERYBODY, FORM, READING, actor_of, client_address, opens_for
from panel.forms.account import AppForm, CodeForm
from panel.gate import passes_gate, to_second_factor
from panel.refusals import Refused
from panel.views import entrance
from protocols import totp

# From the password to the code.
PENDING_SECONDS = 300
# Where the secret of an app that is being added waits.
NEW_SECRET = "new_secret"  # noqa: S105 - a key


@passes_gate
@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """After the password, or to show it once more before something delicate."""
    user = pending(request) or (request.user if isinstance(request.user, User) else None)
    if user is None:
        return redirect("panel:login")
    target = entrance.next_page(request)
    form = CodeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            secondfactor.check_code(user=user, code=form.cleaned_data["code"], now=utc_now())
        except (CodeRefused, TooManyTries) as error:
            watching.tell_of_failure(str(user), "web", client_address(request))  # M-064
            time.sleep(entrance.FAILURE_SECONDS)
            form.add_error("code", refusals.words(error))
        else:
            pass_through(request, user)
            return redirect(target)
    status = 403 if form.is_bound else 200
    options = passkeysite.options_for(request, user)
    context = {"form": form, "next": target, "user_name": str(user), "options": options}
    return render(request, "panel/second_factor.html", context, status=status)


@opens_for(EVERYBODY, methods=READING, in_person=True)
@passes_gate
@never_cache
def own(request: HttpRequest) -> HttpResponse:
    """What the owner has, and where more is added."""
    actor = actor_of(request)
    if sessions.needs_proof(request, actor):
        return to_second_factor(request.path)
    context = {
        "links": accountpages.links(request),
        "authenticators": secondfactor.authenticators(actor),
        "codes_left": secondfactor.codes_left(actor),
        "is_required": secondfactor.is_required(actor),
    }
    return render(request, "panel/account/second_factor.html", context)


@opens_for(EVERYBODY, methods=FORM, in_person=True)
@passes_gate
@never_cache
@sensitive_post_parameters("code")
def add_app(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    if sessions.needs_proof(request, actor):
        return to_second_factor(reverse("panel:account-second-factor"))
    secret = _new_secret(request)
    form = AppForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        is_first = not secondfactor.has_one(actor)
        try:
            secondfactor.add_app(
                user=actor, secret=secret, now=utc_now(), by=actor, **form.cleaned_data
            )
        except CodeRefused as error:
            form.add_error("code", refusals.words(error))
        except Refused as error:
            for field, sentence in refusals.problems(error):
                form.refuse(field, sentence)
        else:
            del request.session[NEW_SECRET]
            sessions.prove(request)
            notices.done(request, "Your app is set up. From now on its code is asked for.")
            return (
                show_codes(request, actor) if is_first else redirect("panel:account-second-factor")
            )
    context = {
        "form": form,
        "links": accountpages.links(request),
        "picture": _picture(secondfactor.address_of(secret, actor)),
        "secret": " ".join(_fours(totp.spelled(secret))),
    }
    return render(request, "panel/account/add_app.html", context)


@opens_for(EVERYBODY, methods=ACTION, in_person=True)
@passes_gate
def make_codes(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    if sessions.needs_proof(request, actor) or not secondfactor.has_one(actor):
        return redirect("panel:account-second-factor")
    return show_codes(request, actor)


@opens_for(EVERYBODY, methods=ACTION, in_person=True)
def remove(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    if not sessions.needs_proof(request, actor):
        row = get_object_or_404(Authenticator, pk=number, user=actor)
        secondfactor.remove(authenticator=row, by=actor)
        notices.done(request, f"Removed {row.name}.")
    return redirect("panel:account-second-factor")


def pending(request: HttpRequest) -> User | None:
    """Who has given the right password a moment ago in this browser."""
    found = request.session.get(sessions.PENDING)
    if found is None or (utc_now() - from_micros(found["at"])).total_seconds() > PENDING_SECONDS:
        return None
    return AddressBackend().get_user(found["user"])


def pass_through(request: HttpRequest, user: User) -> None:
    """The second factor was right: logged in, or proven anew."""
    if pending(request) is not None:
        sessions.log_in(request, user, by_second_factor=True)
    else:
        sessions.prove(request)


def show_codes(request: HttpRequest, actor: User) -> HttpResponse:
    """The only time that they are shown."""
    codes = secondfactor.make_codes(user=actor, by=actor)
    context = {"codes": codes, "links": accountpages.links(request)}
    return render(request, "panel/account/codes.html", context)


def _new_secret(request: HttpRequest) -> bytes:
    spelled = request.session.get(NEW_SECRET)
    if spelled is None:
        spelled = request.session[NEW_SECRET] = secondfactor.new_secret().hex()
    return bytes.fromhex(spelled)


def _picture(address: str) -> str:
    """An SVG as a `data:` address, which the content policy lets images have."""
    image = qrcode.make(address, image_factory=qrcode.image.svg.SvgPathImage, border=2)
    written = io.BytesIO()
    image.save(written)
    return f"data:image/svg+xml;base64,{base64.b64encode(written.getvalue()).decode()}"


def _fours(text: str) -> list[str]:
    return [text[i : i + 4] for i in range(0, len(text), 4)]


urlpatterns = [
    path("second-factor/", second_factor, name="second-factor"),
    path("account/second-factor/", own, name="account-second-factor"),
    path("account/second-factor/app/", add_app, name="account-second-factor-app"),
    path("account/second-factor/codes/", make_codes, name="account-second-factor-codes"),
    path("account/second-factor/<int:number>/remove/", remove, name="account-second-factor-remove"),
]
