"""Background jobs: how far they are, what they said, and cancelling them (X-007)."""

from __future__ import annotations

import json

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path

from accounts.models import Role
from administration.selectors import audit_for, job_for, jobs_for
from jobs import services
from jobs.errors import JobOver
from jobs.kinds import title_of
from jobs.models import Job, State
from panel import notices
from panel.access import ACTION, ADMINISTRATORS, actor_of, opens_for
from panel.lists import Column, Listing, Pill

COLOURS = {
    State.QUEUED: "secondary",
    State.RUNNING: "blue",
    State.DONE: "green",
    State.FAILED: "red",
    State.CANCELLED: "yellow",
}


class JobListing(Listing[Job]):
    title = "Background jobs"
    singular, plural = "job", "jobs"
    sorted_by = "-id"
    searched = ("kind__icontains", "actor__icontains")
    rows_template = "panel/operations/job_rows.html"
    page_template = "panel/operations/jobs.html"
    empty_text = "Long work, such as an import, is done here while you go on."
    pills = (
        Pill("all", "All", Q()),
        Pill("unfinished", "Unfinished", Q(state__in=(State.QUEUED, State.RUNNING))),
        Pill("done", "Done", Q(state=State.DONE)),
        Pill("failed", "Failed", Q(state=State.FAILED)),
        Pill("cancelled", "Cancelled", Q(state=State.CANCELLED)),
    )
    columns = (
        Column("Job", "", lambda row: title_of(row.kind)),
        Column("State", "", lambda row: row.get_state_display()),
        Column("Progress", "", lambda row: row.percent),
        Column("Asked by", "", lambda row: row.actor),
        Column("Asked at", "id", lambda row: row.created_at, unit="UTC"),
        Column("Ended at", "", lambda row: row.finished_at, unit="UTC"),
    )


@opens_for(ADMINISTRATORS)
def overview(request: HttpRequest) -> HttpResponseBase:
    listing = JobListing(request, jobs_for(actor_of(request)))
    for row in listing.rows:
        dress(row)
    is_moving = any(not row.has_ended for row in listing.rows)
    return listing.response(is_moving=is_moving)


@opens_for(ADMINISTRATORS)
def show(request: HttpRequest, job_id: int) -> HttpResponse:
    actor = actor_of(request)
    row = job_for(actor, job_id)
    dress(row)
    entries = audit_for(actor).filter(operation=f"job-{row.pk}")
    context = {
        "row": row,
        # The page of the operation, which has the way back.
        "changed": entries.order_by("pk").first() if row.has_ended else None,
        "result": json.dumps(row.result, indent=1, ensure_ascii=False) if row.result else "",
        # It may name files and hosts of the server.
        "error": row.error if actor.role == Role.SYSTEM_ADMINISTRATOR else "",
    }
    return render(request, "panel/operations/job.html", context)


@opens_for(ADMINISTRATORS, methods=ACTION)
def cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """At once if it waits, else at its next step."""
    actor = actor_of(request)
    row = job_for(actor, job_id)
    title = title_of(row.kind)
    try:
        row = services.cancel(row.pk, by=actor)
    except JobOver:
        notices.warned(request, f"“{title}” has ended already.")
    else:
        now = row.state == State.CANCELLED
        text = f"Cancelled “{title}”." if now else f"“{title}” ends at its next step."
        notices.done(request, text)
    return redirect("panel:job", row.pk)


def dress(row: Job) -> None:
    """What the templates of a job's state and progress need."""
    row.title = title_of(row.kind)  # type: ignore[attr-defined]
    row.colour = COLOURS[State(row.state)]  # type: ignore[attr-defined]


urlpatterns = [
    path("jobs/", overview, name="jobs"),
    path("jobs/<int:job_id>/", show, name="job"),
    path("jobs/<int:job_id>/cancel/", cancel, name="job-cancel"),
]
