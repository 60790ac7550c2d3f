"""The page of one domain: its tabs, to open a new one and to edit it (D-021, D-029…D-031)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters

from accounts import caps, editing, permissions, provisioning, room, selectors
from accounts.models import Role, User
from accounts.permissions import Verb
from accounts.provisioning import NewDomain
from domains.models import TABS, Domain
from mailinglists import room as lists_room
from panel import notices, ofdomain, refusals
from panel.access import FORM, PROVIDERS, actor_of, opens_for
from panel.forms import domains as forms
from panel.forms.base import version_in
from panel.forms.tabbed import TabbedForm
from panel.undoing import undo_of_this


@opens_for(PROVIDERS, methods=FORM)
@sensitive_post_parameters()
def new(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    permissions.require(actor, Verb.OPEN_DOMAIN)
    data = request.POST if request.method == "POST" else None
    tabbed = forms.for_new(
        data,
        withheld=caps.withheld_from(actor),
        offers_folder=permissions.may(actor, Verb.MANAGE_SERVER),
    )
    if request.method == "POST" and tabbed.is_valid():
        opened: list[Domain] = []
        if tabbed.save(lambda: opened.append(open_by(tabbed, actor))):
            notices.done(request, f"Opened {opened[0]}.")
            return redirect("panel:domain-opened", opened[0].name)
    full = "" if request.method == "POST" else refusals.full(room.for_domain(actor))
    return render(request, "panel/domains/new.html", {"tabbed": tabbed, "full": full})


@opens_for(PROVIDERS, methods=FORM)
@sensitive_post_parameters()
def edit(request: HttpRequest, name: str) -> HttpResponse:
    actor = actor_of(request)
    found = selectors.domain_for(actor, name, verb=Verb.CHANGE_OPTIONS)
    domain = selectors.domains_for(actor).select_related(*_rows()).get(pk=found.pk)
    is_post = request.method == "POST"
    version = version_in(request.POST) if is_post else domain.version
    tabbed = forms.for_editing(domain, request.POST if is_post else None, by=actor, version=version)
    if is_post and tabbed.is_valid() and tabbed.save(lambda: _save(tabbed, domain, actor)):
        notices.done(request, f"Saved {domain}.", undo=undo_of_this())
        return redirect("panel:domain", domain.name)
    context = {
        "tabbed": tabbed,
        "in_use": lists_room.all_in_use(domain),
        **ofdomain.about(request, domain),
    }
    return render(request, "panel/domains/edit.html", context)


def open_by(tabbed: TabbedForm, actor: User) -> Domain:
    """What the forms of `panel.forms.domains.for_new` ask for. Slow; raises what services do."""
    form: Any = tabbed.form("options")
    data = form.cleaned_data
    new = NewDomain(
        name=data["name"],
        administrator=form.new_user(),
        options={name: data[name] for name in forms.OPTIONS},
        tabs={tab: values for tab, values in tabbed.changed().items() if tab in TABS},
        folder_path=data.get("folder_path") or None,
        reseller=actor if actor.role == Role.RESELLER else None,
    )
    return provisioning.open_domain(new=new, by=actor)


def _save(tabbed: TabbedForm, domain: Domain, actor: User) -> None:
    options: Any = tabbed.form("options")
    changed = tabbed.changed()
    for tab in changed:
        if tab in TABS:
            permissions.require(actor, forms.TAB_VERBS[tab], domain)
    editing.change_domain(
        domain=domain,
        by=actor,
        options=options.options(),
        tabs={tab: values for tab, values in changed.items() if tab in TABS},
        administrator=options.administrator(),
        new_administrator=options.new_administrator(),
        expected_version=tabbed.version,
    )


def _rows() -> list[str]:
    return [model._meta.model_name or "" for model in TABS.values()]


urlpatterns = [
    path("domains/new/", new, name="domain-new"),
    path("domain/<str:name>/", edit, name="domain"),
]
