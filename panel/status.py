"""Whether the server's processes live, for the corner of every page."""

from __future__ import annotations

from dataclasses import dataclass

from clock.moments import utc_now
from operations.connections import SILENCE
from operations.models import Process


@dataclass(frozen=True, slots=True)
class Health:
    """`colour` is one of Tabler's."""

    colour: str
    text: str


def health() -> Health:
    """Processes say every few seconds that they live."""
    if Process.objects.filter(seen_at__gt=utc_now() - SILENCE).exists():
        return Health("green", "All services running")
    return Health("red", "Mail services not running")
