"""How gateways are doing: written by mail processes now and then, read by whoever asks (G-008)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from clock.moments import from_micros, to_micros
from spool.gatewaycounts import GatewayCount
from spool.ledger import HOUR_MICROS
from spool.models import Gateway, GatewayHour, GatewayState

WRITE_SECONDS = 10.0
# Without news a process says so often that it lives.
STILL_ALIVE = timedelta(seconds=30)
# A process that has not written for so long is gone, and what it said with it.
FRESH = timedelta(seconds=60)
HOURS_KEPT = 24 * 30


@dataclass(frozen=True, slots=True)
class GatewayNow:
    """What a process has in hand for a gateway at this moment."""

    queued: int = 0
    is_down: bool = False


@dataclass(frozen=True, slots=True)
class GatewayHealth:
    """One gateway as an operator wants to see it; numbers are recipients."""

    gateway_id: int
    name: str
    is_enabled: bool
    is_down: bool
    queued: int
    sent_this_hour: int
    sent_last_hour: int
    deferred_this_hour: int
    failed_this_hour: int
    last_error: str
    last_error_at: datetime | None


@transaction.atomic
def write(
    *,
    process_id: int,
    present: Mapping[int, GatewayNow],
    counts: Mapping[int, GatewayCount],
    now: datetime,
) -> None:
    """Gateways that have been deleted meanwhile are left out."""
    known = set(Gateway.objects.values_list("pk", flat=True))
    GatewayState.objects.filter(seen_at__lt=now - timedelta(hours=1), last_error="").delete()
    GatewayState.objects.filter(seen_at__lt=now - timedelta(hours=HOURS_KEPT)).delete()
    hour = to_micros(now) // HOUR_MICROS
    for gateway_id in sorted(known & (present.keys() | counts.keys())):
        count = counts.get(gateway_id, GatewayCount())
        _write_state(gateway_id, process_id, present.get(gateway_id, GatewayNow()), count, now)
        if count.sent or count.deferred or count.failed:
            row, _ = GatewayHour.objects.get_or_create(gateway_id=gateway_id, hour=hour)
            GatewayHour.objects.filter(pk=row.pk).update(
                sent=F("sent") + count.sent,
                deferred=F("deferred") + count.deferred,
                failed=F("failed") + count.failed,
            )
    GatewayHour.objects.filter(hour__lt=hour - HOURS_KEPT).delete()


def _write_state(
    gateway_id: int, process_id: int, present: GatewayNow, count: GatewayCount, now: datetime
) -> None:
    values: dict[str, Any] = {
        "seen_at": now,
        "queued": present.queued,
        "is_down": present.is_down,
    }
    if count.last_error_at is not None:
        values["last_error"] = count.last_error
        values["last_error_at"] = from_micros(count.last_error_at)
    GatewayState.objects.update_or_create(
        gateway_id=gateway_id, process_id=process_id, defaults=values
    )


def health(*, now: datetime) -> list[GatewayHealth]:
    """All gateways by name, in three queries however much mail there is."""
    hour = to_micros(now) // HOUR_MICROS
    states: dict[int, list[GatewayState]] = {}
    for state in GatewayState.objects.all():
        states.setdefault(state.gateway_id, []).append(state)
    sums: dict[tuple[int, int], Any] = {
        (row["gateway_id"], row["hour"]): row
        for row in GatewayHour.objects.filter(hour__gte=hour - 1)
        .values("gateway_id", "hour")
        .annotate(sent=Sum("sent"), deferred=Sum("deferred"), failed=Sum("failed"))
    }
    return [
        _health(
            gateway,
            states.get(gateway.pk, []),
            sums.get((gateway.pk, hour), {}),
            sums.get((gateway.pk, hour - 1), {}),
            now,
        )
        for gateway in Gateway.objects.all()
    ]


def _health(
    gateway: Gateway,
    states: list[GatewayState],
    this_hour: Mapping[str, int],
    last_hour: Mapping[str, int],
    now: datetime,
) -> GatewayHealth:
    fresh = [state for state in states if state.seen_at > now - FRESH]
    told = [state for state in states if state.last_error_at is not None]
    last = max(told, key=lambda state: state.last_error_at or state.seen_at, default=None)
    return GatewayHealth(
        gateway_id=gateway.pk,
        name=gateway.name,
        is_enabled=gateway.is_enabled,
        is_down=any(state.is_down for state in fresh),
        queued=sum(state.queued for state in fresh),
        sent_this_hour=this_hour.get("sent", 0),
        sent_last_hour=last_hour.get("sent", 0),
        deferred_this_hour=this_hour.get("deferred", 0),
        failed_this_hour=this_hour.get("failed", 0),
        last_error=last.last_error if last else "",
        last_error_at=last.last_error_at if last else None,
    )
