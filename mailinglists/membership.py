"""The verbs on subscribers: add, remove, suspend; and what they do themselves (L-012, L-031…)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TypeVar

from django.db import transaction

from blobs.contention import tried_again
from blobs.ids import new_id
from clock.moments import utc_now
from domains.errors import Problem, ValuesRefused
from events import audit
from events.audit import Actor
from mailinglists import signedids, tokens
from mailinglists.errors import SubscriberUnknown, SubscriptionsClosed, TokenRefused
from mailinglists.models import (
    Bounce,
    MailingList,
    Mode,
    Subscriber,
    SubscriberState,
    Suspension,
    Token,
)
from mailinglists.services import locked
from protocols.address import Address, MalformedAddress
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

T = TypeVar("T")

BATCH = 500
# So many addresses are named in the audit trail one by one; more are only counted.
NAMED_IN_AUDIT = 20
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """An address to be put on a list, as somebody wrote it."""

    address: str
    name: str = ""
    mode: str = Mode.STANDARD


@dataclass(slots=True)
class Added:
    """What became of rows: how many are new, were there before, and which are no addresses."""

    added: int = 0
    known: int = 0
    malformed: list[str] = field(default_factory=list)

    def join(self, other: Added) -> None:
        self.added += other.added
        self.known += other.known
        self.malformed += other.malformed


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a token has brought about: `purpose` is one of models.Token.Purpose.

    `had_effect` False: the address was on the list already, or was not.
    """

    purpose: str
    mailing_list: MailingList
    address: str
    had_effect: bool


@tried_again
@transaction.atomic
def add_subscribers(
    *,
    mailing_list: MailingList,
    rows: Sequence[NewSubscriber],
    by: Actor | None,
    is_confirmed: bool = True,
) -> Added:
    """Put addresses on the list; who is on it already stays as he is. At most some thousands.

    `is_confirmed` False: they get nothing before they have confirmed it themselves; whoever calls
    mails each a token (`tokens.make`). Raises ListUnknown.
    """
    row = locked(mailing_list)
    result = Added()
    state = SubscriberState.ACTIVE if is_confirmed else SubscriberState.UNCONFIRMED
    now = utc_now()
    fresh: dict[str, Subscriber] = {}
    for new in rows:
        subscriber = _read(row, new, state=state, now=now)
        if subscriber is None:
            result.malformed.append(new.address)
        elif subscriber.key in fresh:
            result.known += 1
        else:
            fresh[subscriber.key] = subscriber
    for keys in batches(fresh, BATCH):
        found = Subscriber.objects.filter(mailing_list=row, key__in=keys)
        known = set(found.values_list("key", flat=True))
        result.known += len(known)
        added = [fresh[key] for key in keys if key not in known]
        Subscriber.objects.bulk_create(added)
        result.added += len(added)
    if result.added:
        named = [one.address for one in islice(fresh.values(), NAMED_IN_AUDIT)]
        words = named if result.added <= NAMED_IN_AUDIT else result.added
        verb = "added subscribers" if is_confirmed else "added unconfirmed subscribers"
        audit.record(by, verb, row, {"subscribers": (None, words)})
        _publish(row)
    return result


def import_subscribers(
    *,
    mailing_list: MailingList,
    rows: Iterable[NewSubscriber],
    by: Actor | None,
    is_confirmed: bool = True,
) -> Iterator[Added]:
    """Any number, in batches of which each is kept; after each the sum so far.

    Raises ListUnknown.
    """
    total = Added()
    for batch in batches(rows, BATCH):
        total.join(
            add_subscribers(mailing_list=mailing_list, rows=batch, by=by, is_confirmed=is_confirmed)
        )
        yield total


@tried_again
@transaction.atomic
def remove_subscribers(
    *, mailing_list: MailingList, addresses: Sequence[str], by: Actor | None
) -> int:
    """How many were on it; nobody is written to. Raises ListUnknown."""
    row = locked(mailing_list)
    keys = [key for address in addresses if (key := _key(address))]
    removed: list[str] = []
    for batch in batches(keys, BATCH):
        found = Subscriber.objects.filter(mailing_list=row, key__in=batch)
        removed += found.values_list("address", flat=True)
        found.delete()
    if removed:
        words = removed if len(removed) <= NAMED_IN_AUDIT else len(removed)
        audit.record(by, "removed subscribers", row, {"subscribers": (words, None)})
        _publish(row)
    return len(removed)


