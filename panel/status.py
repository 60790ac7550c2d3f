"""Whether the services run, for the corner of every page."""

from __future__ import annotations

from dataclasses import dataclass

from operations import servicestate
from panel import servicerows


@dataclass(frozen=True, slots=True)
class Health:
    """`colour` is one of Tabler's."""

    colour: str
    text: str


def health() -> Health:
    """What is wrong comes before what was stopped on purpose."""
    rows = servicerows.rows(servicestate.standings())
    failing = [row.label for row in rows if row.is_in_trouble]
    stopped = [row.label for row in rows if row.is_switched_off]
    if len(failing) == len(rows):
        return Health("red", "Mail services not running")
    if failing:
        return Health("red", f"Failing: {', '.join(failing)}")
    if stopped:
        return Health("yellow", f"Stopped: {', '.join(stopped)}")
    if any(row.colour != "green" for row in rows):
        return Health("yellow", "Services are changing")
    return Health("green", "All services running")
