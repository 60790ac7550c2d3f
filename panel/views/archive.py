"""The message archive: search, view, download, export, deliver again (A-010…A-017)."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import content_disposition_header, urlencode

from accounts.errors import UserUnknown
from accounts.models import Role, User
from administration import redelivery
from administration.errors import NotDelivered
from archive import engine, exports, searching
from archive.engine import Criteria
from archive.errors import NothingToExport
from archive.exports import Format
from archive.tasks import export as export_job
from panel import notices, refusals
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.forms.archive import AgainForm, ArchiveForm

ROWS = 50
MOST_CHOSEN = 1000
LONGEST_CURSOR = 500
ROLES = SYSTEM | {Role.DOMAIN_ADMINISTRATOR}


@opens_for(ROLES)
def archive(request: HttpRequest) -> HttpResponse:
    """The search. For administrators of a domain only where that domain is archived (A-008)."""
    actor = actor_of(request)
    searching.require_open(actor)
    if engine.current() is None:
        return render(request, "panel/archive/none.html")
    form = _form(request, actor)
    context: dict[str, object] = {"form": form, "is_system": actor.role in SYSTEM}
    if form.is_bound and form.is_valid():
        cursor = request.GET.get("cursor", "")[:LONGEST_CURSOR]
        found = searching.search(actor, form.criteria(), cursor=cursor, limit=ROWS)
        state = _state(form)
        context |= {
            "found": found,
            "state": urlencode(state),
            "next": urlencode({**state, "cursor": found.cursor}) if found.cursor else "",
            "is_further": bool(cursor),
        }
    context["exports"] = exports.latest(actor)
    return render(request, "panel/archive/search.html", context)


@opens_for(ROLES, methods=FORM)
def message(request: HttpRequest, key: str) -> HttpResponse:
    """Safe text, and the form by which it goes into a mailbox again. The look is on record."""
    actor = actor_of(request)
    form = AgainForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _deliver_again(request, key, form):
        return redirect("panel:archive-message", key)
    view = searching.view(actor, key)
    context = {"view": view, "message": view.message, "form": form}
    return render(request, "panel/archive/message.html", context)


@opens_for(ROLES)
def download(request: HttpRequest, key: str) -> HttpResponse:
    row, content = searching.read(actor_of(request), key, verb="downloaded an archived message")
    return HttpResponse(
        content, content_type="application/octet-stream", headers=_as_file(f"{row.key}.eml")
    )


@opens_for(ROLES, methods=ACTION)
def export(request: HttpRequest) -> HttpResponse:
    """Of the checked messages, or of all that the search finds; made in the background."""
    actor = actor_of(request)
    form = _form(request, actor)
    is_all = bool(request.POST.get("all_matching"))
    keys = [] if is_all else request.POST.getlist("selected")[:MOST_CHOSEN]
    wanted = request.POST.get("format")
    back = _back(request)
    if not (is_all and form.is_bound and form.is_valid()) and not keys:
        searching.require_open(actor)
        notices.warned(request, "No message was selected.")
        return redirect(back)
    try:
        exports.start(
            actor,
            kind=export_job,
            format_=Format.MBOX if wanted == Format.MBOX else Format.ZIP,
            keys=keys,
            criteria=form.criteria() if is_all else Criteria(),
        )
    except NothingToExport as error:
        notices.warned(request, refusals.words(error))
    else:
        notices.done(request, "The file is being made: it stands below the search when it is done.")
    return redirect(back)


@opens_for(ROLES)
def exported(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """The file, for whoever asked for it."""
    made = exports.file_of(actor_of(request), job_id)
    return FileResponse(
        made.open("rb"),
        as_attachment=True,  # FileResponse writes Content-Disposition anew
        content_type="application/octet-stream",
        headers=_as_file(made.name),
    )


def _deliver_again(request: HttpRequest, key: str, form: AgainForm) -> bool:
    """False: the form has the refusal."""
    actor, address = actor_of(request), form.cleaned_data["address"].strip()
    try:
        number = redelivery.deliver_again(actor, key, address=address)
    except (UserUnknown, NotDelivered) as error:
        form.refuse("address", refusals.words(error))
        return False
    notices.done(request, f"Sent to {address} once more, as message {number}.")
    return True


def _form(request: HttpRequest, actor: User) -> ArchiveForm:
    """Bound once something was searched for."""
    return ArchiveForm(actor, request.GET if "search" in request.GET else None)


def _state(form: ArchiveForm) -> dict[str, str]:
    """The search as it stands in addresses."""
    given = {name: str(form.data.get(name, "")) for name in form.fields}
    return {"search": "1", **{name: value for name, value in given.items() if value}}


def _back(request: HttpRequest) -> str:
    """The search as it was."""
    state = request.GET.urlencode()
    return reverse("panel:archive") + (f"?{state}" if state else "")


def _as_file(name: str) -> dict[str, str]:
    """Never shown by the browser itself: what is in it is somebody else's."""
    return {
        "Content-Disposition": content_disposition_header(True, name) or "attachment",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }


urlpatterns = [
    path("archive/", archive, name="archive"),
    path("archive/export/", export, name="archive-export"),
    path("archive/export/<int:job_id>/", exported, name="archive-exported"),
    path("archive/message/<str:key>/", message, name="archive-message"),
    path("archive/message/<str:key>/download/", download, name="archive-download"),
]
