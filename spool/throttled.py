"""Who is throttled at this moment, and how it ends before the hour does (T-013)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, models, transaction
from django.db.models import Count, F, QuerySet

from accounts.models import User
from blobs.contention import tried_again
from clock.moments import from_micros, to_micros
from domains.models import Domain
from events import audit
from events.audit import Actor
from mailinglists.models import MailingList
from spool import summaries, throttle, throttlepolicy
from spool.forecast import Flow, empty_at
from spool.models import SpooledRecipient, State, ThrottleCrossing, ThrottleHour
from spool.statistics import Rates
from spool.throttle import Key, Kind, Reason, Window
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic

# Woken at once where there is room again: the next round sees whether there still is.
AT_ONCE = 250
BATCH = 500  # ids of one statement

_COUNTED = ("messages", "sent_bytes", "bounces", "own_bounces")


class NotThrottled(Exception):
    """Nothing of theirs is held by a limit now."""

    def __init__(self, kind: str, key_id: int) -> None:
        super().__init__(kind, key_id)
        self.kind = kind
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class Throttled:
    """One row of the page: who, why, since and until when, and what waits for it."""

    kind: str  # user, domain or list
    key_id: int
    domain_id: int
    who: str
    reason: str  # messages, bandwidth or bounces
    used: int  # bytes for bandwidth
    allowed: int
    since: datetime
    until: datetime
    waiting: int  # recipients that this or another limit of the same sender holds
    empty_at: datetime | None  # when the last of these has left; None: not to be foreseen

    @property
    def numbers(self) -> str:
        """ "5,000 of 5,000 messages this hour"."""
        return throttle.in_words(Reason(self.reason), self.used, self.allowed)


def throttled(now: datetime) -> list[Throttled]:
    """Whoever has used up an allowance of this hour, in the order in which it happened."""
    rows = list(_standing(now).order_by("at", "pk"))
    waiting = _count_waiting(rows)
    until = from_micros(throttle.next_hour(to_micros(now)))
    rate = Rates().of_all() if rows else 0.0
    return [
        Throttled(
            kind=row.kind,
            key_id=row.key_id,
            domain_id=row.domain_id,
            who=row.who,
            reason=row.reason,
            used=row.used,
            allowed=row.allowed,
            since=row.at,
            until=until,
            waiting=waiting[row.kind, row.key_id],
            empty_at=_empty_at(row, waiting[row.kind, row.key_id], rate, now),
        )
        for row in rows
    ]


def _empty_at(
    row: ThrottleCrossing, waiting: int, per_second: float, now: datetime
) -> datetime | None:
    """By a limit of messages alone: the size of what waits, and reports to come, are unknown."""
    if row.reason != Reason.MESSAGES:
        return None
    used = max(row.used, row.allowed)
    flow = Flow(row.who, waiting, per_second, hourly_limit=row.allowed, used_this_hour=used)
    return empty_at(flow, now=now)


def domains_throttled(now: datetime) -> QuerySet[ThrottleCrossing]:
    """The limits of domains, not of their users, that hold mail now; `key_id` is the domain's."""
    return _standing(now).filter(kind=Kind.DOMAIN.value)


@tried_again
@transaction.atomic
def release(*, kind: str, key_id: int, by: Actor | None, now: datetime) -> int:
    """Begin the hour's allowance anew; how many recipients may try again at once.

    Raises NotThrottled.
    """
    subject = _subject(kind, key_id)
    crossings = list(
        _standing(now).select_for_update().filter(kind=kind, key_id=key_id).order_by("pk")
    )
    if subject is None or not crossings:
        raise NotThrottled(kind, key_id)
    hour = throttle.hour_of(to_micros(now))
    ThrottleHour.objects.filter(kind=kind, key_id=key_id, hour=hour).update(
        **{f"{name}_before": F(name) for name in _COUNTED}
    )
    _end(crossings, now)
    woken = _wake(Key(Kind(kind), key_id), now)
    changes = {row.reason: (f"{row.used} of {row.allowed}", "0 used") for row in crossings}
    audit.record(by, "released throttle", subject, changes)
    publish_on_commit(Topic.SPOOL)
    return woken


def reopen(now: datetime) -> int:
    """Wake what waits although there is room again; how many recipients.

    A limit was raised or switched off, or tries that held a part of it have failed.
    """
    woken = 0
    for crossing in _standing(now).order_by("pk"):
        woken += _reopen(crossing, now)
    return woken


