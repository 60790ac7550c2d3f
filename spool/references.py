"""How many rows of spool and lists point at stored bodies: for recounting references."""

from __future__ import annotations

from collections import Counter

from django.db.models import Count

from mailinglists import references as list_references
from spool.models import SpooledMessage


def count_references(first_blob: int, last_blob: int) -> dict[int, int]:
    """By blob, of those with an id from `first_blob` to `last_blob`."""
    rows = SpooledMessage.objects.filter(
        finished_at=None, blob_id__gte=first_blob, blob_id__lte=last_blob
    )
    counts = Counter(list_references.count_references(first_blob, last_blob))
    counts.update(dict(rows.order_by().values_list("blob_id").annotate(rows=Count("id"))))
    return counts
