"""What would be with another limit or another gateway, before it is saved (S-068)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Sum

from blobs.contention import tried_again
from clock.moments import to_micros
from spool import forecast as forecasting
from spool import gatewaychoice, gateways, statistics, throttle, throttlepolicy
from spool.forecast import Flow, Forecast
from spool.gatewaychoice import GatewayPolicy
from spool.models import Gateway, QueueGroup, Route, SpooledRecipient, State, ThrottleHour
from spool.statistics import PRIORITIES, Rates
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


def with_limit(*, payer: Payer, messages_per_hour: int | None, now: datetime) -> SupposedLimit:
    """`messages_per_hour` None or 0: not limited. A user's or list's domain limits it as before.

    Limits of bandwidth and of bounces are left out: how much of them the rest takes nobody knows.
    For a user or a list, reads all that waits of the domain.
    """
    waiting = _waiting(payer)
    limits = {payer.key: (payer.who, payer.allowance.messages)}
    if payer.key.kind is not Kind.DOMAIN:
        domain = throttlepolicy.payer(Key(Kind.DOMAIN, payer.domain_id))
        if domain is not None:
            limits[domain.key] = domain.who, domain.allowance.messages
    supposed = limits | {payer.key: (payer.who, messages_per_hour or None)}
    used = _used(limits, now)
    rate = Rates().of_all()

    def forecast(of: Mapping[Key, tuple[str, int | None]]) -> Forecast:
        flows = (
            Flow(who, waiting, rate, hourly_limit=limit, used_this_hour=used.get(key, 0))
            for key, (who, limit) in of.items()
        )
        return forecasting.forecast(flows, now=now)

    return SupposedLimit(forecast(limits), forecast(supposed), payer.who, waiting)


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


def _waiting(payer: Payer) -> int:
    if payer.key.kind is Kind.DOMAIN:
        groups = QueueGroup.objects.filter(domain_id=payer.key.key_id, destination__gt="")
        found = groups.aggregate(all=Sum("recipients"), kept=Sum("held"))
        return max((found["all"] or 0) - (found["kept"] or 0), 0)
    due = SpooledRecipient.objects.filter(
        priority__in=PRIORITIES,  # so that the index of a domain's turn is used
        ledger_domain=payer.domain_id,
        due_at__isnull=False,
        state__lt=State.DELIVERED,
        route=Route.REMOTE,
    )
    if payer.key.kind is Kind.LIST:
        return due.filter(message__list_id=payer.key.key_id).count()
    return due.filter(message__sender_account=payer.key.key_id).count()


def _used(keys: Iterable[Key], now: datetime) -> dict[Key, int]:
    """In this hour; nobody counts for whoever is not limited."""
    used = {}
    for key in keys:
        rows = ThrottleHour.objects.filter(
            kind=key.kind.value, key_id=key.key_id, hour=throttle.hour_of(to_micros(now))
        )
        for messages, before in rows.values_list("messages", "messages_before"):
            used[key] = messages - before
    return used
