"""The spool's numbers for the page, monitoring and the forecast (S-068, M-090)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from blobs.ids import time_of
from clock.moments import EPOCH
from domains import directory as domain_directory
from spool import forecast as forecasting
from spool import gatewaychoice, settings
from spool.forecast import Flow, Forecast
from spool.gatewaychoice import GatewayPolicy
from spool.measuring import measure, measured_hour, minute_of
from spool.models import DeliveryAttempt, FlowRate, LedgerHour, QueueGroup, SpoolMinute

__all__ = ["current", "forecast", "measure"]

RATE_MINUTES = 10
MOST_DESTINATIONS = 50
MOST_ERRORS = 20
ERRORS_AMONG = 2_000  # of the latest tries
# Where nothing has been sent lately a try is taken to last so long.
ASSUMED_TRY_SECONDS = 1.0
LOCAL_PER_SECOND = 200.0


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
    oldest_age: timedelta | None
    accepted_per_minute: float
    ended_per_minute: float
    deferred_per_minute: float
    destinations: tuple[DestinationQueue, ...]  # the longest first
    last_errors: tuple[LastError, ...]
    forecast: Forecast


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
    found = forecast(now=now)
    oldest = counted.oldest_id if counted else None
    return Statistics(
        counted_at=_end_of(counted),
        messages=counted.messages if counted else None,
        recipients=counted.recipients if counted else None,
        held=counted.held if counted else None,
        oldest_age=None if oldest is None else max(now - time_of(oldest), timedelta(0)),
        accepted_per_minute=_mean([one.accepted for one in minutes]),
        ended_per_minute=_mean([one.ended for one in minutes]),
        deferred_per_minute=_mean([one.deferred for one in minutes]),
        destinations=_destinations(now),
        last_errors=_last_errors(),
        forecast=found,
    )


def forecast(
    *,
    now: datetime,
    throttles: Mapping[int, Throttle] | None = None,
    gateways: Sequence[GatewayPolicy] | None = None,
) -> Forecast:
    """When all will have left. `throttles` by domain and `gateways` as if they were saved already.

    From what was measured last, so its cost does not grow with what waits.
    """
    gateways = gatewaychoice.current() if gateways is None else gateways
    groups = QueueGroup.objects.all()
    waiting: defaultdict[str, int] = defaultdict(int)
    limits: dict[str, tuple[int, int]] = {}  # flow -> its limit, and the domain
    hosts: dict[str, str] = {}
    for group in groups:
        count = max(group.recipients - group.held, 0)
        limit = _limit(group.domain_id, throttles) if group.destination else None
        gateway = _gateway(group, gateways)
        if limit is not None:
            name = f"domain {group.domain_id}"
            limits[name] = (limit, group.domain_id)
        elif gateway is not None:
            name = f"gateway {gateway.name}"
            hosts[name] = gateway.host
        else:
            name = group.destination or "mailboxes here"
        waiting[name] += count
    used = _used_this_hour({domain for _, domain in limits.values()}, now)
    rates = _Rates()
    flows = []
    for name, count in waiting.items():
        if name in limits:
            limit, domain = limits[name]
            flows.append(
                Flow(_domain_name(domain), count, rates.of_all(), hourly_limit=limit,
                     used_this_hour=used.get(domain, 0))
            )  # fmt: skip
        elif name in hosts:
            flows.append(Flow(name, count, rates.of_host(hosts[name])))
        else:
            flows.append(Flow(name, count, rates.of_destination(name)))
    return forecasting.forecast(flows, now=now)


class _Rates:
    """How many recipients a second can leave, by what was measured."""

    def __init__(self) -> None:
        policy = settings.current()
        self._sessions = policy.connections_per_destination
        self._maximum = policy.maximum_remote_deliveries
        rows = FlowRate.objects.all()
        self._rows = {(row.kind, row.name): row for row in rows}

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

    def _rate(self, row: FlowRate | None) -> float:
        """As of late; where nothing ended lately, what the sessions could do."""
        if row is None:
            return self._sessions / ASSUMED_TRY_SECONDS
        return _measured(row)


def _measured(row: FlowRate | None) -> float:
    return 0.0 if row is None else row.ended / row.measured_seconds


def _limit(domain_id: int, throttles: Mapping[int, Throttle] | None) -> int | None:
    if throttles is not None and domain_id in throttles:
        return throttles[domain_id].messages_per_hour
    domain = domain_directory.policy(domain_id) if domain_id else None
    return None if domain is None else domain.throttling.outgoing_messages_per_hour


def _gateway(group: QueueGroup, gateways: Sequence[GatewayPolicy]) -> GatewayPolicy | None:
    if not group.destination:
        return None
    chosen = gatewaychoice.choose(
        gateways,
        priority=group.priority,
        domain_id=group.domain_id or None,
        destination=group.destination,
    )
    return chosen[0] if chosen else None


def _used_this_hour(domain_ids: set[int], now: datetime) -> dict[int, int]:
    rows = LedgerHour.objects.filter(domain_id__in=domain_ids, hour=measured_hour(now))
    return dict(rows.values_list("domain_id", "relayed"))


def _domain_name(domain_id: int) -> str:
    domain = domain_directory.policy(domain_id)
    return domain.name if domain else "domains that are gone"


def _destinations(now: datetime) -> tuple[DestinationQueue, ...]:
    sums = QueueGroup.objects.values("destination").annotate(
        total=Sum("recipients"), kept=Sum("held")
    )
    rates = _Rates()
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
    latest = DeliveryAttempt.objects.order_by("-id").values_list(
        "outcome", "finished_at", "started_at", "host", "reply"
    )[:ERRORS_AMONG]
    errors = [
        LastError(finished or started, host, reply)
        for outcome, finished, started, host, reply in latest
        if outcome != DeliveryAttempt.Outcome.DELIVERED
    ]
    return tuple(errors[:MOST_ERRORS])


def _end_of(counted: SpoolMinute | None) -> datetime | None:
    if counted is None:
        return None
    return EPOCH + timedelta(minutes=counted.minute + 1)


def _mean(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
