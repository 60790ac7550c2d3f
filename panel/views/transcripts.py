"""Record what is said with one user or address for the next minutes, and read it."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from accounts import permissions
from accounts.permissions import Verb
from clock.moments import utc_now
from operations import transcripts
from operations.models import Transcript
from panel import formpage, notices
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.formpage import FormPage
from panel.forms.logs import TranscriptForm
from panel.lists import Column, Listing, Pill

# A page of more lines is slow to scroll; the newest count.
LINES_SHOWN = 5000


class TranscriptListing(Listing[Transcript]):
    title = "Transcripts"
    singular, plural = "transcript", "transcripts"
    sorted_by = "-started_at"
    searched = ("subject__icontains", "actor__icontains")
    rows_template = "panel/operations/transcript_rows.html"
    page_template = "panel/operations/transcripts.html"
    empty_text = "A transcript shows every word between a client and this server for some minutes."
    pills = (Pill("all", "All", Q()),)
    columns = (
        Column("Subject", "subject", lambda row: row.subject),
        Column("Started", "started_at", lambda row: row.started_at, unit="UTC"),
        Column("Ends", "ends_at", lambda row: row.stopped_at or row.ends_at, unit="UTC"),
        Column("By", "actor", lambda row: row.actor),
        Column("State", ""),
    )


@opens_for(SYSTEM)
def overview(request: HttpRequest) -> HttpResponseBase:
    permissions.require(actor_of(request), Verb.MANAGE_SERVER)
    listing = TranscriptListing(request, Transcript.objects.all())
    listing.add_url = reverse("panel:transcript-new")
    return listing.response(now=utc_now())


@opens_for(SYSTEM, methods=FORM)
def new(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    permissions.require(actor, Verb.MANAGE_SERVER)
    asked = {"subject": request.GET["subject"]} if "subject" in request.GET else {}
    form = TranscriptForm(request.POST if request.method == "POST" else None, initial=asked)
    started: list[Transcript] = []

    def start() -> None:
        lasting = timedelta(minutes=form.cleaned_data["minutes"])
        subject = form.cleaned_data["subject"]
        started.append(transcripts.start(subject=subject, by=actor, now=utc_now(), lasting=lasting))

    if formpage.save(request, form, start):
        text = f"Recording {started[0].subject} now, in all mail processes within two seconds."
        notices.done(request, text)
        return redirect("panel:transcript", started[0].pk)
    page = FormPage(
        "Record a dialogue", "Start recording", reverse("panel:transcripts"), "Transcripts",
        intro="Passwords and the text of messages are left out. Whoever starts a transcript "
        "stands in the audit trail.",
    )  # fmt: skip
    return page.show(request, form)


@opens_for(SYSTEM)
def show(request: HttpRequest, transcript_id: int) -> HttpResponse:
    permissions.require(actor_of(request), Verb.MANAGE_SERVER)
    row = transcripts.transcript(transcript_id)
    lines = list(transcripts.read(row))
    context = {
        "row": row,
        "lines": lines[-LINES_SHOWN:],
        "left_out": max(0, len(lines) - LINES_SHOWN),
        "is_running": row.stopped_at is None and row.ends_at > utc_now(),
    }
    return render(request, "panel/operations/transcript.html", context)


@opens_for(SYSTEM, methods=ACTION)
def stop(request: HttpRequest, transcript_id: int) -> HttpResponse:
    permissions.require(actor_of(request), Verb.MANAGE_SERVER)
    row = transcripts.stop(transcript_id, by=actor_of(request), now=utc_now())
    notices.done(request, f"Stopped recording {row.subject}.")
    return redirect("panel:transcript", row.pk)


urlpatterns = [
    path("transcripts/", overview, name="transcripts"),
    path("transcripts/new/", new, name="transcript-new"),
    path("transcripts/<int:transcript_id>/", show, name="transcript"),
    path("transcripts/<int:transcript_id>/stop/", stop, name="transcript-stop"),
]