@tried_again
@transaction.atomic
def change_subscriber(
    *,
    subscriber: Subscriber,
    by: Actor | None,
    mode: str | None = None,
    name: str | None = None,
) -> Subscriber:
    """None: it stays. Raises SubscriberUnknown, ValuesRefused."""
    row = _lock(subscriber)
    changes: dict[str, tuple[object, object]] = {"subscriber": (row.address, row.address)}
    if mode is not None:
        if mode not in Mode.values:
            raise ValuesRefused((Problem("mode", "must be one of " + ", ".join(Mode.values)),))
        if mode != row.mode:
            changes["mode"], row.mode = (row.mode, mode), mode
    if name is not None and (clean := clean_name(name)) != row.name:
        changes["name"], row.name = (row.name, clean), clean
    if len(changes) > 1:
        row.save(update_fields=["mode", "name"])
        audit.record(by, "changed subscriber", row.mailing_list, changes)
    return row


def set_mode(*, subscriber: Subscriber, mode: str, by: Actor | None) -> Subscriber:
    """Each post or digests (L-035). Raises SubscriberUnknown, ValuesRefused."""
    return change_subscriber(subscriber=subscriber, mode=mode, by=by)


@tried_again
@transaction.atomic
def suspend(*, subscriber: Subscriber, by: Actor | None) -> Subscriber:
    """He gets nothing until somebody lets him again. Raises SubscriberUnknown."""
    row = _lock(subscriber)
    if row.state != SubscriberState.ACTIVE:
        return row
    row.state, row.suspended_for = SubscriberState.SUSPENDED, Suspension.REQUEST
    row.suspended_at = utc_now()
    row.save(update_fields=["state", "suspended_for", "suspended_at"])
    changes = {"subscriber": (row.address, row.address), "state": ("active", "suspended")}
    audit.record(by, "suspended subscriber", row.mailing_list, changes)
    return row


@tried_again
@transaction.atomic
def resume(*, subscriber: Subscriber, by: Actor | None) -> Subscriber:
    """What came back is forgotten. Raises SubscriberUnknown."""
    row = _lock(subscriber)
    if row.state != SubscriberState.SUSPENDED:
        return row
    row.state, row.suspended_for, row.suspended_at = SubscriberState.ACTIVE, "", None
    row.bounce_score, row.last_bounce_at = 0, None
    row.save()
    Bounce.objects.filter(subscriber=row).delete()
    changes = {"subscriber": (row.address, row.address), "state": ("suspended", "active")}
    audit.record(by, "resumed subscriber", row.mailing_list, changes)
    return row


@tried_again
@transaction.atomic
def subscribe_requested(
    *,
    mailing_list: MailingList,
    address: str,
    now: datetime,
    name: str = "",
    mode: str = Mode.STANDARD,
) -> str | None:
    """The word to be mailed to that address alone; None: it is on the list already.

    No row is made for it: strangers could fill the list with those of others.
    Raises SubscriptionsClosed, ValuesRefused.
    """
    if not mailing_list.takes_subscriptions:
        raise SubscriptionsClosed(mailing_list.address)
    key = _key(address)
    if not key:
        raise ValuesRefused((Problem("address", "is no address"),))
    found = Subscriber.objects.filter(mailing_list=mailing_list, key=key)
    if found.exclude(state=SubscriberState.UNCONFIRMED).exists():
        return None
    return tokens.make(
        mailing_list=mailing_list,
        purpose=Token.Purpose.SUBSCRIBE,
        address=address,
        name=clean_name(name),
        mode=mode,
        now=now,
    )


@tried_again
@transaction.atomic
def unsubscribe_requested(*, mailing_list: MailingList, address: str, now: datetime) -> str | None:
    """The word to be mailed to that address; None: it is not on the list."""
    if not Subscriber.objects.filter(mailing_list=mailing_list, key=_key(address)).exists():
        return None
    purpose = Token.Purpose.UNSUBSCRIBE
    return tokens.make(mailing_list=mailing_list, purpose=purpose, address=address, now=now)


