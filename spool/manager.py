"""Claims what is due, runs an agent on it, and has the results recorded (S-001…S-004, S-059)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

import structlog
from django.conf import settings as conf
from django.db import DatabaseError, connection

from blobs import connections
from blobs.committer import Committer, process_committer
from blobs.ids import new_id
from blobs.store import read_body
from clock.moments import to_micros, utc_now
from domains.directory import Cold
from operations.nameservers import name_servers
from spool import (
    gatewaychoice,
    gatewayhealth,
    load,
    notices,
    planning,
    relaydomains,
    settings,
    singly,
    spamwarnings,
    throttled,
    throttlewarnings,
)
from spool.agents.remote import RemoteSettings
from spool.agents.tls import AskDemand, demand_of_route
from spool.claims import ClaimDue, ReleaseClaims, RenewClaims, Rounds
from spool.keeping import Keeping
from spool.lists.authors import Authors
from spool.lists.deliveries import ListDeliveries
from spool.lists.distribution import Distributor
from spool.localdelivery import LocalDeliveries
from spool.ourselves import recognise_ourselves
from spool.outbound import Outbound
from spool.presence import Presence
from spool.recording import Recorder
from spool.recovery import OwnerLock, recover_claims
from spool.resolver import Resolver
from spool.settings import SpoolPolicy
from spool.settlement import ClaimLost
from spool.work import Claim, ClaimedRecipient, Result, Work
from switchboard.subscribe import Switchboard, Unsubscribe
from switchboard.topics import Topic

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

IN_HAND = 2000  # recipients claimed at once; the others stay where every process sees them
CLAIM_AT_ONCE = 250
# A destination may have so many recipients waiting in hand; the second half of what is in hand
# is for those that have few, so that some slow destinations do not crowd out the others.
WAITING_PER_DESTINATION = (300, 20)
WAITING_PER_DOMAIN = IN_HAND // 2  # so that there is always room for the other senders
LOOK_SECONDS = 5.0  # a lost hint costs at most this
RENEW_SECONDS = 240.0
NOTICE_SECONDS = 30.0
REOPEN_SECONDS = 10.0  # until what a raised limit lets go is looked for
KEEP_SECONDS = 1.0  # the page, and deletions that can be undone no more
LARGE_SECONDS = 15.0
MEASURE_SECONDS = 60.0
RULES_SECONDS = 20.0
QUARANTINE_SECONDS = 20.0
MODERATORS_SECONDS = 10.0
# One claim after the other at the soonest: it costs much more than what it takes, and what comes
# in meanwhile shares the next one. After a quiet moment mail is claimed at once.
CLAIM_EVERY_SECONDS = 0.05
WRITE_SECONDS = 1.0  # of the time to stop in are kept for writing down the last results
PAUSE_SECONDS = 2.0  # after the database refused
CHUNK_BYTES = 256 * 1024
THREADS = 4
WALK_SECONDS = 0.2  # between steps of a walk that found nothing
HIDDEN_SECONDS = 0.5  # until another look where full destinations hide all that is due
MICROSECOND = 1e-6


class Manager:
    """The spool's side of one mail process."""

    def __init__(
        self,
        board: Switchboard,
        *,
        remote: RemoteSettings | None = None,
        resolver: Resolver | None = None,
        ask_demand: AskDemand = demand_of_route,
    ) -> None:
        """`remote` None: as the settings of the installation say, and `ask_demand`.

        `resolver` is the process's own, which outlives the manager; None: one for the manager.
        """
        self._board = board
        self._owner = new_id()
        self._committer: Committer = process_committer()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="spool")
        self._remote = remote or RemoteSettings(
            helo=conf.MAILHOST_HOSTNAME,
            resolver=resolver or Resolver(conf.MAILHOST_DNS_SERVERS),
            ourselves=recognise_ourselves(),
            ask_demand=ask_demand,
        )
        self._closes_resolver = resolver is None
        self._outbound = Outbound(
            self._remote,
            report=self._report,
            read_body=self._read_large,
            choose_sasl=lambda route: planning.sasl_for(route, self._gateways),
            give_back=self._give_works_back,
        )
        self._recorder = Recorder(
            self._committer, owner=self._owner, ask=self._ask, done=self._room_made
        )
        self._gateways: Sequence[gatewaychoice.GatewayPolicy] = ()
        self._loads = gatewaychoice.Loads()
        self._local = LocalDeliveries(
            self._committer, self._recorder, owner=self._owner, ask=self._ask, policy=self._policy
        )
        self._lists = ListDeliveries(
            self._committer,
            self._recorder,
            Authors(self._remote.resolver),
            owner=self._owner,
            ask=self._ask,
        )
        self._distributor = Distributor(board, self._committer, self._ask)
        self._wake = asyncio.Event()
        self._has_occurred = asyncio.Event()
        self._room = asyncio.Event()
        self._rounds = Rounds()
        self._hidden_by: frozenset[str] = frozenset()  # full destinations that claims wait for
        self._full_limit = WAITING_PER_DESTINATION[0]
        self._lock: OwnerLock | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._claiming: asyncio.Task[None]
        self._unsubscribe: list[Unsubscribe] = []
        self._is_stopping = False
        self._is_paused = False

    async def start(self, *, is_paused: bool = False) -> None:
        """Give back what a dead process held, then begin to work; if paused, with `resume`."""
        self._is_paused = self._distributor.is_paused = is_paused
        self._lock = OwnerLock(self._owner)
        recovered = await self._ask(recover_claims)
        if recovered:
            log.warning("claims of a dead process were given back", recipients=recovered)
        self._unsubscribe = [
            self._board.subscribe(Topic.SPOOL, None, lambda _notes: self._wake.set()),
            self._board.subscribe(Topic.EVENTS, None, lambda _notes: self._has_occurred.set()),
            self._board.subscribe(Topic.BLOCKS, None, lambda _notes: self._has_occurred.set()),
            self._board.subscribe(Topic.ROUTES, None, lambda _notes: self._routes_changed()),
        ]
        self._begin(self._recorder.run())
        self._claiming = self._begin(self._claim_for_ever())
        self._begin(self._distributor.run())
        self._begin(self._now_and_then(RENEW_SECONDS, self._renew))
        self._begin(self._now_and_then(NOTICE_SECONDS, self._send_notices))
        self._begin(self._now_and_then(REOPEN_SECONDS, self._reopen))
        self._begin(self._warn_for_ever())
        presence = Presence(
            self._outbound, self._local, lambda: self._gateways, owner=self._owner, ask=self._ask
        )
        self._begin(self._now_and_then(gatewayhealth.WRITE_SECONDS, presence.write_gateway_health))
        self._begin(self._now_and_then(load.WRITE_SECONDS, presence.write_load))
        keeping = Keeping(self._committer, self._ask)
        self._begin(self._now_and_then(KEEP_SECONDS, keeping.list_waiting))
        self._begin(self._now_and_then(KEEP_SECONDS, keeping.finish_changes))
        self._begin(self._now_and_then(LARGE_SECONDS, keeping.refresh_large))
        self._begin(self._now_and_then(RULES_SECONDS, keeping.keep_rules))
        self._begin(self._now_and_then(QUARANTINE_SECONDS, keeping.empty_quarantine))
        self._begin(self._now_and_then(MEASURE_SECONDS, keeping.measure))
        self._begin(self._now_and_then(MODERATORS_SECONDS, keeping.tell_moderators))

    async def stop(self, seconds: float) -> None:
        """Finish what is under way within `seconds`; give back what was not begun."""
        self._is_stopping = True
        self._distributor.is_paused = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._wake.set()
        self._room.set()
        ends_at = asyncio.get_running_loop().time() + seconds
        left = await self._outbound.drain(max(seconds - WRITE_SECONDS, 0.1))
        await self._give_back([one for work in left for one in work.recipients])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(ends_at):
                await asyncio.wait([self._claiming])  # what it has just claimed is given back
                await self._local.under_way.ended()
                await self._lists.under_way.ended()
                await self._distributor.paused()
                await self._recorder.drained()
        await self._local.under_way.break_off()
        await self._lists.under_way.break_off()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._closes_resolver:
            await self._remote.resolver.close()
        with contextlib.suppress(DatabaseError):  # it is taken for gone soon in any case
            await self._ask(load.forget, process_id=self._owner)
        if self._lock is not None:
            self._lock.release()
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    async def pause(self, seconds: float) -> None:
        """Take nothing new; returns when what is under way has ended, or is broken off (M-017)."""
        self._is_paused = self._distributor.is_paused = True
        self._wake.set()
        self._room.set()
        left = self._outbound.take_back()
        await self._give_back([one for work in left for one in work.recipients])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._recorder.drained()
        if self._recorder.count:
            self._outbound.break_off()

    def resume(self) -> None:
        """Go on claiming after a pause."""
        self._is_paused = self._distributor.is_paused = False
        self._wake.set()

    @property
    def busy(self) -> int:
        """Sessions to other servers that work at this moment (S-003)."""
        return self._outbound.slots.busy

    # --- claiming ---

    async def _claim_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._is_stopping:
            began_at = loop.time()
            self._wake.clear()
            if self._is_paused:
                await self._wake.wait()
                continue
            try:
                wait_seconds = await self._claim_once()
            except Exception:
                log.exception("claiming failed; tried again soon")
                wait_seconds = PAUSE_SECONDS
            if wait_seconds > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_seconds):
                        await self._wake.wait()
                await asyncio.sleep(began_at + CLAIM_EVERY_SECONDS - loop.time())

    async def _claim_once(self) -> float:
        """Claim and start; the seconds until it is worth looking again."""
        room = IN_HAND - self._recorder.count
        if room < CLAIM_AT_ONCE:
            self._room.clear()
            await self._room.wait()
            return 0.0
        policy = await self._policy()
        self._obey(policy)
        await self._obey_routes()
        now = to_micros(utc_now())
        self._full_limit = WAITING_PER_DESTINATION[self._recorder.count >= IN_HAND // 2]
        full = self._outbound.full_destinations(limit=self._full_limit)
        job = ClaimDue(
            owner=self._owner,
            now=now,
            limit=CLAIM_AT_ONCE,
            oldest_share=policy.oldest_share_percent / 100,
            recipients_per_transaction=policy.recipients_per_transaction,
            full_destinations=full,
            full_domains=self._outbound.full_domains(limit=WAITING_PER_DOMAIN),
            rounds=self._rounds,
        )
        self._hidden_by = frozenset()
        claim: Claim = await self._committer.commit(job)
        if self._is_paused or self._is_stopping:
            self._recorder.expect(claim.recipients)
            await self._give_back(claim.recipients)
            return 0.0
        if claim.recipients:
            self._recorder.expect(claim.recipients)
            await self._start_work(claim.recipients, policy)
        if claim.is_blocked or len(claim.recipients) + claim.held >= CLAIM_AT_ONCE:
            return 0.0
        if self._rounds.destination is not None:
            return WALK_SECONDS
        if claim.next_due_at is None:
            return LOOK_SECONDS
        if full and claim.next_due_at <= now:
            # All that is due waits for full destinations: until one of them has room.
            self._hidden_by = full
            return HIDDEN_SECONDS
        return min(max((claim.next_due_at - now) * MICROSECOND, CLAIM_EVERY_SECONDS), LOOK_SECONDS)

    async def _start_work(self, recipients: list[ClaimedRecipient], policy: SpoolPolicy) -> None:
        self._loads.queued = self._outbound.gateway_queues()
        try:
            plan = await self._ask(
                planning.make_plan,
                recipients,
                recipients_per_transaction=policy.recipients_per_transaction,
                gateways_down=self._outbound.gateways_down(),
                loads=self._loads,
            )
        except BaseException:
            await self._give_back(recipients)
            raise
        if plan.results:
            self._report(plan.results)
        if self._is_paused or self._is_stopping:  # since it was claimed
            left = [one for _, work in plan.remote for one in work.recipients]
            await self._give_back(left + plan.local + plan.lists)
            return
        for route, work in plan.remote:
            self._outbound.add(route, work)
        self._outbound.dispatch()
        for recipient in plan.local:
            self._local.add(recipient)
        for recipient in plan.lists:
            self._lists.add(recipient)

    def _obey(self, policy: SpoolPolicy) -> None:
        """S-003: a changed number acts at once; a lower one lets what runs finish."""
        self._outbound.slots.maximum = policy.maximum_remote_deliveries
        self._outbound.maximum_per_destination = policy.connections_per_destination
        self._outbound.oldest_share_percent = policy.oldest_share_percent
        self._local.obey(policy.maximum_local_deliveries)

    def _routes_changed(self) -> None:
        gatewaychoice.forget()
        relaydomains.forget()
        singly.forget()
        self._wake.set()

    async def _obey_routes(self) -> None:
        """A gateway that was changed or deleted: what waits for it takes its way anew (G-001)."""
        try:
            gateways = gatewaychoice.current(cached_only=True)
            servers = name_servers(cached_only=True)
        except Cold:
            gateways = await self._ask(gatewaychoice.current)
            servers = await self._ask(name_servers)
        if gateways is not self._gateways and gateways != self._gateways:
            unchanged = {one.gateway_id for one in self._gateways if one in gateways}
            self._gateways = gateways
            self._outbound.keep_gateways(unchanged)
        self._remote.resolver.use(servers)

    # --- the rest ---

    def _report(self, results: list[Result]) -> None:
        self._recorder.record(results)

    def _room_made(self, count: int) -> None:
        if count and IN_HAND - self._recorder.count >= CLAIM_AT_ONCE and not self._room.is_set():
            self._room.set()
        if self._hidden_by:
            half_full = self._outbound.full_destinations(limit=self._full_limit // 2)
            if not self._hidden_by <= half_full:
                self._hidden_by = frozenset()
                self._wake.set()

    async def _read_large(self, work: Work) -> AsyncIterator[bytes]:
        location = work.message.location
        assert location is not None
        for start in range(0, location.size_bytes, CHUNK_BYTES):
            yield await self._ask(read_body, location, start, start + CHUNK_BYTES)

    async def _give_back(self, recipients: list[ClaimedRecipient]) -> None:
        ids = [recipient.recipient_id for recipient in recipients]
        if ids:
            now = to_micros(utc_now())
            await self._committer.commit(
                ReleaseClaims(owner=self._owner, now=now, recipient_ids=ids)
            )
            self._recorder.forget(recipients)

    def _give_works_back(self, works: list[Work]) -> None:
        recipients = [recipient for work in works for recipient in work.recipients]
        if recipients:
            self._begin(self._give_back_for_sure(recipients))

    async def _give_back_for_sure(self, recipients: list[ClaimedRecipient]) -> None:
        while True:
            try:
                await self._give_back(recipients)
            except Exception:
                log.exception("claims could not be given back; tried again soon")
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    async def _renew(self) -> None:
        ids = self._recorder.claimed_ids
        if ids:
            now = to_micros(utc_now())
            await self._committer.commit(RenewClaims(owner=self._owner, now=now, recipient_ids=ids))

    async def _send_notices(self) -> None:
        for message_id in await self._ask(_with_cursor, notices.due, now=to_micros(utc_now())):
            job = await self._ask(_with_cursor, notices.prepare, message_id)
            with contextlib.suppress(ClaimLost):
                await self._committer.commit(job)

    async def _reopen(self) -> None:
        await self._ask(throttled.reopen, utc_now())

    async def _warn_for_ever(self) -> None:
        """At once after it has happened, and now and then for what was missed (T-014, M-065)."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOTICE_SECONDS):
                    await self._has_occurred.wait()
            self._has_occurred.clear()
            try:
                await self._ask(throttlewarnings.send_due, utc_now())
                await self._ask(spamwarnings.send_due, utc_now())
            except Exception:
                log.exception("warnings to administrators failed; tried again")

    async def _policy(self) -> SpoolPolicy:
        try:
            return settings.current(cached_only=True)
        except Cold:
            return await self._ask(settings.current)

    async def _now_and_then(
        self, seconds: float, act: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await act()
            except Exception:
                log.exception("the spool's housekeeping failed; tried again")

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a plain function in a thread of the spool's own."""
        call = partial(_with_connections, partial(function, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _with_connections(function: Callable[[], T]) -> T:
    connections.renew()
    try:
        return function()
    finally:
        connections.renew()


def _with_cursor(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    with connection.cursor() as cursor:
        return function(cursor, *args, **kwargs)
