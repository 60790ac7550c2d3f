"""Services as the panel shows them: one row for each, on all machines together or on one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from operations.models import ActualState, Service
from operations.servicestate import ServiceStanding

# Tabler's names. A colour never stands alone: the state's word is beside it (M-003).
COLOURS = {
    ActualState.RUNNING: "green",
    ActualState.STOPPED: "red",
    ActualState.FAILING: "yellow",
    ActualState.STARTING: "yellow",
    ActualState.DRAINING: "yellow",
}

_SEVERITY = {state: number for number, state in enumerate(ActualState)}


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """`standings`: how the service stands on each machine that is looked at."""

    standings: Sequence[ServiceStanding]

    @property
    def _worst(self) -> ServiceStanding:
        return min(self.standings, key=lambda one: _SEVERITY[ActualState(one.state)])

    @property
    def service(self) -> str:
        return self._worst.service

    @property
    def label(self) -> str:
        return self._worst.label

    @property
    def description(self) -> str:
        return self._worst.description

    @property
    def is_wanted(self) -> bool:
        return any(one.is_wanted for one in self.standings)

    @property
    def is_switched_off(self) -> bool:
        """On some machine, so that Start makes sense."""
        return any(not one.is_wanted for one in self.standings)

    @property
    def state(self) -> str:
        """As people read it."""
        return ActualState(self._worst.state).label

    @property
    def colour(self) -> str:
        return COLOURS[ActualState(self._worst.state)]

    @property
    def reason(self) -> str:
        return self._worst.warning or self._worst.reason

    @property
    def is_in_trouble(self) -> bool:
        """It is to run, and does not."""
        return any(one.is_wanted and one.state == ActualState.FAILING for one in self.standings)

    @property
    def sessions(self) -> int:
        return sum(one.sessions for one in self.standings)

    @property
    def processes(self) -> int:
        return sum(len(one.processes) for one in self.standings)


def rows(standings: Iterable[ServiceStanding], node: int | None = None) -> list[ServiceRow]:
    """One for each service, in the order of the page; `node` None: all machines together."""
    chosen = [one for one in standings if node in (None, one.node)]
    return [
        ServiceRow([one for one in chosen if one.service == service])
        for service in Service
        if any(one.service == service for one in chosen)
    ]
