"""How many rows of lists point at stored bodies: asked for when references are recounted."""

from __future__ import annotations

from collections import Counter

from django.db.models import Count

from mailinglists.models import HeldPost, Post


def count_references(first_blob: int, last_blob: int) -> dict[int, int]:
    """By blob, of those with an id from `first_blob` to `last_blob`."""
    counts: Counter[int] = Counter()
    for model in (HeldPost, Post):
        rows = model._default_manager.filter(blob_id__gte=first_blob, blob_id__lte=last_blob)
        counts.update(dict(rows.order_by().values_list("blob_id").annotate(rows=Count("id"))))
    return counts
