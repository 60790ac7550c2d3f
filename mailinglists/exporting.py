"""The subscribers of a list as a file for somebody, who is on record (L-012)."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import transaction

from events import audit
from events.audit import Actor
from mailinglists import subscribercsv
from mailinglists.models import MailingList


def export(*, mailing_list: MailingList, by: Actor | None) -> Iterator[str]:
    """Lines of CSV, read a row at a time while they are taken."""
    with transaction.atomic():
        count = mailing_list.subscribers.count()
        audit.record(by, "exported subscribers", mailing_list, {"subscribers": (count, count)})
    return subscribercsv.lines(mailing_list)
