"""A new domain page by page, for newcomers (D-022…D-025)."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters

from accounts import caps, permissions
from accounts.models import User
from accounts.permissions import Verb
from domains.models import Domain
from panel import notices
from panel.access import FORM, PROVIDERS, actor_of, opens_for
from panel.forms.base import PanelForm
from panel.forms.domains import INTROS
from panel.forms.tabbed import TabbedForm
from panel.forms.wizard import STEPS, TITLES, Draft
from panel.views.domainpages import open_by

LAST = len(STEPS)


@opens_for(PROVIDERS, methods=FORM)
@sensitive_post_parameters()
def page(request: HttpRequest, number: int) -> HttpResponse:
    actor = actor_of(request)
    permissions.require(actor, Verb.OPEN_DOMAIN)
    draft = Draft(
        request.session,
        withheld=caps.withheld_from(actor),
        offers_folder=permissions.may(actor, Verb.MANAGE_SERVER),
    )
    if not 1 <= number <= draft.reached:
        return redirect("panel:domain-wizard", draft.reached)
    if request.method != "POST":
        return _show(request, number, draft.shown(STEPS[number - 1]))
    go = request.POST.get("go")
    if go == "cancel":
        draft.forget()
        return redirect("panel:domains")
    draft.keep(STEPS[number - 1], request.POST)
    if go == "back":
        return redirect("panel:domain-wizard", max(1, number - 1))
    if go == "save" and number == LAST:
        return _save(request, draft, actor)
    return _next(request, draft, actor, number)


def _next(request: HttpRequest, draft: Draft, actor: User, number: int) -> HttpResponse:
    step, tabbed = STEPS[number - 1], draft.tabbed()
    if not tabbed.form(step).is_valid():
        return _show(request, number, draft.with_errors(tabbed, step))
    # What only the services know, such as a name that is taken, is found here and not at Save.
    is_fine = tabbed.is_valid() and tabbed.save(lambda: _rehearse(tabbed, actor))
    if not is_fine and (tabbed.form(step).errors or tabbed.refused):
        return _show(request, number, draft.with_errors(tabbed, step), tabbed.refused)
    draft.reach(number + 1)
    return redirect("panel:domain-wizard", min(number + 1, LAST))


def _save(request: HttpRequest, draft: Draft, actor: User) -> HttpResponse:
    tabbed = draft.tabbed()
    opened: list[Domain] = []
    if tabbed.is_valid() and tabbed.save(lambda: opened.append(open_by(tabbed, actor))):
        draft.forget()
        notices.done(request, f"Opened {opened[0]}.")
        return redirect("panel:domain-opened", opened[0].name)
    step = STEPS[-1] if tabbed.refused else tabbed.active
    form = draft.with_errors(tabbed, step)
    return _show(request, STEPS.index(step) + 1, form, tabbed.refused)


@transaction.atomic
def _rehearse(tabbed: TabbedForm, actor: User) -> None:
    """Folders are made after the commit only, so nothing is left of it."""
    open_by(tabbed, actor)
    transaction.set_rollback(True)


def _show(
    request: HttpRequest, number: int, form: PanelForm, refused: list[str] | None = None
) -> HttpResponse:
    steps = [(at, title, at == number) for at, title in enumerate(TITLES, start=1)]
    context = {
        "steps": steps,
        "number": number,
        "title": TITLES[number - 1],
        "intro": INTROS.get(STEPS[number - 1], ""),
        "form": form,
        "refused": refused or [],
        "reached": Draft(request.session).reached,
        "is_last": number == LAST,
    }
    return render(request, "panel/domains/wizard.html", context)


urlpatterns = [path("domains/new/step/<int:number>/", page, name="domain-wizard")]
