"""Another name for a domain, after a rehearsal; and reading its folder anew (D-013, D-110…)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import selectors
from accounts.permissions import Verb
from administration import renaming
from administration.reloadjob import start_reload
from administration.renamejob import start_rename
from administration.renaming import Rehearsal
from domains.models import Domain
from jobs.models import Job
from panel import notices, ofdomain, refusals
from panel.access import FORM, PROVIDERS, actor_of, opens_for
from panel.forms.renaming import RenameForm
from panel.views.dns import grouped


@opens_for(PROVIDERS, methods=FORM)
def rename(request: HttpRequest, name: str) -> HttpResponse:
    """A POST rehearses; `run` in it begins the job."""
    domain = selectors.domain_for(actor_of(request), name, verb=Verb.RENAME_DOMAIN)
    if domain.name != name.lower():
        # D-111: it was renamed after the page had been opened.
        notices.warned(request, f"{name} is an alias now: the domain is called {domain}.")
        return redirect("panel:domain-rename", domain.name)
    form = RenameForm(request.POST if request.method == "POST" else None)
    told: list[Rehearsal] = []
    if form.is_bound and form.is_valid():
        if "run" in request.POST:
            begun = _begin(request, domain, form)
            if begun is not None:
                return redirect("panel:job", begun.pk)
        else:
            form.save(lambda: told.append(renaming.rehearse(domain, **form.cleaned_data)))
    context = ofdomain.about(request, domain) | {"form": form}
    if told:
        context |= {
            "told": told[0],
            "conflicts": [refusals.words(conflict) for conflict in told[0].conflicts],
            "groups": grouped(told[0].records),
        }
    return render(request, "panel/domains/rename.html", context)


@opens_for(PROVIDERS, methods=FORM)
def reload(request: HttpRequest, name: str) -> HttpResponse:
    """What it does; a POST begins the job (D-013)."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.RENAME_DOMAIN)
    if request.method == "POST":
        return redirect("panel:job", start_reload(domain=domain, by=actor).pk)
    return render(request, "panel/domains/reload.html", ofdomain.about(request, domain))


def _begin(request: HttpRequest, domain: Domain, form: RenameForm) -> Job | None:
    """None: it was refused, and the form says why."""
    begun: list[Job] = []
    given = form.cleaned_data
    form.save(lambda: begun.append(start_rename(domain=domain, by=actor_of(request), **given)))
    return begun[0] if begun else None


urlpatterns = [
    path("domain/<str:name>/rename/", rename, name="domain-rename"),
    path("domain/<str:name>/reload/", reload, name="domain-reload"),
]
