"""Mailing lists out of the manifest of a domain, when it is read anew or restored (D-013)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import User
from domains.models import Domain
from mailinglists import membership, services
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList, Subscriber, SubscriberState
from protocols.address import fold


@dataclass(slots=True)
class ListsReloaded:
    """`remark`: what is left to be done by hand; empty: nothing."""

    added: int = 0
    changed: int = 0
    subscribers_added: int = 0
    remark: str = ""


def import_list(domain: Domain, row: Mapping[str, Any], by: User | None) -> ListsReloaded:
    """One list as `mailinglists.manifest` writes it; nobody is taken off it.

    Raises what services refuse, and ValueError and its like for what is no list.
    """
    done = ListsReloaded()
    name = fold(str(row["local_part"]))
    values = {field: row[field] for field in services.FIELDS if field in row}
    moderators = [str(one) for one in row.get("moderators", [])]
    rules = [(str(pattern), str(kind)) for pattern, kind in row.get("poster_rules", [])]
    found = MailingList.objects.select_related("domain").filter(domain=domain, local_part=name)
    there = found.first()
    if there is None:
        there = services.create_list(
            domain=domain, local_part=name, values=values, moderators=moderators,
            poster_rules=rules, by=by, needs_feature=False,
        )  # fmt: skip
        done.added = 1
        if row.get("has_post_password"):
            done.remark = "its post password has to be set anew"
    else:
        before = there.version
        there = services.change_list(
            mailing_list=there, values=values, moderators=moderators, poster_rules=rules, by=by
        )
        done.changed = int(there.version != before)
    for total in membership.import_subscribers(mailing_list=there, rows=subscribers_in(row), by=by):
        done.subscribers_added = total.added
    _suspend(there, row, by)
    return done


def subscribers_in(row: Mapping[str, Any]) -> Iterator[NewSubscriber]:
    """Raises ValueError, TypeError for what are none."""
    for address, name, mode, _ in row.get("subscribers", []):
        yield NewSubscriber(str(address), str(name), str(mode))


def _suspend(there: MailingList, row: Mapping[str, Any], by: User | None) -> None:
    suspended = SubscriberState.SUSPENDED.value
    addresses = [str(one[0]) for one in row.get("subscribers", []) if one[3] == suspended]
    for batch in membership.batches(addresses, membership.BATCH):
        active = Subscriber.objects.filter(
            mailing_list=there, address__in=batch, state=SubscriberState.ACTIVE
        )
        for one in active:
            membership.suspend(subscriber=one, by=by)
