"""The Undo of a notice: it takes back all that the request has changed."""

from __future__ import annotations

from django.urls import reverse

from accounts.models import Role, User
from administration import undo
from events import audit
from events.models import AuditEntry
from panel.notices import Undo

# Entries that are looked at; more of one request are of the same kind.
MOST = 50


def undo_of_this() -> Undo | None:
    """For `notices.done(..., undo=undo_of_this())` in a view behind `opens_for`, once the services
    have been called; None: they changed nothing, or what has no way back, or for a user, to whom
    the page that takes back is closed.
    """
    operation = audit.current_operation()
    if not operation:
        return None
    entries = list(AuditEntry.objects.filter(operation=operation)[:MOST])
    if not entries or not all(map(undo.has_way_back, entries)):
        return None
    actors = {one.actor_id for one in entries if one.actor_id is not None}
    if User.objects.filter(pk__in=actors, role=Role.USER).exists():
        return None
    return Undo(reverse("panel:audit-undo"), {"operation": [operation]})
