"""One measurement: so many units, in so much time, at so much CPU of the server."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench import processes
from tests.bench.systems import System


@dataclass(frozen=True, slots=True)
class Measurement:
    """CPU and rate of `units` pieces of work; or one quantity such as memory or time."""

    units: int
    seconds: float
    cpu_seconds: float
    quantity: float | None = None

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.units * 1e6

    @property
    def rate(self) -> float:
        return self.units / self.seconds


def measured(system: System, work: Callable[[], int]) -> Measurement:
    """Run `work`, which returns its units after verifying them, and take what it cost.

    The rate ends with the verified work; the CPU includes what the server does behind it.
    """
    processes.wait_until_quiet(*system.roots)
    cpu, began = processes.cpu_seconds(*system.roots), time.monotonic()
    units = work()
    seconds = time.monotonic() - began
    processes.wait_until_quiet(*system.roots)
    return Measurement(units, seconds, processes.cpu_seconds(*system.roots) - cpu)


@dataclass(slots=True)
class Row:
    """All rounds of one work on all systems."""

    name: str
    goal: str
    unit: str  # "message", "command"; or "KiB", "MiB", "s" for a quantity
    rounds: dict[str, list[Measurement]] = field(default_factory=dict)

    def add(self, system: System, measurement: Measurement) -> None:
        self.rounds.setdefault(system.name, []).append(measurement)

    def cpu_us(self, system: str) -> float | None:
        return self._median(system, lambda m: m.cpu_us)

    def rate(self, system: str) -> float | None:
        return self._median(system, lambda m: m.rate)

    def quantity(self, system: str) -> float | None:
        return self._median(system, lambda m: m.quantity)

    @property
    def is_quantity(self) -> bool:
        return any(m.quantity is not None for round_ in self.rounds.values() for m in round_)

    def _median(self, system: str, value: Callable[[Measurement], float | None]) -> float | None:
        values = [value(m) for m in self.rounds.get(system, [])]
        known = [v for v in values if v is not None]
        return statistics.median(known) if known else None
