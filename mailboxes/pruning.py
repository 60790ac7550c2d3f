"""Forgetting which messages were expunged long ago."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.models import Count

from mailboxes.models import ExpungedMessage, Folder

# Clients that resynchronise by MODSEQ (RFC 7162) lag by days; sessions by seconds.
KEPT_CHANGES = 50_000

_DELETE = "DELETE FROM mailboxes_expungedmessage WHERE folder_id = %s AND modseq <= %s"


def forget_expunged(*, kept_changes: int = KEPT_CHANGES) -> int:
    """Drop rows older than so many changes of their folder; how many. In short transactions."""
    crowded = (
        ExpungedMessage.objects.values_list("folder_id")
        .annotate(rows=Count("id"))
        .filter(rows__gt=kept_changes)
    )
    total = 0
    for folder_id, _ in list(crowded):
        total += _forget(folder_id, kept_changes)
    return total


@transaction.atomic
def _forget(folder_id: int, kept_changes: int) -> int:
    highest = Folder.objects.filter(pk=folder_id).values_list("highest_modseq", flat=True).first()
    if highest is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, (folder_id, highest - kept_changes))
        return int(cursor.rowcount)
