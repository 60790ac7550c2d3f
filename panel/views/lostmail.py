"""What crashes have left of mail that was being accepted: looked at, put in, deleted (S-058)."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse

from blobs.errors import BadId, StoreError
from blobs.ids import decode_id, encode_id
from clock.moments import utc_now
from panel import bulk, confirming, notices
from panel.access import ACTION, FORM, SYSTEM, actor_of, opens_for
from panel.bulk import Outcome
from panel.confirming import Question
from panel.lists import BulkAction, Column, Listing, Pill
from spool import lost, lostviewing, requeueing
from spool.errors import SpoolFull
from spool.lost import LostUnknown
from spool.lostviewing import Fate
from spool.models import LostRecord, LostState
from spool.requeueing import NotRequeued

DONE = (LostState.REQUEUED, LostState.DELETED)
MOST_AT_ONCE = 500  # each is read, written anew and made safe on the disk
NO_ROOM = "It could not be put into the spool just now: the disk takes nothing."
OVER = "Somebody has dealt with it already, or it was forgotten."
WARNING = (
    "This cannot be undone. What the crash has left of this mail is overwritten now, so that "
    "nobody can read it again. Neither its sender nor its recipients are told."
)


class LostListing(Listing[LostRecord]):
    title = "Lost and found"
    singular, plural = "piece of mail", "pieces of mail"
    sorted_by = "-id"
    sorts_any_number = False
    counts_to = 10_000
    page_template = "panel/spool/lost.html"
    rows_template = "panel/spool/lost_rows.html"
    empty_title = "Nothing was left by a crash"
    empty_text = "Mail that was being accepted when the server broke down would stand here."
    searched = ("sender__icontains", "recipients__icontains", "message_id__icontains")
    pills = (
        Pill("all", "All", Q()),
        Pill("kept", "To look at", Q(state=LostState.KEPT)),
        Pill("waiting", "Waiting", Q(state=LostState.WAITING)),
        Pill("needless", "Not needed", Q(state=LostState.NEEDLESS)),
        Pill("done", "Dealt with", Q(state__in=DONE)),
    )
    columns = (
        Column("Message", "id", lambda row: str(row)),
        Column("What becomes of it", "", lambda row: row.get_state_display()),
        Column("Sender", "", lambda row: row.sender),
        Column("Recipients", "", lambda row: " ".join(row.recipients)),
        Column("Size", "", lambda row: row.size_bytes, is_number=True, unit="bytes"),
        Column("Handed in", "", lambda row: row.written_at, unit="UTC"),
    )

    @property
    def shown(self) -> list[tuple[LostRecord, Fate]]:
        return [(row, lostviewing.fate(row)) for row in self.rows]


@opens_for(SYSTEM)
def lost_mail(request: HttpRequest) -> HttpResponseBase:
    actions = (
        BulkAction("Put into the spool", "rotate-ccw", reverse("panel:lost-mail-requeue")),
        BulkAction("Delete…", "trash-2", reverse("panel:lost-mail-delete"), is_danger=True),
    )
    return LostListing(request, lost.known(), actions=actions).response()


@opens_for(SYSTEM, methods=ACTION)
def requeue_marked(request: HttpRequest) -> HttpResponse:
    """One after the other; what cannot be put in stays, with its reason."""
    chosen = _marked(request)
    actor, now = actor_of(request), utc_now()
    outcome: Outcome[LostRecord] = Outcome()
    for row in chosen:
        try:
            requeueing.requeue_by_hand(row=row, by=actor, now=now)
        except NotRequeued as error:
            outcome.refused.append(f"{row} was not put into the spool: {error.reason}.")
        except (StoreError, SpoolFull):
            outcome.refused.append(f"{row}: {NO_ROOM}")
        else:
            outcome.done.append(row)
    bulk.tell(request, "Put into the spool:", outcome, "pieces of mail")
    return redirect("panel:lost-mail")


@opens_for(SYSTEM, methods=ACTION)
def delete_marked(request: HttpRequest) -> HttpResponse:
    """Asks first, as for one."""
    chosen = _marked(request)
    if not chosen:
        return redirect("panel:lost-mail")
    question = Question(
        heading=f"Delete {chosen[0]}" if len(chosen) == 1 else f"Delete {len(chosen):,} pieces",
        warning=WARNING,
        rows=[(str(row.pk), f"{row}: {_in_words(row)}") for row in chosen],
        url=request.path,
        back_url=reverse("panel:lost-mail"),
        back_label="Lost and found",
    )
    if not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)
    actor = actor_of(request)
    outcome: Outcome[LostRecord] = Outcome()
    for row in chosen:
        try:
            lost.delete(row=row, by=actor)
        except LostUnknown:
            outcome.refused.append(f"{row}: {OVER}")
        else:
            outcome.done.append(row)
    bulk.tell(request, "Deleted for good:", outcome, "pieces of mail")
    return redirect("panel:lost-mail")


def _marked(request: HttpRequest) -> list[LostRecord]:
    """Those that are still to be dealt with; says so where there are none, or too many."""
    rows = LostListing(request, lost.known()).selected().filter(state__in=lost.OPEN)
    chosen = list(rows[: MOST_AT_ONCE + 1])
    if not chosen:
        notices.warned(request, "Select pieces of mail that nobody has dealt with yet.")
    elif len(chosen) > MOST_AT_ONCE:
        notices.warned(request, f"The first {MOST_AT_ONCE} are taken now; do the rest after that.")
    return chosen[:MOST_AT_ONCE]


@opens_for(SYSTEM)
def one(request: HttpRequest, record_id: str) -> HttpResponse:
    row = _row(record_id)
    context = {"row": row, "fate": lostviewing.fate(row), "place": lost.place_of(row)}
    return render(request, "panel/spool/lost_message.html", context)


@opens_for(SYSTEM)
def text(request: HttpRequest, record_id: str) -> HttpResponse:
    """Safe to show: no markup of its own, nothing from elsewhere. The look is on record."""
    row = _row(record_id)
    try:
        view = lostviewing.view(row=row, by=actor_of(request))
    except StoreError:
        notices.warned(request, "Its text cannot be read, or is no longer here.")
        return redirect("panel:lost-message", str(row))
    return render(request, "panel/spool/lost_text.html", {"row": row, "view": view})


@opens_for(SYSTEM, methods=ACTION)
def requeue(request: HttpRequest, record_id: str) -> HttpResponse:
    row = _row(record_id)
    try:
        message_id = requeueing.requeue_by_hand(row=row, by=actor_of(request), now=utc_now())
    except NotRequeued as error:
        notices.failed(request, f"It was not put into the spool: {error.reason}.")
    except (StoreError, SpoolFull):
        notices.failed(request, NO_ROOM)
    else:
        name = encode_id(message_id)
        notices.done(request, f"Put into the spool: it is message {name}.")
        return redirect("panel:message", name)
    return redirect("panel:lost-message", str(row))


@opens_for(SYSTEM, methods=FORM)
def delete(request: HttpRequest, record_id: str) -> HttpResponse:
    """Asks first: this has no way back."""
    row = _row(record_id)
    if not lostviewing.fate(row).is_open:
        notices.warned(request, OVER)
        return redirect("panel:lost-message", str(row))
    question = Question(
        heading=f"Delete {row}",
        warning=WARNING,
        rows=[(str(row), _in_words(row))],
        url=reverse("panel:lost-message-delete", args=(str(row),)),
        back_url=reverse("panel:lost-message", args=(str(row),)),
        back_label=str(row),
    )
    if request.method != "POST" or not confirming.is_confirmed(request, question):
        return confirming.ask(request, question)
    try:
        lost.delete(row=row, by=actor_of(request))
    except LostUnknown:
        notices.warned(request, OVER)
    else:
        notices.done(request, f"Deleted {row} for good.")
    return redirect("panel:lost-mail")


def _row(text: str) -> LostRecord:
    try:
        return lost.known_by_id(decode_id(text))
    except BadId:
        raise LostUnknown(0) from None


def _in_words(row: LostRecord) -> str:
    if not row.recipients:
        return f"{row.size_bytes:,} bytes that are no message on its way"
    others = len(row.recipients) - 1
    more = f" and {others:,} more" if others else ""
    return f"from {row.sender or '<>'} to {row.recipients[0]}{more}"


urlpatterns = [
    path("spool/lost/", lost_mail, name="lost-mail"),
    path("spool/lost/requeue/", requeue_marked, name="lost-mail-requeue"),
    path("spool/lost/delete/", delete_marked, name="lost-mail-delete"),
    path("spool/lost/<str:record_id>/", one, name="lost-message"),
    path("spool/lost/<str:record_id>/text/", text, name="lost-message-text"),
    path("spool/lost/<str:record_id>/requeue/", requeue, name="lost-message-requeue"),
    path("spool/lost/<str:record_id>/delete/", delete, name="lost-message-delete"),
]
