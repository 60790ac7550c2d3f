"""The line of numbers above the spool: what waits, how fast it leaves, when it is empty (S-068)."""

from __future__ import annotations

from dataclasses import dataclass

from panel.templatetags.spoolwords import span
from spool.load import Load
from spool.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Number:
    icon: str
    colour: str
    text: str
    detail: str


def numbers_of(found: Statistics) -> list[Number]:
    if found.messages is None:
        waiting, oldest = "Not counted yet", "the first count comes within a minute"
    else:
        waiting = f"{found.messages:,} message{'s' * (found.messages != 1)}"
        held = f", {found.held:,} held" if found.held else ""
        held += f", {found.quarantined:,} of them in quarantine" if found.quarantined else ""
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


def deliveries(load: Load | None) -> str:
    """How busy the spool is, of how much it may be (S-003)."""
    if load is None:
        return "No process delivers mail at this moment."
    waiting = f" ({load.hanging} more wait for an answer)" if load.hanging else ""
    return (
        f"Deliveries in the last seconds, at most at the same time: {load.remote} of"
        f" {load.remote_maximum} to other servers{waiting}, {load.local} of"
        f" {load.local_maximum} to mailboxes here."
    )
