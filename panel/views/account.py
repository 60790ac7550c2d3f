"""A person's own profile, password, and record of what was done (U-012, U-014, X-005)."""

from __future__ import annotations

import time

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters

from accounts import passwords, services, watching, websessions
from accounts.models import User
from administration import selectors as audit_selectors
from events.models import AuditEntry
from panel import accountpages, notices, refusals, sessions
from panel.access import EVERYBODY, FORM, actor_of, client_address, opens_for
from panel.forms.account import PasswordForm, ProfileForm
from panel.gate import passes_gate
from panel.refusals import Refused
from panel.views import entrance

# Entries on the page of what happened; the whole trail is the administrators'.
SHOWN = 200


@opens_for(EVERYBODY, methods=FORM)
def account(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    form = ProfileForm(actor, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            services.change_own(user=actor, values=form.changed_values())
        except Refused as error:
            for field, sentence in refusals.problems(error):
                form.refuse(field, sentence)
        else:
            notices.done(request, "Saved your profile.")
            return redirect("panel:account")
    return _show(request, "profile", form=form)


@opens_for(EVERYBODY, methods=FORM, in_person=True)
@passes_gate
@sensitive_post_parameters()
def password(request: HttpRequest) -> HttpResponse:
    """The new one ends the sessions of all other browsers (U-014)."""
    actor = actor_of(request)
    form = PasswordForm(request.POST if request.method == "POST" else None)
    may_try = request.method == "POST" and not actor.password_locked
    if may_try and form.is_valid() and _set_password(request, actor, form):
        return redirect("panel:account-password")
    return _show(request, "password", form=form, is_locked=actor.password_locked)


@opens_for(EVERYBODY)
def audit(request: HttpRequest) -> HttpResponse:
    """What was done to the account, by it, and by others in its name (U-060)."""
    actor = actor_of(request)
    about = Q(object_type="accounts.user", object_id=actor.pk)
    # Somebody else may have had the same name before.
    in_his_name = Q(impersonated=str(actor), at__gte=actor.created_at)
    rows = AuditEntry.objects.filter(about | Q(actor_id=actor.pk) | in_his_name)
    entries = [
        (entry, entry.client_address if audit_selectors.may_know_origin(actor, entry) else "")
        for entry in rows.order_by("-id")[:SHOWN]
    ]
    return _show(request, "audit", entries=entries, most=SHOWN)


def _set_password(request: HttpRequest, actor: User, form: PasswordForm) -> bool:
    if not passwords.verify(form.cleaned_data["current"], actor.password):
        watching.tell_of_failure(str(actor), "web", client_address(request))  # M-064
        time.sleep(entrance.FAILURE_SECONDS)
        form.add_error("current", "This is not your password.")
        return False
    try:
        changed = services.set_password(
            user=actor, password=form.cleaned_data["password"], by=actor
        )
    except Refused as error:
        for field, sentence in refusals.problems(error):
            form.refuse(field, sentence)
        return False
    if changed.must_change_password:
        services.change_user(user=changed, values={"must_change_password": False}, by=actor)
    sessions.keep_after_change(request, changed)
    websessions.end_others(
        user=actor,
        keep=request.session.session_key or "",
        forget=sessions.forget,
        by=actor,
    )
    notices.done(request, "Your password is changed. Other browsers are logged out.")
    return True


def _show(request: HttpRequest, page: str, **context: object) -> HttpResponse:
    context["links"] = accountpages.links(request)
    return render(request, f"panel/account/{page}.html", context)


urlpatterns = [
    path("account/", account, name="account"),
    path("account/password/", password, name="account-password"),
    path("account/audit/", audit, name="account-audit"),
]
