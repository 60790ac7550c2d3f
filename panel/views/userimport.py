"""Users from a CSV file: upload, a look at what would happen, then doing it (U-024)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.debug import sensitive_post_parameters

from accounts import selectors, usercsv, userimport
from accounts.permissions import Verb
from accounts.secrets import Undecipherable
from accounts.tasks import import_users
from accounts.usercsv import FileRefused
from accounts.userimport import Existing, Fate, Outcome, Preview
from domains.models import Domain
from jobs import selectors as job_selectors
from jobs import services as jobs
from jobs.errors import JobOver, JobUnknown
from jobs.models import State
from panel import csvfiles, notices, ofdomain
from panel.access import ACTION, ADMINISTRATORS, FORM, READING, actor_of, opens_for
from panel.forms.userimport import UploadForm

# Up to so many lines a page waits for them; more become a job.
MOST_AT_ONCE = 20
# Lines of the preview; those with errors come first.
MOST_SHOWN = 200
EXAMPLE = {
    "username": "jane.doe",
    "password": "a long password",
    "full_name": "Jane Doe",
    "status": "enabled",
    "mailbox_size_mb": 500,
    "administrator": False,
    "time_zone": "Europe/Berlin",
    "language": "en",
}


@opens_for(ADMINISTRATORS, methods=FORM)
@sensitive_post_parameters()
def upload(request: HttpRequest, name: str) -> HttpResponse:
    domain = selectors.domain_for(actor_of(request), name, verb=Verb.CHANGE_USERS)
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            preview = _read(request, domain, form)
        except FileRefused as error:
            form.add_error("file", str(error))
        else:
            return _show(request, domain, preview, form.cleaned_data["existing"])
    context = {"form": form, "columns": usercsv.COLUMNS, **ofdomain.about(request, domain)}
    return render(request, "panel/users/import.html", context)


@opens_for(ADMINISTRATORS, methods=READING)
def example(request: HttpRequest, name: str) -> HttpResponseBase:
    """A file to begin with."""
    selectors.domain_for(actor_of(request), name, verb=Verb.CHANGE_USERS)
    row = [EXAMPLE.get(column, "") for column in usercsv.COLUMNS]
    return csvfiles.response("users.csv", usercsv.COLUMNS, [row])


@opens_for(ADMINISTRATORS, methods=ACTION)
def run(request: HttpRequest, name: str) -> HttpResponse:
    """What the preview promised, for few lines at once; many become a job."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
    kept = request.session.pop(_key(domain), None)
    try:
        lines = userimport.unseal(kept["sealed"]) if kept else []
    except Undecipherable:
        lines = []
    if not kept or not lines:
        notices.warned(request, "There is nothing to import: upload the file again.")
        return redirect("panel:users-import", name)
    existing = Existing(kept["existing"])
    if len(lines) > MOST_AT_ONCE:
        job = jobs.start(
            import_users, by=actor, domain_id=domain.pk, total=len(lines),
            domain=domain.pk, sealed=kept["sealed"], existing=existing.value,
        )  # fmt: skip
        return redirect("panel:users-import-job", name, job.pk)
    outcome = userimport.run(domain=domain, lines=lines, existing=existing, by=actor)
    _tell(request, outcome)
    return redirect("panel:users", name)


@opens_for(ADMINISTRATORS, methods=FORM)
def progress(request: HttpRequest, name: str, job_id: int) -> HttpResponse:
    """How far the import is; a POST cancels it."""
    actor = actor_of(request)
    domain = selectors.domain_for(actor, name, verb=Verb.CHANGE_USERS)
    job = job_selectors.job(job_id, of_domains=[domain.pk])
    if job.kind != import_users.name:
        raise JobUnknown(job_id)
    if request.method == "POST":
        try:
            jobs.cancel(job.pk, by=actor)
        except JobOver:
            notices.warned(request, "The import has ended already.")
        return redirect("panel:users-import-job", name, job.pk)
    outcome = job.result if job.state == State.DONE else job.kept
    context = {"job": job, "outcome": outcome, **ofdomain.about(request, domain)}
    is_part = request.headers.get("HX-Target") == "import"
    return render(request, f"panel/users/import_{'state' if is_part else 'page'}.html", context)


def _read(request: HttpRequest, domain: Domain, form: UploadForm) -> Preview:
    """Raises FileRefused."""
    file: Any = form.cleaned_data["file"]
    content = file.read(usercsv.LARGEST_FILE_BYTES + 1)
    lines = usercsv.read(content)
    if not lines:
        raise FileRefused("The file names no user.")
    existing = Existing(form.cleaned_data["existing"])
    return userimport.examine(domain=domain, lines=lines, existing=existing, by=actor_of(request))


def _show(request: HttpRequest, domain: Domain, preview: Preview, existing: str) -> HttpResponse:
    # It has passwords, so it waits encrypted, and not in the page.
    sealed = userimport.seal(preview.lines)
    request.session[_key(domain)] = {"sealed": sealed, "existing": existing}
    adding = preview.count(Fate.ADD)
    shown = sorted(preview.examined, key=lambda one: (one.fate != Fate.REFUSED, one.line.number))
    context = {
        "shown": shown[:MOST_SHOWN],
        "more": len(shown) - MOST_SHOWN,
        "adding": adding,
        "changing": preview.count(Fate.CHANGE),
        "leaving": preview.count(Fate.LEAVE),
        "refused": preview.count(Fate.REFUSED),
        "doing": len(preview.lines),
        "is_job": len(preview.lines) > MOST_AT_ONCE,
        "room": preview.room,
        "is_too_many": preview.room is not None and adding > preview.room,
        **ofdomain.about(request, domain),
    }
    return render(request, "panel/users/import_preview.html", context)


def _tell(request: HttpRequest, outcome: Outcome) -> None:
    if outcome.added or outcome.changed:
        words = [f"{outcome.added:,} added"]
        if outcome.changed:
            words.append(f"{outcome.changed:,} changed")
        notices.done(request, f"Imported users: {', '.join(words)}.")
    if outcome.refused:
        lines = [f"Line {number}, {name}: {reason}." for number, name, reason in outcome.refused]
        notices.failed(request, "\n".join(lines))


def _key(domain: Domain) -> str:
    return f"user-import-{domain.pk}"


urlpatterns = [
    path("domain/<str:name>/users/import/", upload, name="users-import"),
    path("domain/<str:name>/users/import/example/", example, name="users-import-example"),
    path("domain/<str:name>/users/import/run/", run, name="users-import-run"),
    path("domain/<str:name>/users/import/<int:job_id>/", progress, name="users-import-job"),
]
