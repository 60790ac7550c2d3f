"""How many rows of the spool point at stored bodies: asked for when references are recounted."""

from __future__ import annotations

from django.db.models import Count

from spool.models import SpooledMessage


def count_references(first_blob: int, last_blob: int) -> dict[int, int]:
    """By blob, of those with an id from `first_blob` to `last_blob`."""
    rows = SpooledMessage.objects.filter(
        finished_at=None, blob_id__gte=first_blob, blob_id__lte=last_blob
    )
    return dict(rows.values_list("blob_id").annotate(rows=Count("id")))
