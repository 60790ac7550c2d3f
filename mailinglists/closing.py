"""What goes with a list: posts that wait or go out, with their bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import connection

from accounts import closing
from blobs import references
from mailinglists.models import HeldPost, MailingList, Post


@closing.before_domain_goes
def give_up_domain(domain_id: int) -> None:
    give_up_lists(list(MailingList.objects.filter(domain=domain_id).values_list("pk", flat=True)))


def give_up_lists(list_ids: Sequence[int]) -> None:
    """In the transaction that deletes them or lays them aside: nothing goes out any more."""
    held = HeldPost.objects.select_for_update().filter(mailing_list__in=list_ids).order_by("id")
    posts = Post.objects.select_for_update().filter(mailing_list__in=list_ids, blob__isnull=False)
    counts: Counter[int] = Counter()
    counts.update(held.values_list("blob_id", flat=True))
    counts.update(key for key in posts.order_by("id").values_list("blob_id", flat=True) if key)
    with connection.cursor() as cursor:
        references.change(cursor, {blob_id: -count for blob_id, count in counts.items()})
    HeldPost.objects.filter(mailing_list__in=list_ids).delete()
    Post.objects.filter(mailing_list__in=list_ids).delete()
