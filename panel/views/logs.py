"""The logs of a day, searched and downloaded (M-080…M-087)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts.models import Role
from clock.moments import utc_now
from logbook.kinds import Kind
from logbook.reading import Found, Hit, NoLog
from operations import logs
from panel import notices
from panel.access import ADMINISTRATORS, actor_of, opens_for
from panel.forms.logs import LogForm
from panel.lists import Link

DAYS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ShownLine:
    """`begins`: the first of another session, where whole sessions are shown."""

    text: str
    is_hit: bool
    begins: bool


@opens_for(ADMINISTRATORS)
def overview(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    form = _form(request)
    context: dict[str, Any] = {"form": form, "is_system": actor.role == Role.SYSTEM_ADMINISTRATOR}
    if form.is_valid():
        data = form.cleaned_data
        kind, day = Kind(data["type"]), data["date"]
        sight = logs.sight_of(actor, data["domain"])
        try:
            found = logs.search(
                kind=kind, day=day, text=data["search"], has_related=data["has_related"],
                domains=sight,
            )  # fmt: skip
        except NoLog:
            context["days"] = [_day(data, other) for other in logs.days(kind)[:DAYS_SHOWN]]
        else:
            whole_sessions = data["has_related"] and bool(data["search"].strip())
            context.update(found=found, lines=list(_lines(found, whole_sessions)))
            context["download_url"] = f"{reverse('panel:logs-download')}?{_state(data)}"
    return render(request, "panel/operations/logs.html", context)


@opens_for(ADMINISTRATORS)
def download(request: HttpRequest) -> HttpResponseBase:
    """The whole log of that day and type, for those of a domain only its lines; audited."""
    actor = actor_of(request)
    form = _form(request)
    if not form.is_valid():
        return redirect("panel:logs")
    data = form.cleaned_data
    kind, day = Kind(data["type"]), data["date"]
    sight = logs.sight_of(actor, data["domain"])
    try:
        pieces = logs.download(kind=kind, day=day, by=actor, domains=sight)
    except NoLog:
        notices.warned(request, "There is no log of that day and type.")
        return redirect(f"{reverse('panel:logs')}?{_state(data)}")
    name = f"{kind}-{day.isoformat()}.zip"
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(pieces, content_type="application/zip", headers=headers)


def _form(request: HttpRequest) -> LogForm:
    """What is not said is today's log of SMTP."""
    given = request.GET.dict()
    factory = {"date": utc_now().date().isoformat(), "type": Kind.SMTP.value}
    form = LogForm({**factory, **given})
    if actor_of(request).role == Role.DOMAIN_ADMINISTRATOR:
        form.fields["domain"].widget = form.fields["domain"].hidden_widget()
    return form


def _lines(found: Found, whole_sessions: bool) -> Iterator[ShownLine]:
    session = None
    for hit in found.hits:
        begins = whole_sessions and session is not None and hit.line.session != session
        session = hit.line.session
        yield ShownLine(_text(hit), whole_sessions and hit.is_hit, begins)


def _text(hit: Hit) -> str:
    return hit.line.shown().replace("\0", "�")


def _day(data: dict[str, Any], day: date) -> Link:
    return Link(day.isoformat(), f"?{_state({**data, 'date': day})}")


def _state(data: dict[str, Any]) -> str:
    given: Iterable[tuple[str, object]] = (
        ("date", data["date"].isoformat()),
        ("type", data["type"]),
        ("domain", data["domain"]),
        ("search", data["search"]),
        ("has_related", "on" if data["has_related"] else ""),
    )
    return urlencode([(name, value) for name, value in given if value])


urlpatterns = [
    path("logs/", overview, name="logs"),
    path("logs/download/", download, name="logs-download"),
]