@tried_again
@transaction.atomic
def confirm(*, word: str, now: datetime) -> Confirmed:
    """Subscribe or unsubscribe who got the word by mail (L-038). Raises TokenRefused."""
    token = tokens.look(word, now=now)
    if token.purpose == Token.Purpose.MODERATE:
        raise TokenRefused
    tokens.use(word, now=now)
    mailing_list = token.mailing_list
    with audit.acting(name=token.address):
        if token.purpose == Token.Purpose.SUBSCRIBE:
            new = NewSubscriber(token.address, token.name, token.mode)
            had_effect = subscribe(mailing_list=mailing_list, new=new, by=None)
        else:
            had_effect = unsubscribe(mailing_list=mailing_list, address=token.address, by=None)
    return Confirmed(token.purpose, mailing_list, token.address, had_effect)


@tried_again
@transaction.atomic
def subscribe(*, mailing_list: MailingList, new: NewSubscriber, by: Actor | None) -> bool:
    """Somebody who has proven the address; False: he was active already. Raises ListUnknown,
    ValuesRefused."""
    row = locked(mailing_list)
    key = _key(new.address)
    known = Subscriber.objects.select_for_update().filter(mailing_list=row, key=key).first()
    if known is not None:
        if known.state == SubscriberState.UNCONFIRMED:
            known.state, known.subscribed_at = SubscriberState.ACTIVE, utc_now()
            known.save(update_fields=["state", "subscribed_at"])
            changes = {"subscriber": (known.address, known.address)}
            audit.record(by, "confirmed subscriber", row, changes)
            _publish(row)
            return True
        if known.suspended_for == Suspension.BOUNCES:
            resume(subscriber=known, by=by)
            return True
        return False
    result = add_subscribers(mailing_list=row, rows=[new], by=by)
    if result.malformed:
        raise ValuesRefused((Problem("address", "is no address"),))
    return bool(result.added)


@tried_again
@transaction.atomic
def unsubscribe(*, mailing_list: MailingList, address: str, by: Actor | None) -> bool:
    """Who has proven the address leaves (L-032); False: he was not on the list."""
    row = Subscriber.objects.filter(mailing_list=mailing_list, key=_key(address)).first()
    if row is None:
        return False
    _leave(row, by)
    return True


def find_linked(word: str) -> Subscriber:
    """Whose link to unsubscribe it is. Raises SubscriberUnknown, also for who has left."""
    subscriber_id = signedids.linked(word)
    rows = Subscriber.objects.select_related("mailing_list__domain")
    row = rows.filter(pk=subscriber_id).first() if subscriber_id is not None else None
    if row is None:
        raise SubscriberUnknown("")
    return row


@tried_again
@transaction.atomic
def one_click(word: str) -> Subscriber:
    """Unsubscribe by the link in a message, without a log-in (RFC 8058). The row as it was.

    Raises SubscriberUnknown.
    """
    row = find_linked(word)
    with audit.acting(name=row.address):
        _leave(row, None)
    return row


def clean_name(name: str) -> str:
    """On one line, without control characters."""
    plain = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(plain.split())[:LONGEST_NAME]


def batches(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while batch := list(islice(iterator, size)):
        yield batch


def _leave(row: Subscriber, by: Actor | None) -> None:
    mailing_list = row.mailing_list
    audit.record(by, "unsubscribed", mailing_list, {"subscriber": (row.address, None)})
    Subscriber.objects.filter(pk=row.pk).delete()
    _publish(mailing_list)


def _lock(subscriber: Subscriber) -> Subscriber:
    """Raises SubscriberUnknown."""
    rows = Subscriber.objects.select_related("mailing_list__domain")
    row = rows.select_for_update(of=("self",)).filter(pk=subscriber.pk).first()
    if row is None:
        raise SubscriberUnknown(subscriber.address)
    return row


def _read(
    mailing_list: MailingList, new: NewSubscriber, *, state: str, now: datetime
) -> Subscriber | None:
    """None: it is no address, or one that nobody could be written to at."""
    key = _key(new.address)
    if not key:
        return None
    return Subscriber(
        id=new_id(),
        mailing_list=mailing_list,
        address=Address.parse(new.address.strip()).encode(),
        key=key,
        name=clean_name(new.name),
        mode=new.mode if new.mode in Mode.values else Mode.STANDARD,
        state=state,
        subscribed_at=now,
    )


def _key(address: str) -> str:
    """Empty: it is no address."""
    try:
        parsed = Address.parse(address.strip())
    except MalformedAddress:
        return ""
    return parsed.key if parsed.domain and len(parsed.encode()) <= 320 else ""


def _publish(mailing_list: MailingList) -> None:
    publish_on_commit(Topic.MAILING_LIST, mailing_list.pk, durable=True)
