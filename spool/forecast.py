"""When the spool will be empty, at the pace of late and within limits. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from units import moments

HORIZON = timedelta(days=30)  # what takes longer is not forecast
HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Recipients that wait for the same thing and leave at the same pace."""

    name: str
    waiting: int
    per_second: float  # how many can leave while no limit is in the way
    arriving_per_second: float = 0.0
    hourly_limit: int | None = None  # per clock hour; None: not limited
    used_this_hour: int = 0


@dataclass(frozen=True, slots=True)
class FlowForecast:
    flow: Flow
    empty_at: datetime | None  # None: not within the horizon


@dataclass(frozen=True, slots=True)
class Forecast:
    """The whole spool is empty when its slowest flow is."""

    made_at: datetime
    flows: tuple[FlowForecast, ...]

    @property
    def empty_at(self) -> datetime | None:
        """None: never within the horizon."""
        times = [one.empty_at for one in self.flows]
        known = [moment for moment in times if moment is not None]
        if len(known) < len(times):
            return None
        return max(known, default=self.made_at)

    @property
    def waiting(self) -> int:
        return sum(one.flow.waiting for one in self.flows)

    @property
    def words(self) -> str:
        if not self.waiting:
            return "Nothing waits."
        if self.empty_at is None:
            slowest = [one.flow.name for one in self.flows if one.empty_at is None]
            return f"At this rate it is not empty within {HORIZON.days} days: {slowest[0]}."
        return f"At this rate empty at {moments.clock(self.empty_at, now=self.made_at)}."


def forecast(flows: Iterable[Flow], *, now: datetime) -> Forecast:
    return Forecast(now, tuple(FlowForecast(flow, empty_at(flow, now=now)) for flow in flows))


def empty_at(flow: Flow, *, now: datetime) -> datetime | None:
    """When the last of it has left; None: not within the horizon."""
    if flow.waiting <= 0:
        return now
    if flow.per_second <= 0:
        return None
    seconds = _unlimited(flow) if flow.hourly_limit is None else _limited(flow, now)
    if seconds is None or seconds > HORIZON.total_seconds():
        return None
    return now + timedelta(seconds=seconds)


def _unlimited(flow: Flow) -> float | None:
    net = flow.per_second - flow.arriving_per_second
    return flow.waiting / net if net > 0 else None


def _limited(flow: Flow, now: datetime) -> float | None:
    """Hour by hour of the clock: at full speed till the hour's allowance is used up."""
    assert flow.hourly_limit is not None
    limit = max(flow.hourly_limit, 0)
    this_hour = HOUR_SECONDS - (now.timestamp() % HOUR_SECONDS)
    waiting = float(flow.waiting)
    seconds = _within(flow, waiting, this_hour, max(limit - flow.used_this_hour, 0))
    if seconds is not None:
        return seconds
    waiting -= _leaving(flow, this_hour, max(limit - flow.used_this_hour, 0))
    # Whole hours that cannot be the last are taken in one step.
    net = _leaving(flow, HOUR_SECONDS, limit)
    if net <= 0:
        return None
    burst = min(flow.per_second * HOUR_SECONDS, limit)
    hours = max(0, int((waiting - burst) // net))
    elapsed = this_hour + hours * HOUR_SECONDS
    waiting -= hours * net
    while elapsed <= HORIZON.total_seconds():
        seconds = _within(flow, waiting, HOUR_SECONDS, limit)
        if seconds is not None:
            return elapsed + seconds
        waiting -= net
        elapsed += HOUR_SECONDS
    return None


def _within(flow: Flow, waiting: float, window: float, allowed: int) -> float | None:
    """After how many seconds of the window all has left, if it does."""
    net = flow.per_second - flow.arriving_per_second
    busy = min(window, allowed / flow.per_second)  # until the allowance is used up
    if net > 0 and waiting / net <= busy:
        return waiting / net
    return None


def _leaving(flow: Flow, window: float, allowed: int) -> float:
    """By how much fewer wait after the window; below zero: more."""
    return min(flow.per_second * window, allowed) - flow.arriving_per_second * window
