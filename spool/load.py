"""How many deliveries are under way, of how many that may be at the same time (S-003)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from spool.models import DeliveryLoad

WRITE_SECONDS = 2.0
# Without news a process says so often that it lives.
STILL_ALIVE = timedelta(seconds=10)
# A process that has not written for so long is gone.
FRESH = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Load:
    """Deliveries at the same time: the most in the last seconds, and how many there may be."""

    remote: int = 0
    remote_maximum: int = 0
    hanging: int = 0  # these wait for an answer and have given their slot back
    local: int = 0
    local_maximum: int = 0


class Peak:
    """The most that something has been since it was last asked for."""

    def __init__(self) -> None:
        self._most = 0

    def see(self, value: int) -> None:
        if value > self._most:
            self._most = value

    def take(self, present: int) -> int:
        """What it was at most; from now on it is `present`."""
        most, self._most = max(self._most, present), present
        return most


def write(*, process_id: int, load: Load, now: datetime) -> None:
    DeliveryLoad.objects.filter(seen_at__lt=now - FRESH).delete()
    DeliveryLoad.objects.update_or_create(
        process_id=process_id, defaults={**asdict(load), "seen_at": now}
    )


def forget(*, process_id: int) -> None:
    """The process ends."""
    DeliveryLoad.objects.filter(pk=process_id).delete()


def current(*, now: datetime) -> Load | None:
    """Of all processes together; None: none of them delivers."""
    sums = DeliveryLoad.objects.filter(seen_at__gte=now - FRESH).aggregate(
        remote=Sum("remote"),
        remote_maximum=Sum("remote_maximum"),
        hanging=Sum("hanging"),
        local=Sum("local"),
        local_maximum=Sum("local_maximum"),
    )
    return None if sums["remote"] is None else Load(**sums)
