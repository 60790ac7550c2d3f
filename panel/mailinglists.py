"""The mailing lists of a domain, or of a moderator, as a list (L-001)."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from mailinglists.models import HeldPost, MailingList, Subscriber
from panel.lists import Column, Listing, Pill


class MailingListListing(Listing[MailingList]):
    title = "Mailing lists"
    singular, plural = "mailing list", "mailing lists"
    identity = "local_part"
    sorted_by = "local_part"
    searched = ("local_part__icontains", "description__icontains")
    rows_template = "panel/mailinglists/rows.html"
    page_template = "panel/mailinglists/list.html"
    empty_text = "What is written to the address of a list goes to all who have subscribed to it."
    pills = (
        Pill("all", "All", Q()),
        Pill("public", "Public", Q(is_public=True)),
        Pill("moderated", "Moderated", Q(is_moderated=True)),
        Pill("waiting", "With posts that wait", Q(posts_waiting__gt=0)),
    )
    columns = (
        Column("Name", "local_part", str),
        Column("Description", "", lambda row: row.description),
        Column("Moderators", "", lambda row: ", ".join(moderators_of(row))),
        Column("Subscribers", "subscribers_now", lambda row: row.subscribers_now, is_number=True),
        Column("Waiting", "posts_waiting", lambda row: row.posts_waiting, is_number=True),
        Column("Created", "created_at", lambda row: row.created_at, unit="UTC"),
    )


class OwnListing(MailingListListing):
    title = "My lists"
    page_template = "panel/mailinglists/mine.html"
    empty_text = "You moderate no mailing list now."


def with_figures(rows: QuerySet[MailingList]) -> QuerySet[MailingList]:
    """Each count is asked for the rows of one page only."""
    return rows.annotate(
        subscribers_now=_count(Subscriber), posts_waiting=_count(HeldPost)
    ).prefetch_related("moderators__user")


def moderators_of(row: MailingList) -> list[str]:
    """Their user names; nothing is asked if the rows were fetched by `with_figures`."""
    return sorted(one.user.local_part for one in row.moderators.all())


def _count(model: Any) -> Any:
    counted = (
        model.objects.filter(mailing_list=OuterRef("pk"))
        .order_by()
        .values("mailing_list")
        .annotate(count=Count("*"))
        .values("count")
    )
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
