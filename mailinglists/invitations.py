"""Subscribers whom somebody else adds: at once, or when they have confirmed it (L-012)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from events.audit import Actor
from mailinglists import membership
from mailinglists.membership import Added, NewSubscriber
from mailinglists.models import MailingList


def import_subscribers(
    *, mailing_list: MailingList, rows: Iterable[NewSubscriber], is_confirmed: bool, by: Actor | None
) -> Iterator[Added]:
    """Any number, in batches of which each is kept; after each what became of it.

    Raises ListUnknown.
    """
    for batch in membership.batches(rows, membership.BATCH):
        yield membership.add_subscribers(
            mailing_list=mailing_list, rows=batch, by=by, is_confirmed=is_confirmed
        )
