"""What waits for one destination, how many sessions may go there, and whether it is down."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from protocols.smtp.client import NO_ANSWER
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from spool.agents.remote import RemoteSession
from spool.agents.route import RemoteRoute
from spool.work import Peer, Result, Turn, Work

# S-047: a host that is down is probed once after each of these, not by every message.
FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 900.0
# Sessions to a destination that has just said its first word; until then there is one, for one
# that hangs must not have many.
FIRST_LIMIT = 2
# So many sessions broken off one after the other, with no answer between, are no accident.
MOST_BROKEN = 3

_sequence = count()


@dataclass(frozen=True, slots=True)
class Down:
    """The destination could not be reached; until then nobody tries, but by force (S-033)."""

    until: float  # of the loop's clock
    outcome: Outcome
    peer: Peer


class Destination:
    """The queue of one route and the sessions along it."""

    def __init__(self, route: RemoteRoute, *, maximum: int) -> None:
        self.route = route
        self.maximum = maximum  # sessions at once, as the settings allow
        self.busy = 0  # sessions that hold a slot
        self.hanging = 0  # sessions that wait so long that they had to give it back
        self.stalled = 0  # those of them that have waited too long even for a slow server
        self.is_known = False  # it has answered once
        self.idle: list[RemoteSession] = []
        self.down: Down | None = None
        self.waiting_recipients = 0
        self.listed: Turn | None = None  # by which turn it stands in the list of those that may go
        self.entered_age: int | None = None  # by which age it stands in spool.ages
        self._window = float(min(FIRST_LIMIT, maximum))
        self._is_growing = True  # until it is known how much the other side can bear
        self._queue: list[tuple[Turn, int, Work]] = []
        self._ages: list[tuple[int, int]] = []  # message id and number in the queue
        self._taken: set[int] = set()  # numbers that are still among the ages
        self._failures = 0
        self._broken = 0

    def put(self, work: Work, turn: Turn) -> None:
        self.waiting_recipients += len(work.recipients)
        number = next(_sequence)
        heapq.heappush(self._queue, (turn, number, work))
        heapq.heappush(self._ages, (work.message.message_id, number))

    def pop(self) -> tuple[Turn, Work] | None:
        """What goes first, or None."""
        if not self._queue:
            return None
        turn, number, work = heapq.heappop(self._queue)
        self._forget_age(number)
        self.waiting_recipients -= len(work.recipients)
        return turn, work

    def pop_oldest(self) -> tuple[Turn, Work]:
        """P-003: the message that came first, whatever goes before it. Something must wait."""
        oldest = self.age
        place = next(
            place for place, one in enumerate(self._queue) if one[2].message.message_id == oldest
        )
        turn, number, work = self._queue[place]
        self._queue[place] = self._queue[-1]
        self._queue.pop()
        heapq.heapify(self._queue)
        self._forget_age(number)
        self.waiting_recipients -= len(work.recipients)
        return turn, work

    def pop_all(self) -> list[Work]:
        works = [work for _, _, work in self._queue]
        self._queue.clear()
        self._ages.clear()
        self._taken.clear()
        self.waiting_recipients = 0
        return works

    def _forget_age(self, number: int) -> None:
        self._taken.add(number)
        while self._ages and self._ages[0][1] in self._taken:
            self._taken.discard(heapq.heappop(self._ages)[1])

    @property
    def head(self) -> Turn | None:
        """The turn of what goes first; None: nothing waits."""
        return self._queue[0][0] if self._queue else None

    @property
    def names(self) -> frozenset[str]:
        """The domains whose mail waits here; several where a gateway takes them."""
        if not self.route.host:
            return frozenset((self.route.domain,))
        return frozenset(work.recipients[0].destination for _, _, work in self._queue)

    @property
    def age(self) -> int:
        """The oldest message that waits, as its id; a big number if there is none."""
        return self._ages[0][0] if self._ages else 1 << 63

    @property
    def limit(self) -> int:
        """Sessions at once, as the other side has shown that it can bear them."""
        return min(int(self._window), self.maximum) if self.is_known else 1

    @property
    def may_start(self) -> bool:
        return bool(self._queue) and self.busy + self.hanging < self.limit

    @property
    def is_stalled(self) -> bool:
        """Every session there waits for an answer that does not come."""
        return self.busy == 0 and 0 < self.hanging == self.stalled

    @property
    def is_unused(self) -> bool:
        is_empty = not self._queue and not self.idle and not self.busy and not self.hanging
        return is_empty and self.down is None

    def learn(self, results: Sequence[Result], *, now: float) -> None:
        """What a session that was open tells of the other side: it can bear more, or less."""
        outcomes = [result.outcome for result in results]
        if any(outcome.verdict is not Verdict.DEFERRED for outcome in outcomes):
            self.down = None
            self._failures = self._broken = 0
            # As TCP does it (RFC 5681 §3.1): quickly at first, carefully behind the first refusal.
            more = 1.0 if self._is_growing else 1 / self._window
            self._window = min(float(self.maximum), self._window + more)
            return
        first = outcomes[0]
        if first.by_peer:
            self._broken = 0
            # A recipient put off is the recipient's affair: he may be over quota, or greylisted.
            if first.stage is not Stage.RCPT or first.reply.code == 421:
                self.bear_less()
            return
        self._broken += 1
        self.bear_less()
        if first.reply == NO_ANSWER or self._broken >= MOST_BROKEN:
            self.went_down(first, results[0].peer, now=now)

    def bear_less(self) -> None:
        self._window = max(1.0, self._window / 2)
        self._is_growing = False

    def bear_only(self, sessions: int) -> None:
        """More than these were not let in."""
        self._window = float(max(1, sessions))
        self._is_growing = False

    def went_down(self, outcome: Outcome, peer: Peer, *, now: float) -> None:
        """Several sessions may find out at the same time: that is one failure."""
        if self.down is not None and self.down.until > now:
            return
        pause = min(FIRST_PAUSE_SECONDS * 2**self._failures, LONGEST_PAUSE_SECONDS)
        self._failures = min(self._failures + 1, 10)
        self.down = Down(now + pause, outcome, peer)
