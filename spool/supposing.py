"""What would be with another limit or another gateway, before it is saved (S-068)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count

from blobs.contention import tried_again
from spool import forecast as forecasting
from spool import gatewaychoice, gateways, statistics, throttlecounts, throttlepolicy
from spool.forecast import Flow, Forecast
from spool.gatewaychoice import GatewayPolicy
from spool.models import Gateway, QueueGroup, Route, SpooledRecipient, State
from spool.statistics import PRIORITIES, Group, Potential, Rates, Throttle
from spool.throttle import Key, Kind
from spool.throttlepolicy import Payer


@dataclass(frozen=True, slots=True)
class Supposed:
    """Two forecasts for the same mail: as it is set, and as somebody thinks of setting it."""

    as_it_is: Forecast
    supposed: Forecast


@dataclass(frozen=True, slots=True)
class SupposedLimit(Supposed):
    """For what waits of one payer."""

    who: str
    waiting: int  # recipients elsewhere who are not held
    whole_spool: Forecast | None  # all mail, with the limit; None: only a domain's is known


def with_limit(*, payer: Payer, messages_per_hour: int | None, now: datetime) -> SupposedLimit:
    """`messages_per_hour` None or 0: not limited. A user's or list's domain limits it as before.

    Limits of bandwidth and of bounces are left out: how much of them the rest takes nobody knows.
    For a user or a list, reads all that waits of the domain.
    """
    groups = _groups(payer)
    waiting = sum(group.waiting for group in groups)
    limits = {payer.key: (payer.who, payer.allowance.messages)}
    if payer.key.kind is not Kind.DOMAIN:
        domain = throttlepolicy.payer(Key(Kind.DOMAIN, payer.domain_id))
        if domain is not None:
            limits[domain.key] = domain.who, domain.allowance.messages
    supposed = limits | {payer.key: (payer.who, messages_per_hour or None)}
    used = {
        key: throttlecounts.used(key.kind, [key.key_id], now).get(key.key_id, 0) for key in limits
    }
    rates = Rates()
    rate = rates.of_all()
    ways = statistics.ways(groups, gatewaychoice.current(), Potential())

    def forecast(of: Mapping[Key, tuple[str, int | None]]) -> Forecast:
        limited = (
            Flow(who, waiting, rate, hourly_limit=limit, used_this_hour=used[key])
            for key, (who, limit) in of.items()
        )
        # A limit that is raised does not make servers answer that are silent.
        return forecasting.forecast([*limited, *ways], now=now)

    whole_spool = None
    if payer.key.kind is Kind.DOMAIN:
        throttles = {payer.key.key_id: Throttle(messages_per_hour or None)}
        whole_spool = statistics.forecast(now=now, throttles=throttles, rates=rates)
    return SupposedLimit(forecast(limits), forecast(supposed), payer.who, waiting, whole_spool)


def with_gateway(
    *,
    gateway: Gateway | None,
    values: Mapping[str, Any],
    now: datetime,
    destinations: Sequence[str] | None = None,
    sending_domains: Sequence[str] | None = None,
) -> Supposed:
    """For the whole spool, with this gateway as the values say; None: with one more.

    Raises ValuesRefused, DomainUnknown or NameMalformed, as saving it would.
    """
    policies = _as_if_saved(gateway, values, destinations, sending_domains)
    rates = Rates()
    return Supposed(
        statistics.forecast(now=now, rates=rates),
        statistics.forecast(now=now, rates=rates, gateways=policies),
    )


@tried_again
def _as_if_saved(
    gateway: Gateway | None,
    values: Mapping[str, Any],
    destinations: Sequence[str] | None,
    sending_domains: Sequence[str] | None,
) -> tuple[GatewayPolicy, ...]:
    """All that is checked when it is saved is checked; then all of it is taken back."""
    with transaction.atomic():
        if gateway is None:
            gateways.add(
                values=values,
                destinations=destinations or (),
                sending_domains=sending_domains or (),
                by=None,
            )
        else:
            gateways.change(
                gateway=gateway,
                values=values,
                destinations=destinations,
                sending_domains=sending_domains,
                by=None,
            )
        policies = gatewaychoice.read()
        transaction.set_rollback(True)
    return policies


def _groups(payer: Payer) -> list[Group]:
    """What waits elsewhere and is not held."""
    key_id = payer.key.key_id
    if payer.key.kind is Kind.DOMAIN:
        rows = QueueGroup.objects.filter(domain_id=key_id, destination__gt="")
        return [
            Group(row.destination, max(row.recipients - row.held, 0), row.priority, key_id)
            for row in rows
        ]
    due = SpooledRecipient.objects.filter(
        priority__in=PRIORITIES,  # so that the index of a domain's turn is used
        ledger_domain=payer.domain_id,
        due_at__isnull=False,
        state__lt=State.DELIVERED,
        route=Route.REMOTE,
    )
    if payer.key.kind is Kind.LIST:
        due = due.filter(message__list_id=key_id)
    else:
        due = due.filter(message__sender_account=key_id)
    found = due.values_list("destination", "priority").annotate(count=Count("pk")).order_by()
    return [
        Group(destination, count, priority, payer.domain_id)
        for destination, priority, count in found
    ]
