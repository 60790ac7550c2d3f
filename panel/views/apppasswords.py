"""A user's app passwords: one for each program, shown once, removed at any time (U-015)."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache

from accounts import apppasswords, secondfactor
from accounts.models import AppPassword, User
from panel import accountpages, notices, refusals, sessions
from panel.access import ACTION, FORM, OF_DOMAINS, actor_of, opens_for
from panel.forms.account import SCOPE_NAMES, AppPasswordForm
from panel.gate import to_second_factor
from panel.refusals import Refused

MOST = 50


@opens_for(OF_DOMAINS, methods=FORM, in_person=True)
@never_cache
def app_passwords(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    if sessions.needs_proof(request, actor):
        return to_second_factor(request.path)
    form = AppPasswordForm(request.POST if request.method == "POST" else None)
    made, password = None, ""
    if request.method == "POST" and form.is_valid():
        try:
            made, password = _add(actor, form)
        except Refused as error:
            for field, sentence in refusals.problems(error):
                form.refuse(field, sentence)
        else:
            form = AppPasswordForm()
    rows = list(AppPassword.objects.filter(user=actor).order_by("name"))
    context = {
        "links": accountpages.links(request),
        "form": form,
        "rows": [(row, [SCOPE_NAMES.get(scope, scope) for scope in row.scopes]) for row in rows],
        "made": made,
        "password": password,
        "has_second_factor": secondfactor.has_one(actor),
    }
    return render(request, "panel/account/app_passwords.html", context)


@opens_for(OF_DOMAINS, methods=ACTION, in_person=True)
def remove(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    row = get_object_or_404(AppPassword, pk=number, user=actor)
    apppasswords.remove(app_password=row, by=actor)
    notices.done(request, f"Removed “{row.name}”: the program with it can no longer log in.")
    return redirect("panel:account-app-passwords")


def _add(actor: User, form: AppPasswordForm) -> tuple[AppPassword, str]:
    if AppPassword.objects.filter(user=actor).count() >= MOST:
        raise PermissionDenied(f"{MOST} app passwords are enough. Remove one first.")
    return apppasswords.add(
        user=actor,
        name=form.cleaned_data["name"].strip(),
        scopes=form.cleaned_data["scopes"],
        by=actor,
    )


urlpatterns = [
    path("account/app-passwords/", app_passwords, name="account-app-passwords"),
    path("account/app-passwords/<int:number>/remove/", remove, name="account-app-password-remove"),
]
