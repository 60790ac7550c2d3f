"""The lists of a domain as its manifest has them, to be read elsewhere (D-034)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from domains import belongings
from domains.models import Domain
from mailinglists import services
from mailinglists.models import MailingList, PosterRule, Subscriber, SubscriberState
from switchboard.topics import Topic

NAME = "mailing_lists"


def build(domain: Domain) -> list[dict[str, Any]]:
    """Without post passwords, of which only hashes are known, and whoever has not confirmed."""
    rows = MailingList.objects.filter(domain=domain).order_by("local_part")
    return [_list(row) for row in rows]


def _list(row: MailingList) -> dict[str, Any]:
    rules = PosterRule.objects.filter(mailing_list=row).order_by("pattern")
    subscribers = Subscriber.objects.filter(mailing_list=row).order_by("id")
    confirmed = subscribers.exclude(state=SubscriberState.UNCONFIRMED)
    columns = confirmed.values_list("address", "name", "mode", "state")
    return {
        "local_part": row.local_part,
        **{name: getattr(row, name) for name in services.FIELDS},
        "has_post_password": bool(row.post_password),
        "moderators": services.moderator_names(row),
        "poster_rules": [list(pair) for pair in rules.values_list("pattern", "kind")],
        "subscribers": [list(one) for one in columns.iterator(chunk_size=1000)],
    }


def _domains_of(keys: Collection[int]) -> set[int]:
    rows = MailingList.objects.filter(pk__in=keys)
    return set(rows.values_list("domain_id", flat=True))


belongings.register(belongings.Section(NAME, build, Topic.MAILING_LIST, _domains_of))
