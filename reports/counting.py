"""What one hour brought, counted from the rows that the other rooms have written (R-001).

Nothing is counted while mail is delivered. Ids grow with time, so an hour's rows are ranges of
primary keys; the same hour may be counted again at any time, with the same result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q, QuerySet, Sum

from accounts.models import User
from blobs.ids import first_id_at
from clock.moments import from_micros
from domains import selectors as domain_selectors
from domains.errors import DomainUnknown
from events.models import Occurrence
from events.occurrences import EventType
from operations.models import ActivityHour, Block
from protocols.address import fold
from spool.models import (
    DeliveryAttempt,
    Kind,
    RefusedMail,
    SpooledMessage,
    SpooledRecipient,
    SpoolMinute,
    State,
)

HOUR_MICROS = 3600 * 1_000_000
HOUR = timedelta(hours=1)
# An id is given out when a transaction begins, and the rows come with its end.
LONGEST_SESSION = timedelta(hours=1)
# Clocks of several machines, and the time between an outcome and its row.
SLACK = timedelta(minutes=5)
# Different recipients of refused mail that are looked up; who guesses names is counted as one.
MOST_REFUSED = 20_000

Key = tuple[int, int]  # domain, account
Sums = dict[Key, dict[str, int]]

SERVER: Key = (0, 0)


class Tallies:
    """Sums by key; what is of a user is of his domain and of the server, too."""

    def __init__(self) -> None:
        self.sums: defaultdict[Key, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.sums[SERVER]["connections"] += 0  # the server has a row for every hour

    def add(self, domain_id: int | None, account_id: int | None, **numbers: int) -> None:
        keys = {SERVER, (domain_id or 0, 0), (domain_id or 0, account_id or 0)}
        for key in keys:
            for name, number in numbers.items():
                self.sums[key][name] += number


def count(hour: int) -> Sums:
    """The numbers of one hour since 1970, by domain and account."""
    begins = from_micros(hour * HOUR_MICROS)
    tallies = Tallies()
    _count_sent(tallies, begins)
    _count_ends(tallies, begins)
    _count_refused(tallies, begins)
    _count_throttled(tallies, begins)
    for row in ActivityHour.objects.filter(hour=hour).values_list(
        "domain_id", "account_id", "logins", "connections"
    ):
        tallies.add(row[0], row[1], logins=row[2], connections=row[3])
    blocks = Block.objects.filter(since__gte=begins, since__lt=begins + HOUR, is_notice=False)
    tallies.add(None, None, blocks=blocks.count())
    sums = {key: dict(numbers) for key, numbers in tallies.sums.items()}
    waiting = _most_waiting(hour)
    if waiting is not None:
        sums[SERVER]["waiting"] = waiting
    return sums


def _count_sent(tallies: Tallies, begins: datetime) -> None:
    """What people and programs of a domain handed in, and mail written in its name."""
    rows = (
        SpooledMessage.objects.filter(
            id__gte=first_id_at(begins - LONGEST_SESSION),
            id__lt=first_id_at(begins + HOUR + SLACK),
            accepted_at__gte=begins,
            accepted_at__lt=begins + HOUR,
            domain__isnull=False,
        )
        .exclude(kind=Kind.BOUNCE)
        .order_by()
        .values_list("domain_id", "sender_account_id")
        .annotate(Count("id"), Sum("size_bytes"))
    )
    for domain_id, account_id, messages, size in rows:
        tallies.add(domain_id, account_id, sent=messages, sent_bytes=size)


def _count_ends(tallies: Tallies, begins: datetime) -> None:
    """Most end in their first moment; of the older ones, tries in this hour tell which."""
    lowest = first_id_at(begins - LONGEST_SESSION)
    tried = DeliveryAttempt.objects.filter(
        id__gte=first_id_at(begins - SLACK), id__lt=first_id_at(begins + HOUR + SLACK)
    )
    ended = SpooledRecipient.objects.filter(ended_at__gte=begins, ended_at__lt=begins + HOUR)
    young = ended.filter(id__gte=lowest, id__lt=first_id_at(begins + HOUR + SLACK))
    old = ended.filter(id__lt=lowest, id__in=tried.values("recipient_id"))
    for rows in (young, old):
        _add_received(tallies, rows)
        _add_bounced(tallies, rows)


def _add_received(tallies: Tallies, ended: QuerySet[SpooledRecipient]) -> None:
    rows = (
        ended.filter(state=State.DELIVERED)
        .order_by()
        .values_list("ledger_domain_id", "account_id")
        .annotate(Count("id"), Sum("message__size_bytes"))
    )
    for domain_id, account_id, copies, size in rows:
        tallies.add(domain_id, account_id, received=copies, received_bytes=size)


def _add_bounced(tallies: Tallies, ended: QuerySet[SpooledRecipient]) -> None:
    rows = (
        ended.filter(state__in=(State.BOUNCED, State.EXPIRED))
        .order_by()
        .values_list("message__domain_id", "message__sender_account_id")
        .annotate(Count("id"))
    )
    for domain_id, account_id, recipients in rows:
        tallies.add(domain_id, account_id, bounced=recipients)


def _count_refused(tallies: Tallies, begins: datetime) -> None:
    rows = RefusedMail.objects.filter(
        id__gte=first_id_at(begins - SLACK),
        id__lt=first_id_at(begins + HOUR + SLACK),
        at__gte=begins,
        at__lt=begins + HOUR,
    )
    tallies.add(None, None, refused=rows.count())
    named = (
        rows.exclude(recipient="")
        .values_list("recipient")
        .annotate(number=Count("id"))
        .order_by("-number", "recipient")
    )
    for (domain_id, account_id), number in _whose(named[:MOST_REFUSED]):
        keys = {(domain_id, 0), (domain_id, account_id)}
        for key in keys:
            tallies.sums[key]["refused"] += number


def _whose(rows: Iterable[tuple[str, int]]) -> Iterator[tuple[Key, int]]:
    """Those that were for a domain of ours; account 0: there is no such user."""
    domains: dict[str, int | None] = {}
    users: dict[int, dict[str, int]] = defaultdict(dict)
    found: list[tuple[int, str, int]] = []
    for recipient, number in rows:
        local_part, _, name = recipient.lower().rpartition("@")
        if name not in domains:
            domains[name] = _domain_id(name)
        domain_id = domains[name]
        if domain_id is not None:
            found.append((domain_id, fold(local_part), number))
    for domain_id in {one[0] for one in found}:
        users[domain_id] = _users(domain_id, {one[1] for one in found if one[0] == domain_id})
    for domain_id, local_part, number in found:
        yield (domain_id, users[domain_id].get(local_part, 0)), number


def _domain_id(name: str) -> int | None:
    try:
        return domain_selectors.by_name(name).pk
    except DomainUnknown:
        return None


def _users(domain_id: int, local_parts: set[str], batch: int = 500) -> dict[str, int]:
    found: dict[str, int] = {}
    names = sorted(local_parts)
    for start in range(0, len(names), batch):
        rows = User.objects.filter(domain_id=domain_id, local_part__in=names[start : start + batch])
        found.update(rows.values_list("local_part", "pk"))
    return found


def _count_throttled(tallies: Tallies, begins: datetime) -> None:
    rows = Occurrence.objects.filter(
        Q(type=EventType.USER_THROTTLED) | Q(type=EventType.DOMAIN_THROTTLED),
        at__gte=begins,
        at__lt=begins + HOUR,
    )
    for domain_id, account_id, number in (
        rows.order_by().values_list("domain_id", "account_id").annotate(Count("id"))
    ):
        tallies.add(domain_id, account_id, throttled=number)


def _most_waiting(hour: int) -> int | None:
    """None: nobody has counted."""
    rows = SpoolMinute.objects.filter(minute__gte=hour * 60, minute__lt=hour * 60 + 60)
    most: int | None = rows.aggregate(most=Max("messages"))["most"]
    return most
