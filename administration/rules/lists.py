"""Undoing what was changed about mailing lists and who is on them."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from accounts.permissions import Verb
from administration.errors import CannotUndo, GoneSince
from administration.rules.table import earlier, require, undoes
from events import audit
from events.models import AuditEntry
from mailinglists import membership, services
from mailinglists.models import MailingList, Subscriber, SubscriberState
from protocols.address import Address, MalformedAddress

LIST = "mailinglists.mailinglist"


@undoes(LIST, "created mailing list")
def created(entry: AuditEntry, by: User | None) -> bool:
    row = _find(entry)
    if row is None:
        return False
    require(by, Verb.CHANGE_LISTS, row.domain)
    if row.subscribers.exists() or row.held.exists():
        raise CannotUndo("there are subscribers or posts by now: delete the list instead")
    services.delete_list(mailing_list=row, by=by)
    return True


@undoes(LIST, "changed mailing list")
def changed(entry: AuditEntry, by: User | None) -> bool:
    row = _there(entry, by)
    if "post_password" in entry.changes:
        raise CannotUndo("the post password that it had is not kept")
    current: dict[str, Any] = {
        "moderators": services.moderator_names(row),
        "poster_rules": services.rules_of(row),
    }
    names = entry.changes.keys() - current.keys()
    current |= {name: audit.plain(getattr(row, name)) for name in names}
    values = earlier(entry, current)
    if not values:
        return False
    rules = values.pop("poster_rules", None)
    services.change_list(
        mailing_list=row,
        moderators=values.pop("moderators", None),
        poster_rules=None if rules is None else [_rule(text) for text in rules],
        values=values,
        by=by,
    )
    return True


@undoes(LIST, "added subscribers", "added unconfirmed subscribers")
def added(entry: AuditEntry, by: User | None) -> bool:
    row = _there(entry, by)
    addresses = entry.changes["subscribers"][1]
    if not isinstance(addresses, list):
        raise CannotUndo("there were too many to be named one by one: remove them by hand")
    return bool(membership.remove_subscribers(mailing_list=row, addresses=addresses, by=by))


@undoes(LIST, "changed subscriber")
def changed_subscriber(entry: AuditEntry, by: User | None) -> bool:
    found = _subscriber(entry, by)
    values = earlier(entry, {name: getattr(found, name, None) for name in entry.changes} | {
        "subscriber": found.address,
    })  # fmt: skip
    values.pop("subscriber", None)
    if values:
        membership.change_subscriber(subscriber=found, by=by, **values)
    return bool(values)


@undoes(LIST, "suspended subscriber")
def suspended(entry: AuditEntry, by: User | None) -> bool:
    found = _subscriber(entry, by)
    if found.state != SubscriberState.SUSPENDED:
        return False
    membership.resume(subscriber=found, by=by)
    return True


@undoes(LIST, "resumed subscriber")
def resumed(entry: AuditEntry, by: User | None) -> bool:
    found = _subscriber(entry, by)
    if found.state != SubscriberState.ACTIVE:
        return False
    membership.suspend(subscriber=found, by=by)
    return True


def _subscriber(entry: AuditEntry, by: User | None) -> Subscriber:
    row = _there(entry, by)
    address = str(entry.changes["subscriber"][0])
    try:
        key = Address.parse(address).key
    except MalformedAddress:
        raise GoneSince(f"the subscriber {address}") from None
    rows = Subscriber.objects.select_related("mailing_list__domain")
    found = rows.filter(mailing_list=row, key=key).first()
    if found is None:
        raise GoneSince(f"the subscriber {address}")
    return found


def _there(entry: AuditEntry, by: User | None) -> MailingList:
    row = _find(entry)
    if row is None:
        raise GoneSince(f"the mailing list {entry.object_name}")
    require(by, Verb.CHANGE_LISTS, row.domain)
    return row


def _find(entry: AuditEntry) -> MailingList | None:
    rows = MailingList.objects.select_related("domain")
    return rows.filter(pk=entry.object_id or 0).first()


def _rule(text: str) -> tuple[str, str]:
    """Of "ban @example.org"."""
    kind, _, pattern = text.partition(" ")
    return pattern, kind
