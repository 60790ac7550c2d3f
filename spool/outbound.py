"""Everything bound for other servers: which destination is served next, by which session."""

from __future__ import annotations

import asyncio
import heapq
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable
from itertools import count

import structlog

from clock.moments import to_micros, utc_now
from protocols.smtp.client import ChooseSasl
from spool import throttleclaims
from spool.agents.remote import RemoteSession, RemoteSettings
from spool.agents.route import RemoteRoute
from spool.ages import Ages
from spool.destinations import Destination
from spool.fairness import Turns
from spool.gatewaycounts import GatewayCounts
from spool.ownresults import broken_off, faulty, repeated
from spool.slots import Run, Slots
from spool.work import Result, Turn, Work

log = structlog.get_logger(__name__)

IDLE_SECONDS = 5.0  # an open connection waits so long for another message
MESSAGES_IN_A_ROW = 20  # then another destination may have the slot
MOST_DESTINATIONS = 5_000  # remembered, with those that are down

Report = Callable[[list[Result]], None]
GiveBack = Callable[[list[Work]], None]
ReadBody = Callable[[Work], AsyncIterator[bytes]]


class Outbound:
    """Queues, slots and sessions; each work that is added comes back as results exactly once,
    or is given back untried."""

    def __init__(
        self,
        settings: RemoteSettings,
        *,
        report: Report,
        read_body: ReadBody,
        choose_sasl: Callable[[RemoteRoute], ChooseSasl | None],
        give_back: GiveBack,
    ) -> None:
        self.slots = Slots(freed=self.dispatch, moved=self._list, silent=self._send_back)
        self.maximum_per_destination = 10  # S-002
        self.oldest_share_percent = 10  # of the slots, whatever the priority; 0: none (P-003)
        self.gateways = GatewayCounts()
        self._settings = settings
        self._report = report
        self._read_body = read_body
        self._choose_sasl = choose_sasl
        self._give_back = give_back
        self._turns = Turns()
        self._waiting_by_domain: Counter[int] = Counter()
        self._destinations: dict[RemoteRoute, Destination] = {}
        # Those that may start, by what goes first there; an entry counts if `listed` is its turn.
        self._ready: list[tuple[Turn, int, Destination]] = []
        self._numbers = count()
        self._ages = Ages()
        self._look_at = MOST_DESTINATIONS  # so many are there when old ones are looked for
        self._tasks: set[asyncio.Task[None]] = set()
        self._wakers: dict[RemoteSession, asyncio.Future[Work | None]] = {}
        self._started = 0
        self._is_closing = False

    def add(self, route: RemoteRoute, work: Work) -> None:
        """Take work; `dispatch` starts it."""
        destination = self._destinations.get(route)
        if destination is None:
            self._forget_old_ones()
            destination = Destination(route, maximum=self.maximum_per_destination)
            self._destinations[route] = destination
        down = destination.down
        if down is not None and not work.recipients[0].is_forced:
            # Until then nobody tries; after it one message does, and the others hear from it.
            is_probed = destination.busy or destination.hanging
            if is_probed or down.until > self._now():
                self._report(repeated(work, down.outcome, down.peer))
                return
        self._put(destination, work)

    def dispatch(self) -> None:
        """Start sessions while there are slots and something waits for one."""
        slots = self.slots
        slots.readmit()
        while slots.busy < slots.maximum and not self._is_closing:
            work_at = self._next()
            if work_at is None:
                return
            destination, work = work_at
            slots.take(destination)
            self._list(destination)
            if destination.idle:
                self._wakers.pop(destination.idle.pop()).set_result(work)
            else:
                task = asyncio.create_task(self._run_session(destination, work))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def full_destinations(self, *, limit: int) -> frozenset[str]:
        """The names for which more than `limit` recipients wait here already, or nobody answers."""
        full = (
            each
            for each in self._destinations.values()
            if each.waiting_recipients > limit or each.is_stalled
        )
        return frozenset(name for destination in full for name in destination.names)

    def full_domains(self, *, limit: int) -> frozenset[int]:
        """The sending domains, by id, of which more than `limit` recipients wait here already."""
        return frozenset(key for key, number in self._waiting_by_domain.items() if number > limit)

    def gateways_down(self) -> frozenset[int]:
        """Gateways that could not be reached a moment ago, or let us wait now (G-006)."""
        now = self._now()
        return frozenset(
            route.gateway_id
            for route, destination in self._destinations.items()
            if route.gateway_id is not None
            and (
                (destination.down is not None and destination.down.until > now)
                or destination.is_stalled
            )
        )

    def gateway_queues(self) -> Counter[int]:
        """Recipients that wait here for each gateway, or are under way there (G-006, G-008)."""
        queues: Counter[int] = Counter()
        for route, destination in self._destinations.items():
            if route.gateway_id is not None:
                under_way = destination.busy + destination.hanging
                queues[route.gateway_id] += destination.waiting_recipients + under_way
        return queues

    def keep_gateways(self, unchanged: set[int]) -> None:
        """What waits for the other gateways is given back, and that they were down is forgotten."""
        for route, destination in self._destinations.items():
            if route.gateway_id is not None and route.gateway_id not in unchanged:
                destination.down = None
                self._send_back(destination)

    async def drain(self, seconds: float) -> list[Work]:
        """Start nothing more, let what runs finish; what was not begun is given back."""
        self._is_closing = True
        left = [work for each in self._destinations.values() for work in each.pop_all()]
        self.slots.close()
        for waker in self._wakers.values():
            if not waker.done():
                waker.set_result(None)
        if self._tasks:
            _, running = await asyncio.wait(self._tasks, timeout=seconds)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return left

    def take_back(self) -> list[Work]:
        """What has not been begun; what is under way goes on."""
        return [work for each in self._destinations.values() for work in each.pop_all()]

    def break_off(self) -> None:
        """End what is under way now; it is tried again later."""
        for destination in self._destinations.values():
            for session in tuple(destination.idle):
                self._stop_waiting(destination, session)  # it takes nothing any more
        for task in self._tasks:
            task.cancel()

    def _forget_old_ones(self) -> None:
        """Destinations that were down and that nobody has written to since."""
        if len(self._destinations) < self._look_at:
            return
        now = self._now()
        for route, destination in list(self._destinations.items()):
            if destination.down is not None and destination.down.until <= now:
                destination.down = None
            if destination.is_unused:
                del self._destinations[route]
        # Where most have work in hand, each newcomer need not look at all of them again.
        self._look_at = max(MOST_DESTINATIONS, 2 * len(self._destinations))

    def _put(self, destination: Destination, work: Work) -> None:
        destination.put(work, self._turns.give(work))
        self._waiting_by_domain[work.recipients[0].ledger_domain_id or 0] += len(work.recipients)
        self._list(destination)

    def _list(self, destination: Destination) -> None:
        """Have it stand where its first work, and its oldest, belong among those that may start."""
        head = destination.head
        if head is None or not destination.may_start:
            return
        self._ages.enter(destination)
        if destination.listed != head:
            destination.listed = head
            heapq.heappush(self._ready, (head, next(self._numbers), destination))

    def _next(self) -> tuple[Destination, Work] | None:
        """What leaves next, of all destinations; None: nothing may."""
        self._started += 1
        share = self.oldest_share_percent
        if share and self._started % max(1, 100 // share) == 0:
            oldest = self._ages.take()
            if oldest is not None:
                return oldest, self._took(oldest.pop_oldest())
        while self._ready:
            turn, _, destination = heapq.heappop(self._ready)
            if destination.listed != turn:
                continue
            destination.listed = None
            if destination.may_start:
                first = destination.pop()
                assert first is not None
                return destination, self._took(first)
        return None

    def _pop(self, destination: Destination) -> Work | None:
        found = destination.pop()
        return None if found is None else self._took(found)

    def _took(self, found: tuple[Turn, Work]) -> Work:
        turn, work = found
        self._turns.served(turn)
        self._no_longer_waits(work)
        return work

    def _no_longer_waits(self, work: Work) -> None:
        key = work.recipients[0].ledger_domain_id or 0
        self._waiting_by_domain[key] -= len(work.recipients)
        if self._waiting_by_domain[key] <= 0:
            del self._waiting_by_domain[key]

    def _pop_all(self, destination: Destination) -> list[Work]:
        works = destination.pop_all()
        for work in works:
            self._no_longer_waits(work)
        return works

    def _send_back(self, destination: Destination) -> None:
        """What waits here for it waits in the spool again, untried."""
        self._give_back(self._pop_all(destination))

    # --- sessions ---

    async def _run_session(self, destination: Destination, first: Work) -> None:
        """Serve one destination until nothing has waited for it for a while."""
        run = self.slots.enter(destination)
        session = RemoteSession(
            destination.route,
            self._settings,
            lambda: self._choose_sasl(destination.route),
            greeted=lambda: self.slots.hear(run),
        )
        work: Work | None = first
        in_a_row = 0
        try:
            while work is not None:
                run.begin(is_heard=session.is_open)
                is_down = await self._deliver(run, session, work)
                in_a_row += 1
                work = None if is_down else self._take_next(destination, in_a_row)
                if work is None:
                    in_a_row = 0
                    run.since = None
                    self._free_slot(destination)
                    if not is_down and session.is_open and not self._is_closing:
                        work = await self._wait_for_work(destination, session)
            await session.close()
        except asyncio.CancelledError:
            session.abort()
            if work is not None:
                self.slots.leave(destination)
                self._report(broken_off(work))
            raise
        finally:
            self.slots.end(run)
            if destination.is_unused:
                self._destinations.pop(destination.route, None)

    def _take_next(self, destination: Destination, in_a_row: int) -> Work | None:
        """More for the same destination, unless others have waited long enough for the slot."""
        slots = self.slots
        if self._is_closing or slots.busy > slots.maximum or slots.has_returning:
            return None
        if destination.busy + destination.hanging > destination.limit:
            return None
        if in_a_row >= MESSAGES_IN_A_ROW and slots.busy >= slots.maximum:
            others = (each for each in self._destinations.values() if each is not destination)
            if any(each.may_start for each in others):
                return None
        work = self._pop(destination)
        self._list(destination)
        return work

    def _free_slot(self, destination: Destination) -> None:
        self.slots.leave(destination)
        self._list(destination)
        self.dispatch()

    async def _wait_for_work(self, destination: Destination, session: RemoteSession) -> Work | None:
        loop = asyncio.get_running_loop()
        waker: asyncio.Future[Work | None] = loop.create_future()
        self._wakers[session] = waker
        destination.idle.append(session)
        self.dispatch()
        timer = loop.call_later(IDLE_SECONDS, self._stop_waiting, destination, session)
        try:
            return await waker
        except asyncio.CancelledError:
            if waker.done() and not waker.cancelled() and (given := waker.result()):
                self.slots.leave(destination)
                self._give_back([given])  # broken off before it was begun
            raise
        finally:
            timer.cancel()
            self._stop_waiting(destination, session)

    def _stop_waiting(self, destination: Destination, session: RemoteSession) -> None:
        """Nothing has come for it, and nothing is given to it from now on."""
        waker = self._wakers.pop(session, None)
        if waker is not None:
            destination.idle.remove(session)
            if not waker.done():
                waker.set_result(None)

    async def _deliver(self, run: Run, session: RemoteSession, work: Work) -> bool:
        """True if this session must end because nobody there can be talked to."""
        destination = run.destination
        started_at = to_micros(utc_now())
        if throttleclaims.has_lapsed(work, started_at):
            self._report(throttleclaims.give_up_turn(work, started_at))
            return False
        try:
            results, is_down = await session.deliver(work, lambda: self._read_body(work))
        except Exception:
            # A message is never lost by a fault of ours: the try is on record, and repeated.
            log.exception("delivery failed by a fault of ours", message=work.message.message_id)
            session.abort()
            self._report(faulty(work, started_at, traceback.format_exc()))
            return False
        finally:
            self.slots.answered(run)
        now = self._now()
        if destination.route.gateway_id is not None:
            self.gateways.count(destination.route.gateway_id, results)
        if not is_down:
            destination.maximum = self.maximum_per_destination
            destination.learn(results, now=now)
            self._report(results)
            if destination.down is not None:
                self._repeat_for_others(destination)
            return False
        others = destination.busy - 1 + len(destination.idle)
        if others > 0 and destination.down is None:
            # Others get through: the server only wants fewer of us at once.
            destination.bear_only(others)
            self._put(destination, work)
            return True
        first = results[0]
        destination.went_down(first.outcome, first.peer, now=now)
        self._report(results)
        self._repeat_for_others(destination)
        return True

    def _repeat_for_others(self, destination: Destination) -> None:
        down = destination.down
        if down is not None:
            for other in self._pop_all(destination):
                self._report(repeated(other, down.outcome, down.peer))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
