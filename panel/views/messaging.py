"""Writing to many users: the forms, a summary before, progress after (B-001…B-017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import selectors
from accounts.models import User
from clock.moments import utc_now
from messaging import audience as audiences
from messaging import services
from messaging.models import Audience, MassMail, Reminder
from panel import notices, refusals
from panel.access import ACTION, EVERYBODY, FORM, PROVIDERS, actor_of, opens_for
from panel.forms.messaging import AudienceForm, MailForm, ReminderForm
from panel.refusals import Refused

LATEST = 10
SUGGESTED = 500


@dataclass(frozen=True, slots=True)
class Kind:
    """What differs between mail and reminders."""

    key: str
    heading: str
    form: type[AudienceForm]
    model: Any
    send: Callable[..., Any]


MAIL = Kind("email", "Send email", MailForm, MassMail, services.send_mail)
REMINDER = Kind("reminder", "Send reminder", ReminderForm, Reminder, services.send_reminder)


@opens_for(PROVIDERS, methods=FORM)
def mass_email(request: HttpRequest) -> HttpResponse:
    return _page(request, MAIL)


@opens_for(PROVIDERS, methods=FORM)
def mass_reminder(request: HttpRequest) -> HttpResponse:
    return _page(request, REMINDER)


@opens_for(PROVIDERS)
def mass_email_state(request: HttpRequest, number: int) -> HttpResponse:
    return _state(request, MAIL, number)


@opens_for(PROVIDERS)
def mass_reminder_state(request: HttpRequest, number: int) -> HttpResponse:
    return _state(request, REMINDER, number)


@opens_for(PROVIDERS, methods=ACTION)
def mass_email_move(request: HttpRequest, number: int, verb: str) -> HttpResponse:
    return _move(request, MAIL, number, verb)


@opens_for(PROVIDERS, methods=ACTION)
def mass_reminder_move(request: HttpRequest, number: int, verb: str) -> HttpResponse:
    return _move(request, REMINDER, number, verb)


@opens_for(EVERYBODY)
def reminders(request: HttpRequest) -> HttpResponse:
    """What is to be shown to whoever is logged in; pages ask for it again now and then."""
    found = services.unseen(actor_of(request), now=utc_now())
    return render(request, "panel/messaging/popup.html", {"reminders": found})


@opens_for(EVERYBODY, methods=ACTION)
def reminder_answer(request: HttpRequest, number: int) -> HttpResponse:
    answer = services.snooze if request.POST.get("answer") == "later" else services.dismiss
    if not answer(actor_of(request), number, now=utc_now()):
        notices.warned(request, "This reminder is gone already.")
    return redirect("panel:home")


def _page(request: HttpRequest, kind: Kind) -> HttpResponse:
    """Send shows a summary first; its button sends, or goes back to the form."""
    actor = actor_of(request)
    asked = request.GET.get("domain", "")
    preset = {"audience": Audience.DOMAIN, "domain": asked} if asked else {}
    form = kind.form(request.POST if request.method == "POST" else None, initial=preset)
    step = request.POST.get("step")
    if request.method == "POST" and form.is_valid() and step != "edit":
        try:
            if step == "send":
                row = kind.send(**form.values(), by=actor)  # type: ignore[attr-defined]
                notices.done(request, f"“{row.subject}” is on its way to {_users(row.total)}.")
                return redirect(f"panel:mass-{kind.key}-state", row.pk)
            return _summary(request, kind, form, actor)
        except Refused as error:
            for name, sentence in refusals.problems(error):
                form.refuse(name, sentence)
    domains = selectors.domains_for(actor).order_by("name").values_list("name", flat=True)
    context = {
        "form": form,
        "kind": kind,
        "domains": domains[:SUGGESTED],
        "latest": services.sendings_for(actor, kind.model)[:LATEST],
    }
    return render(request, "panel/messaging/form.html", context)


def _summary(request: HttpRequest, kind: Kind, form: AudienceForm, actor: User) -> HttpResponse:
    audience = form.cleaned_data["audience"]
    of = audiences.normal(actor, audience, form.of)
    total = services.count(actor, audience, of)
    if not total:
        form.refuse("audience", "Nobody is in it: only enabled users of enabled domains count.")
        context = {"form": form, "kind": kind, "latest": []}
        return render(request, "panel/messaging/form.html", context)
    to = dict(form.fields["audience"].choices)[audience]  # type: ignore[attr-defined]
    hidden = [(name, value) for name, value in request.POST.items()
              if name not in ("csrfmiddlewaretoken", "step")]  # fmt: skip
    context = {"kind": kind, "form": form, "total": total, "to": to, "of": of, "hidden": hidden}
    return render(request, "panel/messaging/summary.html", context)


def _state(request: HttpRequest, kind: Kind, number: int) -> HttpResponse:
    row = services.sending_for(actor_of(request), kind.model, number)
    template = "state_part" if request.headers.get("HX-Target") == "state" else "state"
    return render(request, f"panel/messaging/{template}.html", {"row": row, "kind": kind})


def _move(request: HttpRequest, kind: Kind, number: int, verb: str) -> HttpResponse:
    moves = {"pause": services.pause, "resume": services.resume, "cancel": services.cancel}
    done = {"pause": "Paused", "resume": "Resumed", "cancel": "Cancelled"}
    row = services.sending_for(actor_of(request), kind.model, number)
    try:
        moves[verb](row, by=actor_of(request))
        notices.done(request, f"{done[verb]} “{row.subject}”.")
    except Refused as error:
        notices.failed(request, refusals.words(error))
    return redirect(f"panel:mass-{kind.key}-state", number)


def _users(count: int) -> str:
    return "1 user" if count == 1 else f"{count:,} users"


def _paths(key: str, page: Any, state: Any, move: Any) -> list[Any]:
    base = f"messaging/{key}/"
    moves = [
        path(f"{base}<int:number>/{verb}/", move, {"verb": verb}, name=f"mass-{key}-{verb}")
        for verb in ("pause", "resume", "cancel")
    ]
    return [
        path(base, page, name=f"mass-{key}"),
        path(f"{base}<int:number>/", state, name=f"mass-{key}-state"),
        *moves,
    ]


urlpatterns = [
    *_paths("email", mass_email, mass_email_state, mass_email_move),
    *_paths("reminder", mass_reminder, mass_reminder_state, mass_reminder_move),
    path("reminders/", reminders, name="reminders"),
    path("reminders/<int:number>/", reminder_answer, name="reminder-answer"),
]
