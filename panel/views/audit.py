"""The audit trail: who changed what, each operation with its way back (X-005)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import selectors as account_selectors
from administration import selectors, undo, undojob
from administration.errors import EntryUnknown, NothingToUndo, UndoRefused
from events import audit
from events.models import AuditEntry
from jobs.models import Job
from panel import notices
from panel.access import ACTION, ADMINISTRATORS, PROVIDERS, actor_of, opens_for
from panel.lists import Column, Listing
from panel.undoing import undo_of_this

# Rehearsing takes as long as undoing; larger operations say it when they are undone.
MOST_REHEARSED = 50
SHOWN_CONFLICTS = 10
MOST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """One entry as the page of its operation shows it."""

    entry: AuditEntry
    has_way_back: bool
    is_undone: bool
    problem: str  # why it cannot be undone now; empty: it can, or nobody asked


class AuditListing(Listing[AuditEntry]):
    title = "Audit trail"
    singular, plural = "entry", "entries"
    sorted_by = "-id"
    rows_template = "panel/audit/rows.html"
    page_template = "panel/audit/list.html"
    empty_text = "Every change of a setting, a user or an address is written down here."
    columns = (
        Column("Time", "id", lambda row: row.at.isoformat(sep=" ", timespec="seconds")),
        Column("Who", "", lambda row: row.actor),
        Column("Did what", "", lambda row: row.verb),
        Column("To what", "", lambda row: row.object_name),
        Column("Changes", "", lambda row: _in_words(row)),
    )

    def search(self, query: str) -> Q:
        return selectors.matching(query, of=actor_of(self._request))


@opens_for(PROVIDERS)
def trail(request: HttpRequest) -> HttpResponseBase:
    return _list(request, selectors.audit_for(actor_of(request)))


@opens_for(ADMINISTRATORS)
def of_domain(request: HttpRequest, name: str) -> HttpResponseBase:
    actor = actor_of(request)
    domain = account_selectors.domain_for(actor, name)
    return _list(request, selectors.audit_for(actor).filter(domain_id=domain.pk), domain=domain)


@opens_for(ADMINISTRATORS)
def operation(request: HttpRequest, entry: int) -> HttpResponse:
    """Every entry of the operation, and what would be in the way of undoing it now."""
    actor = actor_of(request)
    entries = _entries(request, entry=entry)
    undone = selectors.undone_among(entries[:MOST_SHOWN])
    conflicts: dict[int, str] = {}
    is_as_before = False
    if len(entries) <= MOST_REHEARSED:
        try:
            found = undo.rehearse(entries, by=actor)
            conflicts = {conflict.entry_id: conflict.reason for conflict in found}
        except NothingToUndo:
            is_as_before = True
    shown = [
        Shown(one, undo.has_way_back(one), one.pk in undone, conflicts.get(one.pk, ""))
        for one in entries[:MOST_SHOWN]
    ]
    context = {
        "entries": shown,
        "count": len(entries),
        "more": len(entries) - len(shown),
        "first": entries[0],
        "knows_origin": selectors.may_know_origin(actor, entries[0]),
        "can_undo": not conflicts and not is_as_before,
        "can_undo_rest": bool(conflicts) and len(conflicts) < len(entries),
        "is_as_before": is_as_before,
    }
    return render(request, "panel/audit/operation.html", context)


@opens_for(ADMINISTRATORS, methods=ACTION)
def take_back(request: HttpRequest) -> HttpResponse:
    """`operation`, or `entry` for one of its entries; `rest`: leave what has moved on."""
    given = request.POST
    text = given.get("entry", "0")
    entry = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
    entries = _entries(request, entry=entry, operation=given.get("operation", "")[:32])
    actor, reason = actor_of(request), given.get("reason", "")[: audit.LONGEST_REASON]
    skips = bool(given.get("rest"))
    try:
        done = undojob.undo_or_start(entries, by=actor, skip_conflicts=skips, reason=reason)
    except UndoRefused as error:
        lines = [str(conflict) for conflict in error.conflicts[:SHOWN_CONFLICTS]]
        more = len(error.conflicts) - SHOWN_CONFLICTS
        lines += [f"… and {more:,} more."] if more > 0 else []
        notices.failed(request, "Nothing was undone.\n" + "\n".join(lines))
        return redirect("panel:audit-operation", entries[0].pk)
    except NothingToUndo as error:
        notices.warned(request, f"Nothing was undone: {error}.")
        return redirect("panel:audit-operation", entries[0].pk)
    if isinstance(done, Job):
        notices.done(request, f"{len(entries):,} changes are being undone while you go on.")
        return redirect("panel:job", done.pk)
    what = str(done.entries[0].object_name) if len(done.entries) == 1 else ""
    count = f"Undid {len(done.entries):,} changes."
    text = f"Undone: {done.entries[0].verb} {what}." if what else count
    notices.done(request, text, undo=undo_of_this())
    if done.conflicts:
        notices.warned(request, f"{len(done.conflicts):,} were left, as they have moved on since.")
    return redirect(_back(request, entries[0]))


def _list(request: HttpRequest, rows: QuerySet[AuditEntry], domain: Any = None) -> HttpResponseBase:
    listing, actor = AuditListing(request, rows), actor_of(request)
    undone = selectors.undone_among(listing.rows)
    for row in listing.rows:
        row.has_way_back = undo.has_way_back(row)  # type: ignore[attr-defined]
        row.is_undone = row.pk in undone  # type: ignore[attr-defined]
        row.knows_origin = selectors.may_know_origin(actor, row)  # type: ignore[attr-defined]
    return listing.response(domain=domain)


def _entries(request: HttpRequest, *, entry: int, operation: str = "") -> list[AuditEntry]:
    try:
        return selectors.operation_for(actor_of(request), entry=entry, operation=operation)
    except EntryUnknown as error:
        raise Http404(str(error)) from None


def _back(request: HttpRequest, entry: AuditEntry) -> str:
    """The page on which Undo was pressed."""
    before = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        before, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return before if is_ours else reverse("panel:audit-operation", args=(entry.pk,))


def _in_words(entry: AuditEntry) -> str:
    return "; ".join(f"{name}: {old} -> {new}" for name, (old, new) in entry.changes.items())


urlpatterns = [
    path("audit/", trail, name="audit"),
    path("audit/undo/", take_back, name="audit-undo"),
    path("audit/<int:entry>/", operation, name="audit-operation"),
    path("domain/<str:name>/audit/", of_domain, name="domain-audit"),
]
