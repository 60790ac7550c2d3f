"""One message: what became of it, in words; and the search for it (S-031, S-032, the trace)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.http import content_disposition_header

from accounts.models import Role
from blobs.errors import BadId, StoreError
from blobs.ids import decode_id, encode_id
from clock.moments import utc_now
from panel import notices
from panel.access import EVERYBODY, SYSTEM, actor_of, opens_for
from spool import sight, telling, viewing
from spool.errors import MessageGone, MessageUnknown
from spool.models import Gateway, SpooledMessage

LONGEST_SEARCH = 330


@opens_for(EVERYBODY)
def trace(request: HttpRequest) -> HttpResponse:
    """By Message-ID, spool id or an address; a message found alone is shown at once."""
    actor = actor_of(request)
    words = request.GET.get("q", "").strip().replace("\0", "")[:LONGEST_SEARCH]
    context: dict[str, object] = {"query": words}
    if words:
        found = sight.find_for(actor, words)
        if len(found.messages) == 1 and not found.refused and "@" not in words:
            return redirect("panel:message", encode_id(found.messages[0].pk))
        context |= {
            "messages": [(encode_id(one.pk), one) for one in found.messages],
            "refused": [(one, telling.tell_refused(one)) for one in found.refused],
        }
    return render(request, "panel/spool/trace.html", context)


@opens_for(EVERYBODY)
def message(request: HttpRequest, spool_id: str) -> HttpResponse:
    actor, now = actor_of(request), utc_now()
    found = _message(request, spool_id)
    after = _number(request.GET.get("after", ""))
    told = sight.trace_for(actor, found, after=after)
    recipients = viewing.views_of(told.recipients, told.attempts)
    is_operator = actor.role == Role.SYSTEM_ADMINISTRATOR
    last = told.recipients[-1].pk if len(told.recipients) >= sight.MOST_RECIPIENTS else 0
    context = {
        "spool_id": encode_id(found.pk),
        "message": told.message,
        "story": telling.tell(told, now=now),
        "recipients": recipients,
        "next_after": last,
        "is_operator": is_operator,
        "is_waiting": found.finished_at is None,
        "removed_at": min(
            (one.quarantined_until for one in told.recipients if one.is_quarantined), default=None
        ),
        "state": f"message={encode_id(found.pk)}",
        "gateways": Gateway.objects.filter(is_enabled=True).only("name") if is_operator else [],
        "now": now,
    }
    return render(request, "panel/spool/message.html", context)


@opens_for(SYSTEM)
def text(request: HttpRequest, spool_id: str) -> HttpResponse:
    """Safe to show: no markup of its own, nothing from elsewhere. The look is on record."""
    found = _message(request, spool_id)
    try:
        view = viewing.view(message=found, by=actor_of(request), now=utc_now())
    except (MessageGone, StoreError):
        return _gone(request, found)
    context = {"spool_id": encode_id(found.pk), "view": view, "message": found}
    return render(request, "panel/spool/text.html", context)


@opens_for(SYSTEM)
def download(request: HttpRequest, spool_id: str) -> HttpResponse:
    found = _message(request, spool_id)
    try:
        name, content = viewing.download(message=found, by=actor_of(request), now=utc_now())
    except (MessageGone, StoreError):
        return _gone(request, found)
    # Never shown by the browser itself: what is in it is somebody else's.
    return HttpResponse(
        content,
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": content_disposition_header(True, name) or "attachment",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        },
    )


def _message(request: HttpRequest, spool_id: str) -> SpooledMessage:
    try:
        return sight.message_for(actor_of(request), decode_id(spool_id))
    except BadId:
        raise MessageUnknown(0) from None


def _gone(request: HttpRequest, found: SpooledMessage) -> HttpResponse:
    notices.warned(request, "The message has left the spool: its text is no longer here.")
    return redirect("panel:message", encode_id(found.pk))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


urlpatterns = [
    path("trace/", trace, name="trace"),
    path("message/<str:spool_id>/", message, name="message"),
    path("message/<str:spool_id>/text/", text, name="message-text"),
    path("message/<str:spool_id>/download/", download, name="message-download"),
]
