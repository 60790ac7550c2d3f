"""Everything bound for other servers: which destination is served next, by which session."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable

import structlog

from clock.moments import to_micros, utc_now
from protocols.smtp.client import ChooseSasl
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from protocols.smtp.replies import Reply
from spool import throttleclaims
from spool.agents.remote import RemoteRoute, RemoteSession, RemoteSettings
from spool.destinations import Destination
from spool.work import NOBODY, Peer, Result, Work

log = structlog.get_logger(__name__)

IDLE_SECONDS = 5.0  # an open connection waits so long for another message
MESSAGES_IN_A_ROW = 20  # then another destination may have the slot
STOPPED = Reply(451, "4.3.2", "This server was stopped during the try")
MOST_DESTINATIONS = 5_000  # remembered, with those that are down
FAULT = Reply(451, "4.3.0", "Delivery failed here, for a reason of ours")

Report = Callable[[list[Result]], None]
ReadBody = Callable[[Work], AsyncIterator[bytes]]


class Outbound:
    """Queues, slots and sessions; each work that is added comes back as results exactly once."""

    def __init__(
        self,
        settings: RemoteSettings,
        *,
        report: Report,
        read_body: ReadBody,
        choose_sasl: Callable[[RemoteRoute], ChooseSasl | None],
    ) -> None:
        self.maximum = 50  # sessions that work at once (S-003); change at any time
        self.maximum_per_destination = 10  # S-002
        self.oldest_share_percent = 10  # of the slots, whatever the priority; 0: none (P-003)
        self.busy = 0
        self._settings = settings
        self._report = report
        self._read_body = read_body
        self._choose_sasl = choose_sasl
        self._destinations: dict[RemoteRoute, Destination] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wakers: dict[RemoteSession, asyncio.Future[Work | None]] = {}
        self._started = 0
        self._is_closing = False

    def add(self, route: RemoteRoute, work: Work) -> None:
        """Take work; `dispatch` starts it."""
        destination = self._destinations.get(route)
        if destination is None:
            self._forget_old_ones()
            destination = Destination(route, limit=self.maximum_per_destination)
            self._destinations[route] = destination
        down = destination.down
        if down is not None and not work.recipients[0].is_forced:
            if down.until > self._now():
                self._report(_repeated(work, down.outcome, down.peer))
                return
            if destination.busy:  # somebody is probing
                self._report(_repeated(work, down.outcome, down.peer))
                return
        destination.put(work)

    def dispatch(self) -> None:
        """Start sessions while there are slots and something waits for one."""
        while self.busy < self.maximum and not self._is_closing:
            destination = self._next_destination()
            if destination is None:
                return
            work = destination.pop()
            assert work is not None
            destination.busy += 1
            self.busy += 1
            if destination.idle:
                self._wakers.pop(destination.idle.pop()).set_result(work)
            else:
                task = asyncio.create_task(self._run_session(destination, work))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def full_destinations(self, *, limit: int) -> frozenset[str]:
        """The names for which more than `limit` recipients wait here already."""
        full = (each for each in self._destinations.values() if each.waiting_recipients > limit)
        return frozenset(name for destination in full for name in destination.names)

    def gateways_down(self) -> frozenset[int]:
        """Gateways that could not be reached a moment ago (G-006)."""
        now = self._now()
        return frozenset(
            route.gateway_id
            for route, destination in self._destinations.items()
            if route.gateway_id is not None
            and destination.down is not None
            and destination.down.until > now
        )

    async def drain(self, seconds: float) -> list[Work]:
        """Start nothing more, let what runs finish; what was not begun is given back."""
        self._is_closing = True
        left = [work for each in self._destinations.values() for work in each.pop_all()]
        for waker in self._wakers.values():
            if not waker.done():
                waker.set_result(None)
        if self._tasks:
            _, running = await asyncio.wait(self._tasks, timeout=seconds)
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return left

    def _forget_old_ones(self) -> None:
        """Destinations that were down and that nobody has written to since."""
        if len(self._destinations) < MOST_DESTINATIONS:
            return
        now = self._now()
        for route, destination in list(self._destinations.items()):
            if destination.down is not None and destination.down.until <= now:
                destination.down = None
            if destination.is_unused:
                del self._destinations[route]

    def _next_destination(self) -> Destination | None:
        ready = [each for each in self._destinations.values() if each.may_start]
        if not ready:
            return None
        self._started += 1
        share = self.oldest_share_percent
        if share and self._started % max(1, 100 // share) == 0:
            return min(ready, key=lambda destination: destination.age)
        return min(ready, key=lambda destination: destination.head or (True, 0, 0))

    async def _run_session(self, destination: Destination, first: Work) -> None:
        """Serve one destination until nothing has waited for it for a while."""
        session = RemoteSession(
            destination.route, self._settings, lambda: self._choose_sasl(destination.route)
        )
        work: Work | None = first
        in_a_row = 0
        try:
            while work is not None:
                is_down = await self._deliver(destination, session, work)
                in_a_row += 1
                work = None if is_down else self._take_next(destination, in_a_row)
                if work is None:
                    in_a_row = 0
                    self._free_slot(destination)
                    if not is_down and session.is_open and not self._is_closing:
                        work = await self._wait_for_work(destination, session)
            await session.close()
        except asyncio.CancelledError:
            session.abort()
            if work is not None:
                self._report(_broken_off(work))
            raise
        finally:
            if destination.is_unused:
                self._destinations.pop(destination.route, None)

    def _take_next(self, destination: Destination, in_a_row: int) -> Work | None:
        """More for the same destination, unless others have waited long enough for the slot."""
        if self._is_closing or destination.busy > destination.limit or self.busy > self.maximum:
            return None
        if in_a_row >= MESSAGES_IN_A_ROW and self.busy >= self.maximum:
            others = (each for each in self._destinations.values() if each is not destination)
            if any(each.may_start for each in others):
                return None
        return destination.pop()

    def _free_slot(self, destination: Destination) -> None:
        destination.busy -= 1
        self.busy -= 1
        self.dispatch()

    async def _wait_for_work(self, destination: Destination, session: RemoteSession) -> Work | None:
        waker: asyncio.Future[Work | None] = asyncio.get_running_loop().create_future()
        self._wakers[session] = waker
        destination.idle.append(session)
        self.dispatch()
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                return await asyncio.shield(waker)
        except TimeoutError:
            # Work may have come in the very moment of the time-out.
            return waker.result() if waker.done() else None
        finally:
            if session in destination.idle:
                destination.idle.remove(session)
            self._wakers.pop(session, None)

    async def _deliver(self, destination: Destination, session: RemoteSession, work: Work) -> bool:
        """True if this session must end because nobody there can be talked to."""
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
            self._report(_faulty(work, started_at, traceback.format_exc()))
            return False
        if not is_down:
            destination.went_well(limit=self.maximum_per_destination)
            self._report(results)
            return False
        others = destination.busy - 1 + len(destination.idle)
        if others > 0 and destination.down is None:
            # Others get through: the server only wants fewer of us at once.
            destination.limit = max(1, others)
            destination.put(work)
            return True
        first = results[0]
        destination.went_down(first.outcome, first.peer, now=self._now())
        self._report(results)
        for other in destination.pop_all():
            self._report(_repeated(other, first.outcome, first.peer))
        return True

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _repeated(work: Work, outcome: Outcome, peer: Peer) -> list[Result]:
    """The words of the last try to reach a destination, for mail that came after it."""
    now = to_micros(utc_now())
    return [Result(recipient, outcome, now, now, peer) for recipient in work.recipients]


def _broken_off(work: Work) -> list[Result]:
    """What the other side got by then is not known: it may get the message again."""
    outcome = Outcome(Verdict.DEFERRED, STOPPED, Stage.END_OF_DATA, by_peer=False)
    now = to_micros(utc_now())
    return [Result(recipient, outcome, now, now) for recipient in work.recipients]


def _faulty(work: Work, started_at: int, words: str) -> list[Result]:
    outcome = Outcome(Verdict.DEFERRED, FAULT, Stage.CONNECT, by_peer=False)
    now = to_micros(utc_now())
    return [
        Result(recipient, outcome, started_at, now, NOBODY, traceback=words)
        for recipient in work.recipients
    ]
