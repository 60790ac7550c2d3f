"""The line of numbers above the spool: what waits, how fast it leaves, when it is empty (S-068)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from panel.templatetags.spoolwords import span
from spool import statistics
from spool.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Number:
    icon: str
    colour: str
    text: str
    detail: str


def numbers(*, now: datetime) -> list[Number]:
    """From what was measured last, so they cost the same however much waits."""
    return numbers_of(statistics.current(now=now))


def numbers_of(found: Statistics) -> list[Number]:
    if found.messages is None:
        waiting, oldest = "Not counted yet", "the first count comes within a minute"
    else:
        waiting = f"{found.messages:,} message{'s' * (found.messages != 1)}"
        held = f", {found.held:,} held" if found.held else ""
        oldest = f"{found.recipients:,} recipients{held}" if found.recipients else "nobody waits"
    age = span(found.oldest_age) or "nothing waits"
    forecast = found.forecast.words.rstrip(".")
    return [
        Number("send", "blue", waiting, oldest),
        Number("clock", "yellow", age, "age of the oldest message"),
        Number(
            "chart-line",
            "green",
            f"{found.ended_per_minute:,.1f} a minute leave",
            f"{found.accepted_per_minute:,.1f} come, {found.deferred_per_minute:,.1f} must wait",
        ),
        Number("hourglass", "azure", forecast, "forecast from the pace of the last ten minutes"),
    ]