@tried_again
@transaction.atomic
def _reopen(crossing: ThrottleCrossing, now: datetime) -> int:
    key, reason = Key(Kind(crossing.kind), crossing.key_id), Reason(crossing.reason)
    payer = throttlepolicy.payer(key)
    window = Window(payer.allowance) if payer is not None else Window()
    row = ThrottleHour.objects.filter(
        kind=crossing.kind, key_id=crossing.key_id, hour=crossing.hour
    ).first()
    if row is not None:
        window.messages = row.messages - row.messages_before
        window.sent_bytes = row.sent_bytes - row.sent_bytes_before
        window.bounces = row.own_bounces - row.own_bounces_before
        received = row.bounces - row.bounces_before
        if reason is Reason.BOUNCES and window.allowance.bounces is not None:
            window.bounces = max(window.bounces, received)
    if window.reached() is reason:
        return 0
    publish_on_commit(Topic.SPOOL)
    if window.limit_of(reason) is None:
        _end([crossing], now)
        return _wake(key, now)
    room = AT_ONCE if window.room is None else min(window.room, AT_ONCE)
    woken = _wake(key, now, most=room)
    if woken < room:
        _end([crossing], now)
    return woken


def _standing(now: datetime) -> QuerySet[ThrottleCrossing]:
    hour = throttle.hour_of(to_micros(now))
    return ThrottleCrossing.objects.filter(hour=hour, ended_at=None)


def _end(crossings: Iterable[ThrottleCrossing], now: datetime) -> None:
    ThrottleCrossing.objects.filter(pk__in=[row.pk for row in crossings]).update(ended_at=now)


def _held_for(key: Key) -> QuerySet[SpooledRecipient]:
    held = SpooledRecipient.objects.filter(state=State.THROTTLED)
    if key.kind is Kind.USER:
        user = User.objects.filter(pk=key.key_id).first()
        domain_id = user.domain_id if user else None
        return held.filter(ledger_domain=domain_id, message__sender_account=key.key_id)
    if key.kind is Kind.LIST:
        mailing_list = MailingList.objects.filter(pk=key.key_id).first()
        domain_id = mailing_list.domain_id if mailing_list else None
        return held.filter(ledger_domain=domain_id, message__list_id=key.key_id)
    return held.filter(ledger_domain=key.key_id)


def _wake(key: Key, now: datetime, *, most: int | None = None) -> int:
    """In the order of their priorities; `most` None: all. Who is claimed may be held again."""
    held = _held_for(key).filter(claimed_by=None, due_at__gt=now).order_by("-priority", "id")
    ids = list(held.values_list("pk", flat=True)[:most])
    woken = 0
    for start in range(0, len(ids), BATCH):
        batch = SpooledRecipient.objects.filter(pk__in=ids[start : start + BATCH])
        woken += batch.filter(state=State.THROTTLED, claimed_by=None).update(due_at=now)
        small = batch.filter(message__recipients_total__lte=summaries.LARGE)
        with connection.cursor() as cursor:
            messages = small.order_by("message_id").values_list("message_id", flat=True)
            summaries.refresh(cursor, list(messages.distinct()))
    return woken


def _count_waiting(rows: Iterable[ThrottleCrossing]) -> Counter[tuple[str, int]]:
    counts: Counter[tuple[str, int]] = Counter()
    found = (
        SpooledRecipient.objects.filter(
            state=State.THROTTLED, ledger_domain__in={row.domain_id for row in rows}
        )
        .values_list("ledger_domain", "message__sender_account", "message__list_id")
        .annotate(count=Count("pk"))
    )
    for domain_id, account_id, list_id, count in found:
        counts[Kind.DOMAIN.value, domain_id] += count
        if account_id is not None:
            counts[Kind.USER.value, account_id] += count
        if list_id is not None:
            counts[Kind.LIST.value, list_id] += count
    return counts


def _subject(kind: str, key_id: int) -> models.Model | None:
    if kind == Kind.USER:
        return User.objects.filter(pk=key_id).first()
    if kind == Kind.LIST:
        return MailingList.objects.select_related("domain").filter(pk=key_id).first()
    return Domain.objects.filter(pk=key_id).first() if kind == Kind.DOMAIN else None
