"""The spool's numbers for the page, monitoring and the forecast (S-068, M-090)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Sum

from blobs.ids import time_of
from clock.moments import EPOCH
from domains.models import Domain, DomainThrottling
from spool import forecast as forecasting
from spool import gatewaychoice, load, settings, throttlecounts
from spool.forecast import Flow, Forecast
from spool.gatewaychoice import GatewayPolicy
from spool.load import Load
from spool.measuring import measure, minute_of
from spool.models import DeliveryAttempt, FlowRate, QueueGroup, SpoolMinute
from spool.throttle import Kind

__all__ = ["current", "forecast", "measure"]

RATE_MINUTES = 10
MOST_DESTINATIONS = 50
MOST_ERRORS = 20
ERRORS_AMONG = 2_000  # of the latest tries
# Where nothing has been sent lately a try is taken to last so long.
ASSUMED_TRY_SECONDS = 1.0
LOCAL_PER_SECOND = 200.0
PRIORITIES = range(1, 11)


@dataclass(frozen=True, slots=True)
class DestinationQueue:
    name: str  # empty: mailboxes of this server
    recipients: int
    held: int
    empty_at: datetime | None


@dataclass(frozen=True, slots=True)
class LastError:
    at: datetime
    host: str
    reply: str


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts are of the last measuring; None: there was none yet."""

    counted_at: datetime | None
    messages: int | None
    recipients: int | None
    held: int | None
    quarantined: int | None  # of those held
    oldest_age: timedelta | None
    accepted_per_minute: float
    ended_per_minute: float
    deferred_per_minute: float
    destinations: tuple[DestinationQueue, ...]  # the longest first
    last_errors: tuple[LastError, ...]
    forecast: Forecast
    load: Load | None  # None: no process delivers


@dataclass(frozen=True, slots=True)
class Throttle:
    """What a domain may send in an hour, as it is or as somebody thinks of setting it."""

    messages_per_hour: int | None  # None: not limited


def current(*, now: datetime) -> Statistics:
    """A few small queries, whatever waits."""
    minutes = list(
        SpoolMinute.objects.filter(minute__gte=minute_of(now) - RATE_MINUTES).order_by("-minute")
    )
    counted = SpoolMinute.objects.exclude(messages=None).order_by("-minute").first()
    rates = Rates()
    found = forecast(now=now, rates=rates)
    oldest = counted.oldest_id if counted else None
    return Statistics(
        counted_at=_end_of(counted),
        messages=counted.messages if counted else None,
        recipients=counted.recipients if counted else None,
        held=counted.held if counted else None,
        quarantined=counted.quarantined if counted else None,
        oldest_age=None if oldest is None else max(now - time_of(oldest), timedelta(0)),
        accepted_per_minute=_mean([one.accepted for one in minutes]),
        ended_per_minute=_mean([one.ended for one in minutes]),
        deferred_per_minute=_mean([one.deferred for one in minutes]),
        destinations=_destinations(now, rates),
        last_errors=_last_errors(),
        forecast=found,
        load=load.current(now=now),
    )


def forecast(
    *,
    now: datetime,
    throttles: Mapping[int, Throttle] | None = None,
    gateways: Sequence[GatewayPolicy] | None = None,
    rates: Rates | None = None,
) -> Forecast:
    """When all will have left. `throttles` by domain and `gateways` as if they were saved already.

    From what was measured last, so its cost does not grow with what waits.
    """
    gateways = gatewaychoice.current() if gateways is None else gateways
    limited = _limited(throttles or {})
    rates = rates or Rates()
    flows = [
        Flow(one.name, one.waiting, rates.of_all(), hourly_limit=one.limit,
             used_this_hour=one.used)
        for one in _limited_queues(limited, now)
    ]  # fmt: skip
    flows += ways(_groups(gateways, limited), gateways, rates)
    return forecasting.forecast(flows, now=now)


def ways(groups: Iterable[Group], gateways: Sequence[GatewayPolicy], rates: Rates) -> list[Flow]:
    """One for each gateway that takes some of it, and each destination that none takes."""
    waiting: defaultdict[str, int] = defaultdict(int)
    hosts: dict[str, str] = {}
    for group in groups:
        gateway = _gateway(group, gateways)
        if gateway is not None:
            name = f"gateway {gateway.name}"
            hosts[name] = gateway.host
        else:
            name = group.destination or "mailboxes here"
        waiting[name] += group.waiting
    return [
        Flow(
            name,
            count,
            rates.of_host(hosts[name]) if name in hosts else rates.of_destination(name),
        )
        for name, count in waiting.items()
    ]


@dataclass(frozen=True, slots=True)
class _LimitedQueue:
    """What waits from a domain that may send so much in an hour."""

    name: str
    waiting: int
    limit: int
    used: int


@dataclass(frozen=True, slots=True)
class Group:
    """What waits for one destination; the other two only where a gateway asks for them."""

    destination: str
    waiting: int
    priority: int
    domain_id: int


def _limited(throttles: Mapping[int, Throttle]) -> dict[int, int]:
    """Domains with a limit of the hour, in one query however many have mail."""
    rows = DomainThrottling.objects.filter(
        domain__recycled=None,
        outgoing_messages_per_hour_enabled=True,
        outgoing_messages_per_hour__gt=0,
    )
    limits: dict[int, int | None] = dict(rows.values_list("domain", "outgoing_messages_per_hour"))
    limits |= {domain: one.messages_per_hour for domain, one in throttles.items()}
    return {domain: limit for domain, limit in limits.items() if limit is not None}


