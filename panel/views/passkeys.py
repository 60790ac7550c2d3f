"""Passkeys: added by their owner, and shown after the password (U-015)."""

from __future__ import annotations

import json
import time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import passkeys, secondfactor, watching
from accounts.errors import CodeRefused
from accounts.models import User
from clock.moments import utc_now
from panel import accountpages, notices, refusals, sessions
from panel.access import EVERYBODY, FORM, actor_of, client_address, opens_for
from panel.forms.account import PasskeyForm
from panel.gate import passes_gate, to_second_factor
from panel.passkeysite import STATE, site_of
from panel.refusals import Refused
from panel.views import entrance
from panel.views import secondfactor as pages


@opens_for(EVERYBODY, methods=FORM, in_person=True)
@passes_gate
@never_cache
def add(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    if sessions.needs_proof(request, actor):
        return to_second_factor(reverse("panel:account-second-factor"))
    form = PasskeyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        is_first = not secondfactor.has_one(actor)
        try:
            passkeys.add(
                user=actor, name=form.cleaned_data["name"], site=site_of(request),
                state=request.session.pop(STATE, {}), answer=_answer(request),
                now=utc_now(), by=actor,
            )  # fmt: skip
        except CodeRefused:
            form.add_error(None, "The passkey was not accepted. Please try again.")
        except Refused as error:
            for field, sentence in refusals.problems(error):
                form.refuse(field, sentence)
        else:
            sessions.prove(request)
            notices.done(request, "Your passkey is set up. From now on it is asked for.")
            if is_first:
                return pages.show_codes(request, actor)
            return redirect("panel:account-second-factor")
    options, state = passkeys.ask_for_new(actor, site=site_of(request))
    request.session[STATE] = state
    context = {"form": form, "options": options, "links": accountpages.links(request)}
    return render(request, "panel/account/add_passkey.html", context)


@passes_gate
@never_cache
@require_POST
def prove(request: HttpRequest) -> HttpResponse:
    """The answer of a passkey, in place of a code."""
    user = pages.pending(request) or (request.user if isinstance(request.user, User) else None)
    if user is None:
        return redirect("panel:login")
    target = entrance.next_page(request)
    try:
        passkeys.check(
            user=user, site=site_of(request), state=request.session.pop(STATE, {}),
            answer=_answer(request), now=utc_now(),
        )  # fmt: skip
    except CodeRefused:
        watching.tell_of_failure(str(user), "web", client_address(request))
        time.sleep(entrance.FAILURE_SECONDS)
        notices.failed(request, "The passkey was not accepted.")
        return to_second_factor(target)
    pages.pass_through(request, user)
    return redirect(target)


def _answer(request: HttpRequest) -> dict[str, Any]:
    """What the browser sent; nonsense becomes an answer that is refused."""
    try:
        found = json.loads(request.POST.get("answer", ""))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


urlpatterns = [
    path("account/second-factor/passkey/", add, name="account-second-factor-passkey"),
    path("second-factor/passkey/", prove, name="second-factor-passkey"),
]
