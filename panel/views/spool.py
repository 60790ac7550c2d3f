"""The spool: what is in it, and the operator's verbs on it (S-010…S-042)."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse

from blobs.errors import BadId
from blobs.ids import decode_id, encode_id
from clock.moments import utc_now
from domains.errors import Refused
from jobs.models import Job
from panel import notices, refusals
from panel.access import ACTION, SYSTEM, actor_of, opens_for
from panel.notices import Undo
from panel.spoollist import ROWS_COOKIE, ROWS_SECONDS, SpoolList
from panel.spoolnumbers import deliveries, numbers_of
from spool import bulkjobs, selectors, statistics
from spool.changing import Done
from spool.errors import MessageUnknown
from spool.listing import View
from spool.models import Gateway
from spool.orders import Kind, Order
from spool.selection import NothingSelected, Selection
from spool.services import PriorityOutOfRange
from spool.undoing import NotUndoable
from spool.ways import WayMalformed

MOST_CHANGES = 50

Ask = Callable[[HttpRequest], Order]


@opens_for(SYSTEM)
def spool(request: HttpRequest) -> HttpResponse:
    return _list(request, View.ALL)


@opens_for(SYSTEM)
def waiting(request: HttpRequest) -> HttpResponse:
    return _list(request, View.WAITING)


@opens_for(SYSTEM)
def quarantine(request: HttpRequest) -> HttpResponse:
    return _list(request, View.QUARANTINE)


@opens_for(SYSTEM, methods=ACTION)
def act(request: HttpRequest, verb: str) -> HttpResponse:
    """One verb on the marked rows, on all that match, or on `only` one message."""
    name, ask = VERBS[verb]
    return _carry_out(request, name, ask, _selection)


@opens_for(SYSTEM, methods=ACTION)
def reset_all(request: HttpRequest) -> HttpResponse:
    return _carry_out(request, "Reset all retries", VERBS["reset"][1], _everything)


@opens_for(SYSTEM, methods=ACTION)
def delete_all(request: HttpRequest) -> HttpResponse:
    return _carry_out(request, "Delete all", VERBS["delete"][1], _everything)


@opens_for(SYSTEM, methods=ACTION)
def undo(request: HttpRequest) -> HttpResponse:
    given = request.POST.get("change", "")
    change_id = int(given) if given.isascii() and given.isdigit() and len(given) < 20 else 0
    try:
        done = bulkjobs.undo(change_id=change_id, by=actor_of(request), now=utc_now())
    except NotUndoable as error:
        notices.failed(request, refusals.words(error))
    else:
        if isinstance(done, Job):
            return redirect("panel:job", done.pk)
        notices.done(request, f"Undone for {_messages(done)}.")
    return redirect(_back(request))


@opens_for(SYSTEM)
def changes(request: HttpRequest) -> HttpResponse:
    rows = selectors.changes_for(actor_of(request), limit=MOST_CHANGES)
    return render(request, "panel/spool/changes.html", {"changes": rows, "now": utc_now()})


def _list(request: HttpRequest, view: View) -> HttpResponse:
    actor, now = actor_of(request), utc_now()
    listing = SpoolList.of(request, view, actor)
    page = listing.page(now=now)
    is_part = request.headers.get("HX-Target") == "list"
    context: dict[str, object] = {
        "listing": listing,
        "page": page,
        "next_url": listing.place_url(page.next),
        "previous_url": listing.place_url(page.previous),
        "is_part": is_part,
        "gateways": Gateway.objects.filter(is_enabled=True).only("name"),
    }
    if not is_part:
        found = statistics.current(now=now)
        context |= {"numbers": numbers_of(found), "deliveries": deliveries(found.load)}
    template = "panel/spool/table.html" if is_part else "panel/spool/list.html"
    answer = render(request, template, context)
    answer.headers["Vary"] = f"{answer.headers.get('Vary', 'Cookie')}, HX-Target"
    if "rows" in request.GET:
        # S-012: remembered, also when this session is over.
        answer.set_cookie(
            ROWS_COOKIE, str(listing.rows_wanted), max_age=ROWS_SECONDS,
            path=reverse("panel:spool"), httponly=True, samesite="Lax", secure=request.is_secure(),
        )  # fmt: skip
    return answer


def _carry_out(
    request: HttpRequest, name: str, ask: Ask, select: Callable[[HttpRequest], Selection]
) -> HttpResponse:
    try:
        actor, now = actor_of(request), utc_now()
        done = bulkjobs.carry_out(ask(request), select(request), by=actor, now=now)
    except NothingSelected:
        notices.warned(request, f"{name}: select at least one message first.")
    except PriorityOutOfRange:
        notices.failed(request, f"{name}: choose a priority from 1 to 10, or automatic.")
    except WayMalformed as error:
        notices.failed(request, f"{name}: {error.reason}.")
    except Refused as error:
        sentences = [sentence for _, sentence in refusals.problems(error)]
        notices.failed(request, f"{name}: {' '.join(sentences)}")
    else:
        if isinstance(done, Job):
            return _follow(request, name, done)
        _tell(request, name, done)
    return redirect(_back(request))


def _follow(request: HttpRequest, name: str, job: Job) -> HttpResponse:
    """Very many messages: the page of the job says how far it is."""
    notices.done(request, f"{name}: it goes on while you go on. Changes of the spool has the undo.")
    return redirect("panel:job", job.pk)


def _tell(request: HttpRequest, name: str, done: Done) -> None:
    """S-042: n done, m skipped with reason."""
    text = f"{name}: {done}."
    if name == "Force" and done.done:
        text += " They are queued for immediate delivery; the status follows within a second."
    if not done.done:
        notices.warned(request, text)
        return
    is_undoable = done.change_id is not None and name not in ("Force", *RESETS)
    if name.startswith("Delete"):
        text += " No sender is told. It becomes final in some seconds."
    back = Undo(reverse("panel:spool-undo"), {"change": [str(done.change_id)]})
    notices.done(request, text, undo=back if is_undoable else None)


RESETS = ("Reset retries", "Reset all retries")


# --- what is meant ---------------------------------------------------------------------------


def _selection(request: HttpRequest) -> Selection:
    """Raises NothingSelected; ids that are none are as if they were not there."""
    given, actor = request.POST, actor_of(request)
    if "only" in given:
        return Selection.of(_ids([given["only"]]), actor=actor)
    if given.get("all_matching"):
        listing = SpoolList.of(request, _view(request), actor)
        if not listing.may_act_on_all:
            raise NothingSelected
        if listing.meant.is_empty:
            return Selection.everything(actor=actor)
        return Selection.matching(listing.meant, actor=actor)
    return Selection.of(_ids(given.getlist("selected")), actor=actor)


def _everything(request: HttpRequest) -> Selection:
    """S-041: all must be asked for as such."""
    if request.POST.get("all") != "true":
        raise NothingSelected
    return Selection.everything(actor=actor_of(request))


def _ids(texts: list[str]) -> list[int]:
    found = []
    for text in texts:
        try:
            found.append(decode_id(text))
        except BadId:
            continue
    return found


def message_id(text: str) -> int:
    """Raises MessageUnknown for what is no id."""
    found = _ids([text])
    if not found:
        raise MessageUnknown(0)
    return found[0]


# --- verbs -----------------------------------------------------------------------------------


def _force(request: HttpRequest) -> Order:
    return Order(Kind.FORCE)


def _reset(request: HttpRequest) -> Order:
    return Order(Kind.RESET)


def _priority(request: HttpRequest) -> Order:
    text = request.POST.get("priority", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 4
    return Order(Kind.PRIORITY, None if text == "auto" else int(text) if is_number else 0)


def _hold(request: HttpRequest) -> Order:
    reason = request.POST.get("reason", "").strip() or "held by an administrator"
    return Order(Kind.HOLD, reason=reason)


def _quarantine(request: HttpRequest) -> Order:
    reason = request.POST.get("quarantine_reason", "").strip() or "put there by an administrator"
    return Order(Kind.QUARANTINE, reason=reason)


def _release(request: HttpRequest) -> Order:
    return Order(Kind.RELEASE)


def _route(request: HttpRequest) -> Order:
    text = request.POST.get("host", "").strip()
    return Order(Kind.WAY, way=f"host:{text}" if text else request.POST.get("way", ""))


def _delete(request: HttpRequest) -> Order:
    return Order(Kind.DELETE)


VERBS: dict[str, tuple[str, Ask]] = {
    "force": ("Force", _force),
    "reset": ("Reset retries", _reset),
    "priority": ("Priority", _priority),
    "hold": ("Hold", _hold),
    "quarantine": ("Quarantine", _quarantine),
    "release": ("Release", _release),
    "route": ("Route", _route),
    "delete": ("Delete", _delete),
}


def _view(request: HttpRequest) -> View:
    given = request.GET.get("view", "")
    return View(given) if given in set(View) else View.ALL


def _back(request: HttpRequest) -> str:
    """The message's page if the verb was asked for there, else the list as it was."""
    if shown := request.GET.get("message"):
        for one in _ids([shown]):
            return reverse("panel:message", args=[encode_id(one)])
    return SpoolList.of(request, _view(request), actor_of(request)).here_url


def _messages(count: int) -> str:
    return f"{count:,} message{'s' * (count != 1)}"


urlpatterns = [
    path("spool/", spool, name="spool"),
    path("spool/waiting/", waiting, name="spool-waiting"),
    path("spool/quarantined/", quarantine, name="quarantine"),
    path("spool/reset-all/", reset_all, name="spool-reset-all"),
    path("spool/delete-all/", delete_all, name="spool-delete-all"),
    path("spool/undo/", undo, name="spool-undo"),
    path("spool/changes/", changes, name="spool-changes"),
    *(path(f"spool/{verb}/", act, {"verb": verb}, name=f"spool-{verb}") for verb in VERBS),
]