def _groups(gateways: Sequence[GatewayPolicy], limited: Collection[int]) -> Iterator[Group]:
    """What no limit of a domain holds back, summed up as far as all of it goes the same way."""
    asks_priority = any(len(one.priorities) < len(PRIORITIES) for one in gateways)
    asks_domain = any(one.sending_domain_ids for one in gateways)
    columns = ["destination"]
    columns += ["priority"] if asks_priority else []
    columns += ["domain_id"] if asks_domain else []
    rows = QueueGroup.objects.exclude(domain_id__in=limited, destination__gt="")
    for row in rows.values(*columns).annotate(all=Sum("recipients"), kept=Sum("held")).order_by():
        yield Group(
            row["destination"],
            max(row["all"] - row["kept"], 0),
            row.get("priority", PRIORITIES[0]),
            row.get("domain_id", 0),
        )


def _limited_queues(limited: Mapping[int, int], now: datetime) -> list[_LimitedQueue]:
    rows = QueueGroup.objects.filter(domain_id__in=limited, destination__gt="")
    sums = rows.values("domain_id").annotate(all=Sum("recipients"), kept=Sum("held")).order_by()
    found = {row["domain_id"]: max(row["all"] - row["kept"], 0) for row in sums}
    names = dict(Domain.objects.filter(pk__in=found).values_list("pk", "name"))
    used = throttlecounts.used(Kind.DOMAIN, found, now)
    return [
        _LimitedQueue(
            names.get(domain, "domains that are gone"), count, limited[domain], used.get(domain, 0)
        )
        for domain, count in found.items()
    ]


class _Rate(NamedTuple):
    """The numbers of one FlowRate: there is one for each of very many destinations."""

    ended: int
    deferred: int
    try_seconds: float
    measured_seconds: int


class Rates:
    """How many recipients a second can leave, by what was measured."""

    def __init__(self) -> None:
        policy = settings.current()
        self._sessions = policy.connections_per_destination
        self._maximum = policy.maximum_remote_deliveries
        rows = FlowRate.objects.values_list("kind", "name", *_Rate._fields)
        self._rows = {(kind, name): _Rate(*numbers) for kind, name, *numbers in rows}

    def of_destination(self, name: str) -> float:
        if name == "mailboxes here":
            row = self._rows.get((FlowRate.Kind.DESTINATION, ""))
            return max(_measured(row), LOCAL_PER_SECOND) if row is None else _measured(row)
        return self._rate(self._rows.get((FlowRate.Kind.DESTINATION, name)))

    def of_host(self, host: str) -> float:
        return self._rate(self._rows.get((FlowRate.Kind.HOST, host)))

    def of_all(self) -> float:
        """What a domain could send if nothing limited it: all slots, at the usual speed."""
        remote = [row for (kind, _), row in self._rows.items() if kind == FlowRate.Kind.HOST]
        tries = sum(row.ended + row.deferred for row in remote)
        seconds = sum(row.try_seconds * (row.ended + row.deferred) for row in remote)
        mean = seconds / tries if tries else ASSUMED_TRY_SECONDS
        return self._maximum / max(mean, 0.01)

    def _rate(self, row: _Rate | None) -> float:
        """As of late; where nothing ended lately, what the sessions could do."""
        if row is None:
            return self._sessions / ASSUMED_TRY_SECONDS
        return _measured(row)


class Potential(Rates):
    """What could leave if nothing limited it: a pace that a limit slowed says little of a server.

    Nothing, where all tries of late were in vain.
    """

    def _rate(self, row: _Rate | None) -> float:
        if row is None or not row.ended + row.deferred:
            return self._sessions / ASSUMED_TRY_SECONDS
        return self._sessions / max(row.try_seconds, 0.01) if row.ended else 0.0


def _measured(row: _Rate | None) -> float:
    return 0.0 if row is None else row.ended / row.measured_seconds


def _gateway(group: Group, gateways: Sequence[GatewayPolicy]) -> GatewayPolicy | None:
    if not group.destination:
        return None
    chosen = gatewaychoice.choose(
        gateways,
        priority=group.priority,
        domain_id=group.domain_id or None,
        destination=group.destination,
    )
    return chosen[0] if chosen else None


def _destinations(now: datetime, rates: Rates) -> tuple[DestinationQueue, ...]:
    sums = QueueGroup.objects.values("destination").annotate(
        total=Sum("recipients"), kept=Sum("held")
    )
    found = []
    for row in sums.order_by("-total")[:MOST_DESTINATIONS]:
        name = row["destination"]
        rate = rates.of_destination(name or "mailboxes here")
        flow = Flow(name, row["total"] - row["kept"], rate)
        found.append(
            DestinationQueue(name, row["total"], row["kept"], forecasting.empty_at(flow, now=now))
        )
    return tuple(found)


def _last_errors() -> tuple[LastError, ...]:
    latest = DeliveryAttempt.objects.order_by("-id").values("id")[:ERRORS_AMONG]
    errors = DeliveryAttempt.objects.filter(pk__in=latest).exclude(
        outcome=DeliveryAttempt.Outcome.DELIVERED
    )
    rows = errors.order_by("-id").values_list("finished_at", "started_at", "host", "reply")
    return tuple(
        LastError(finished or started, host, reply)
        for finished, started, host, reply in rows[:MOST_ERRORS]
    )


def _end_of(counted: SpoolMinute | None) -> datetime | None:
    if counted is None:
        return None
    return EPOCH + timedelta(minutes=counted.minute + 1)


def _mean(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
