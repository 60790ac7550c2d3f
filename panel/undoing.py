"""The Undo of a notice: it takes back all that the request has changed."""

from __future__ import annotations

from django.urls import reverse

from events import audit
from events.models import AuditEntry
from panel.notices import Undo


def undo_of_this() -> Undo | None:
    """For `notices.done(..., undo=undo_of_this())` in a view behind `opens_for`, once the services
    have been called; None: they changed nothing.
    """
    operation = audit.current_operation()
    if not operation or not AuditEntry.objects.filter(operation=operation).exists():
        return None
    return Undo(reverse("panel:audit-undo"), {"operation": [operation]})
