"""From results to rows: settles them, tells senders, and commits in batches."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from blobs.committer import Committer
from clock.moments import from_micros, to_micros, utc_now
from domains import directory as domain_directory
from domains.directory import Cold
from protocols.smtp.outgoing import Verdict
from spool import bounce, decisions, deliverylog, schedule, settings
from spool.decisions import Settled
from spool.lists import returns
from spool.models import Route, State
from spool.schedule import RetryPolicy
from spool.settlement import ClaimLost, Settlement
from spool.work import ClaimedRecipient, Result

log = structlog.get_logger(__name__)

# S-065: results of one message that come within this time share a report.
GROUPING_SECONDS = 20.0
GATHER_SECONDS = 0.01  # a commit costs much more than what it carries
PAUSE_SECONDS = 5.0  # after the database or the disk refused

Ask = Callable[..., Awaitable[Any]]


@dataclass(slots=True)
class _Pending:
    """Ends of one message that its sender is to be told of together."""

    since: float
    settled: list[Settled] = field(default_factory=list)


class Recorder:
    """The only one who writes what agents bring (law 3)."""

    def __init__(
        self, committer: Committer, *, owner: int, ask: Ask, done: Callable[[int], None]
    ) -> None:
        """`done` is told how many recipients have just been written."""
        self._committer = committer
        self._owner = owner
        self._ask = ask
        self._done = done
        self._claimed: dict[int, ClaimedRecipient] = {}
        self._in_work: Counter[int] = Counter()  # by message: recipients without a result
        self._results: list[Result] = []
        self._pending: dict[int, _Pending] = {}
        self._has_results = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    @property
    def count(self) -> int:
        """Recipients claimed and not yet written."""
        return len(self._claimed)

    @property
    def claimed_ids(self) -> list[int]:
        return list(self._claimed)

    def expect(self, recipients: list[ClaimedRecipient]) -> None:
        """These have been claimed: each will come back to `record`, or to `forget`."""
        for recipient in recipients:
            self._claimed[recipient.recipient_id] = recipient
            self._in_work[recipient.message.message_id] += 1
        if recipients:
            self._is_empty.clear()

    def record(self, results: list[Result]) -> None:
        self._results += results
        for result in results:
            deliverylog.tried(result)
            self._one_less(result.recipient.message.message_id)
        self._has_results.set()

    def forget(self, recipients: list[ClaimedRecipient]) -> None:
        """Given back untried, or written elsewhere."""
        for recipient in recipients:
            self._one_less(recipient.message.message_id)
        self._release([recipient.recipient_id for recipient in recipients])

    async def run(self) -> None:
        """Write what comes in; while one batch is being written the next one collects."""
        while True:
            try:
                async with asyncio.timeout(self._seconds_to_next_report()):
                    await self._has_results.wait()
                    await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                pass
            self._has_results.clear()
            results, self._results = self._results, []
            try:
                await self._write(results)
            except Exception:
                # The claims hold meanwhile; the other side's answers are still in memory.
                log.exception("results could not be written; tried again", count=len(results))
                self._results = results + self._results
                self._has_results.set()
                await asyncio.sleep(PAUSE_SECONDS)

    async def drained(self) -> None:
        """Until everything expected has been written."""
        for pending in self._pending.values():
            pending.since = 0.0
        self._has_results.set()
        await self._is_empty.wait()

    async def _write(self, results: list[Result]) -> None:
        now = to_micros(utc_now())
        try:
            settled, notices = self._settle(results, cached_only=True)
        except Cold:
            settled, notices = await self._ask(self._settle, results, cached_only=False)
        plain: list[Settled] = []
        for one in settled:
            if bounce.needs_thought(one):
                message_id = one.result.recipient.message.message_id
                since = asyncio.get_running_loop().time()
                self._pending.setdefault(message_id, _Pending(since)).settled.append(one)
            else:
                plain.append(one)
        if plain:
            job = Settlement(owner=self._owner, now=now, settled=plain, notices=notices)
            try:
                await self._committer.commit(job)
            except BaseException:
                self._take_back(settled)
                raise
            self._release([one.result.recipient.recipient_id for one in plain])
            if returned := [one for one in plain if returns.has_come_back(one)]:
                await self._ask(returns.count, returned, from_micros(now))
        await self._write_reports()

    def _take_back(self, settled: list[Settled]) -> None:
        """All of the batch is to be written again: nothing of it waits for a report now."""
        mine = {one.result.recipient.recipient_id for one in settled}
        for message_id, pending in list(self._pending.items()):
            pending.settled = [
                one for one in pending.settled if one.result.recipient.recipient_id not in mine
            ]
            if not pending.settled:
                del self._pending[message_id]

    def _settle(
        self, results: list[Result], *, cached_only: bool
    ) -> tuple[list[Settled], dict[int, int]]:
        """What follows from the results, and when senders are to be told of delays."""
        policy = settings.current(cached_only=cached_only).retries
        settled = []
        for result in results:
            recipient = result.recipient
            is_remote = recipient.route == Route.REMOTE
            # P-004: where an alias leads out, its domain causes the delivery, not the writer's.
            domain_id = recipient.ledger_domain_id if is_remote else recipient.message.domain_id
            rules = None
            if result.verdict is Verdict.DEFERRED and domain_id is not None:
                domain = domain_directory.policy(domain_id, cached_only=cached_only)
                rules = domain.priority if domain else None
            settled.append(
                decisions.settle(result, policy=policy, rules=rules, randomness=random.random())
            )
        return settled, _notices(settled, policy)

    async def _write_reports(self) -> None:
        now = asyncio.get_running_loop().time()
        for message_id, pending in list(self._pending.items()):
            if self._in_work[message_id] and now < pending.since + GROUPING_SECONDS:
                continue
            try:
                await self._write_report(pending.settled)
            except Exception:
                log.exception("report could not be written; tried again", message=message_id)
                pending.since = now + PAUSE_SECONDS - GROUPING_SECONDS
                continue
            del self._pending[message_id]

    async def _write_report(self, settled: list[Settled]) -> None:
        report = await self._ask(bounce.make_report, settled)
        job = Settlement(
            owner=self._owner,
            now=to_micros(utc_now()),
            settled=settled,
            entries=report.entries,
            report=report.acceptance,
            records=report.records,
        )
        try:
            await self._committer.commit(job)
        except ClaimLost:
            log.warning("claims were lost before their report", count=len(settled))
        self._release([one.result.recipient.recipient_id for one in settled])

    def _seconds_to_next_report(self) -> float | None:
        if not self._pending:
            return None
        first = min(pending.since for pending in self._pending.values())
        now = asyncio.get_running_loop().time()
        return max(0.05, first + GROUPING_SECONDS - now)

    def _one_less(self, message_id: int) -> None:
        self._in_work[message_id] -= 1
        if self._in_work[message_id] <= 0:
            del self._in_work[message_id]

    def _release(self, recipient_ids: list[int]) -> None:
        for recipient_id in recipient_ids:
            self._claimed.pop(recipient_id, None)
        if not self._claimed:
            self._is_empty.set()
        self._done(len(recipient_ids))


def _notices(settled: list[Settled], policy: RetryPolicy) -> dict[int, int]:
    """When senders of mail deferred for the first time are to be told, if it takes so long."""
    notices: dict[int, int] = {}
    for one in settled:
        recipient = one.result.recipient
        if not one.result.is_try or one.state != State.RETRYING or recipient.attempts != 1:
            continue
        at = schedule.delay_notice_at(
            accepted_at=from_micros(recipient.message.accepted_at),
            sender=recipient.message.sender,
            wants_notice=not recipient.notify or "DELAY" in recipient.notify,
            policy=policy,
        )
        if at is not None:
            notices[recipient.message.message_id] = max(to_micros(at), one.result.finished_at)
    return notices
