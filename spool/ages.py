"""Which destination has the oldest message, without looking at all of them (P-003)."""

from __future__ import annotations

import heapq
from itertools import count

from spool.destinations import Destination

FEW = 64  # entries that are kept without a look at which of them are still needed


class Ages:
    """Destinations that may start, by the age of their oldest message.

    An entry is never younger than what it stands for: that its message has left is noticed when
    its turn comes, so that mail that leaves in its own turn costs nothing here.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[int, int, Destination]] = []  # age, number, whose
        self._numbers = count()
        self._many = FEW

    def __len__(self) -> int:
        return len(self._entries)

    def enter(self, destination: Destination) -> None:
        """It may start, or something older has come."""
        age, entered = destination.age, destination.entered_age
        if entered is not None and entered <= age:
            return
        destination.entered_age = age
        heapq.heappush(self._entries, (age, next(self._numbers), destination))
        if len(self._entries) > self._many:
            self._tidy()

    def take(self) -> Destination | None:
        """The one with the oldest message of all that may start; None: none may."""
        while self._entries:
            age, _, destination = heapq.heappop(self._entries)
            if destination.entered_age != age:
                continue
            destination.entered_age = None
            if not destination.may_start:
                continue  # it is entered again as soon as it may
            if destination.age == age:
                return destination
            self.enter(destination)
        return None

    def _tidy(self) -> None:
        """Forget entries that nothing hangs on; amortised, it costs as much as they did."""
        kept = []
        for entry in self._entries:
            age, _, destination = entry
            if destination.entered_age != age:
                continue
            if destination.head is None:
                destination.entered_age = None
            else:
                kept.append(entry)
        heapq.heapify(kept)
        self._entries = kept
        self._many = max(FEW, 2 * len(kept))
