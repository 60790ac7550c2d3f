"""The subscribers of a mailing list, a page at a time however many there are (L-012)."""

from __future__ import annotations

from functools import cached_property

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from mailinglists.models import MailingList, Mode, Subscriber, SubscriberState
from panel.lists import BulkAction, Column, Listing, Pill


class SubscriberListing(Listing[Subscriber]):
    """In the order of their addresses; `?after=` and `?before=` are the ends of other pages.

    A page is found by the index of the addresses, so that the last one costs what the first does.
    """

    title = "Subscribers"
    singular, plural = "subscriber", "subscribers"
    sorted_by = "key"
    searched = ("key__icontains", "name__icontains")
    rows_template = "panel/mailinglists/subscriber_rows.html"
    page_template = "panel/mailinglists/subscribers.html"
    table_template = "panel/mailinglists/subscriber_table.html"
    empty_text = "Add them one by one, from a file, or let people subscribe by mail."
    pills = (
        Pill("all", "All", Q()),
        Pill("active", "Active", Q(state=SubscriberState.ACTIVE)),
        Pill("digest", "Digest", Q(state=SubscriberState.ACTIVE, mode=Mode.DIGEST)),
        Pill("unconfirmed", "Not confirmed", Q(state=SubscriberState.UNCONFIRMED)),
        Pill("bouncing", "Bouncing", Q(last_bounce_at__isnull=False)),
        Pill("suspended", "Suspended", Q(state=SubscriberState.SUSPENDED)),
    )
    columns = (
        Column("Address"), Column("Gets"), Column("State"), Column("Since"),
    )  # fmt: skip

    def __init__(
        self, request: HttpRequest, mailing_list: MailingList, actions: tuple[BulkAction, ...] = ()
    ) -> None:
        rows: QuerySet[Subscriber] = Subscriber.objects.filter(mailing_list=mailing_list)
        super().__init__(request, rows, actions=actions)
        self.after = _key(request.GET.get("after", ""))
        self.before = "" if self.after else _key(request.GET.get("before", ""))

    @property
    def everybody(self) -> QuerySet[Subscriber]:
        """Whatever the filters say."""
        return self._all

    @cached_property
    def _window(self) -> tuple[list[Subscriber], bool]:
        """The rows of the page, and whether there are more in the direction that was asked for."""
        rows = self._filtered
        if self.before:
            found = list(rows.filter(key__lt=self.before).order_by("-key")[: self.size + 1])
            return found[: self.size][::-1], len(found) > self.size
        if self.after:
            rows = rows.filter(key__gt=self.after)
        found = list(rows.order_by("key")[: self.size + 1])
        return found[: self.size], len(found) > self.size

    @cached_property
    def rows(self) -> list[Subscriber]:
        return self._window[0]

    @property
    def previous_url(self) -> str:
        has_more = self._window[1] if self.before else bool(self.after)
        return self.url(before=self.rows[0].key) if has_more and self.rows else ""

    @property
    def next_url(self) -> str:
        has_more = True if self.before else self._window[1]
        return self.url(after=self.rows[-1].key) if has_more and self.rows else ""

    @property
    def is_whole(self) -> bool:
        """Whether all that match stand on this page."""
        return not self.previous_url and not self.next_url


def _key(text: str) -> str:
    return text.replace("\0", "")[:330]
