"""The folder of a domain: where it is, and moving it to another place (D-034)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from accounts import selectors
from accounts.permissions import Verb
from administration.movejob import start_move
from domains import moving
from jobs.models import Job
from panel import ofdomain
from panel.access import FORM, SYSTEM, actor_of, opens_for
from panel.forms.moving import MoveForm
from panel.views.jobs import dress


@opens_for(SYSTEM, methods=FORM)
def folder(request: HttpRequest, name: str) -> HttpResponse:
    """A move that runs is shown; a POST begins one, as a job."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_TECHNICAL)
    form = MoveForm(request.POST if request.method == "POST" else None)
    begun: list[Job] = []
    if form.is_bound and form.is_valid():
        wanted = form.cleaned_data["folder_path"].strip()
        if form.save(lambda: begun.append(start_move(domain=domain, folder_path=wanted, by=actor))):
            return redirect("panel:job", begun[0].pk)
    running = moving.running_of(domain)
    row = Job.objects.filter(pk=running.job_id or 0).first() if running is not None else None
    if row is not None:
        dress(row)
    context = {
        "form": form,
        "folder": domain.area.directory,
        "goal": moving.of_row(running).goal if running is not None else None,
        "row": row,
        **ofdomain.about(request, domain),
    }
    return render(request, "panel/domains/folder.html", context)


urlpatterns = [
    path("domain/<str:name>/folder/", folder, name="domain-folder"),
]
