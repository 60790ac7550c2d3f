"""What waits for one destination, how many sessions may go there, and whether it is down."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

from protocols.smtp.outgoing import Outcome
from spool.agents.remote import RemoteRoute, RemoteSession
from spool.work import Peer, Work

# S-047: a host that is down is probed once after each of these, not by every message.
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 900.0

Order = tuple[bool, int, int]

_sequence = count()


@dataclass(frozen=True, slots=True)
class Down:
    """The destination could not be reached; until then nobody tries, but by force (S-033)."""

    until: float  # of the loop's clock
    outcome: Outcome
    peer: Peer


class Destination:
    """The queue of one route and the sessions along it."""

    def __init__(self, route: RemoteRoute, *, limit: int) -> None:
        self.route = route
        self.limit = limit  # sessions at once; the server's own patience may make it fewer
        self.busy = 0
        self.idle: list[RemoteSession] = []
        self.down: Down | None = None
        self.waiting_recipients = 0
        self._queue: list[tuple[Order, int, Work]] = []
        self._failures = 0

    def put(self, work: Work) -> None:
        self.waiting_recipients += len(work.recipients)
        heapq.heappush(self._queue, (work.recipients[0].order, next(_sequence), work))

    def pop(self) -> Work | None:
        """What goes first, or None."""
        if not self._queue:
            return None
        work = heapq.heappop(self._queue)[2]
        self.waiting_recipients -= len(work.recipients)
        return work

    def pop_all(self) -> list[Work]:
        works = [work for _, _, work in self._queue]
        self._queue.clear()
        self.waiting_recipients = 0
        return works

    @property
    def head(self) -> Order | None:
        """The order of what goes first; None: nothing waits."""
        return self._queue[0][0] if self._queue else None

    @property
    def names(self) -> frozenset[str]:
        """The domains whose mail waits here; several where a gateway takes them."""
        return frozenset(work.recipients[0].destination for _, _, work in self._queue)

    @property
    def age(self) -> int:
        """The oldest message that waits, as its id; a big number if there is none."""
        return min((work.message.message_id for _, _, work in self._queue), default=1 << 63)

    @property
    def may_start(self) -> bool:
        return bool(self._queue) and self.busy < self.limit

    @property
    def is_unused(self) -> bool:
        return not self._queue and not self.busy and not self.idle and self.down is None

    def went_well(self, *, limit: int) -> None:
        """A message got an answer: the destination is alive."""
        self.down = None
        self._failures = 0
        self.limit = min(limit, self.limit + 1)

    def went_down(self, outcome: Outcome, peer: Peer, *, now: float) -> None:
        pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 10)
        self.down = Down(now + pause, outcome, peer)
