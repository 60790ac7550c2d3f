"""Starts and stops the services of this process as the operator wishes, and reports how they stand.

What is wished is a row (M-001); a note makes every process look at once, a timer in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from blobs.committer import process_committer
from clock.moments import utc_now
from listeners import bridge
from listeners.base import Listener
from listeners.probe import probe
from operations import services, servicestate
from operations.models import ActualState, Service
from operations.servicestate import SPOOL_PATIENCE, Report, TellReports, Wish
from retrieval.manager import RetrievalManager
from retrieval.models import Kind as RetrievalKind
from spool.manager import Manager
from switchboard.subscribe import Switchboard
from switchboard.topics import Topic

log = structlog.get_logger(__name__)

LOOK_SECONDS = 15.0
TELL_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0
PROBE_SECONDS = 10.0
WARN_AGAIN = timedelta(hours=1)

NO_CERTIFICATE = "no TLS certificate: endpoints with TLS cannot be opened"


class ServedListener:
    """One listener as a service."""

    def __init__(self, listener: Listener, bind: Callable[[Listener], Awaitable[None]]) -> None:
        self.service = listener.name
        self.wish = Wish()
        self._listener = listener
        self._bind = bind
        self._entered = 0
        self._probe_reason = ""
        self._is_bound = False

    async def start(self) -> None:
        self._listener.reopen()
        await self._bind(self._listener)
        self._is_bound = True

    async def stop(self, seconds: float) -> None:
        await self._listener.retire(seconds)

    async def look(self) -> None:
        """Ask itself, unless somebody has come in meanwhile: then it answers."""
        if not self.wish.is_wanted or not self._listener.endpoints:
            self._probe_reason = ""
            return
        has_visits = self._listener.entered > self._entered
        self._probe_reason = "" if has_visits else await probe(self._listener)
        self._entered = self._listener.entered

    def report(self) -> Report:
        state, reason = self._state()
        sessions = sum(not visit.is_probe for visit in self._listener.visits)
        return Report(self.service, state, self.wish, reason, sessions)

    def _state(self) -> tuple[ActualState, str]:
        listener = self._listener
        if not self.wish.is_wanted:
            is_draining = bool(listener.visits)
            return (ActualState.DRAINING if is_draining else ActualState.STOPPED), ""
        if listener.failures:
            return ActualState.FAILING, "; ".join(
                f"{each.ip}:{each.port}: {why}" for each, why in sorted(listener.failures.items())
            )
        if not self._is_bound:
            return ActualState.STARTING, ""
        if not listener.certificates.is_available and any(e.is_tls for e in listener.endpoints):
            return ActualState.FAILING, NO_CERTIFICATE
        if self._probe_reason:
            return ActualState.FAILING, self._probe_reason
        return ActualState.RUNNING, ""


class ServedSpool:
    """The spool's manager as a service (M-017)."""

    service = Service.SPOOL.value

    def __init__(self, manager: Manager) -> None:
        self.wish = Wish()
        self._manager = manager
        self._is_pausing = False

    async def start(self) -> None:
        self._manager.resume()

    async def stop(self, seconds: float) -> None:
        self._is_pausing = True
        try:
            await self._manager.pause(seconds)
        finally:
            self._is_pausing = False

    async def look(self) -> None:
        """It reports from the same loop: that it does is the proof."""

    def report(self) -> Report:
        if self.wish.is_wanted:
            state = ActualState.RUNNING
        else:
            state = ActualState.DRAINING if self._is_pausing else ActualState.STOPPED
        return Report(self.service, state, self.wish, "", self._manager.busy)


class ServedRetrieval:
    """Fetching by one protocol as a service (M-015, M-016)."""

    def __init__(self, manager: RetrievalManager, kind: RetrievalKind) -> None:
        self.service = RETRIEVALS[kind].value
        self.wish = Wish()
        self._manager = manager
        self._kind = kind

    async def start(self) -> None:
        self._manager.resume(self._kind)

    async def stop(self, seconds: float) -> None:
        """The accounts under way are fetched to their end; none is begun."""
        await self._manager.pause(self._kind, seconds)

    async def look(self) -> None:
        """It reports from the same loop: that it does is the proof."""

    def report(self) -> Report:
        busy, reason = self._manager.busy(self._kind), ""
        if not self.wish.is_wanted:
            state = ActualState.DRAINING if busy else ActualState.STOPPED
        elif self._manager.obstacle:
            state, reason = ActualState.FAILING, self._manager.obstacle
        else:
            state = ActualState.RUNNING
        return Report(self.service, state, self.wish, reason, busy)


RETRIEVALS = {
    RetrievalKind.POP3: Service.POP_RETRIEVAL,
    RetrievalKind.IMAP: Service.IMAP_RETRIEVAL,
}

Served = ServedListener | ServedSpool | ServedRetrieval


class Servicing:
    """Of one process. `begin` before it is told ready, then `run`."""

    def __init__(self, board: Switchboard, served: Sequence[Served], process_id: int) -> None:
        self._served = served
        self._process_id = process_id
        self._stopping: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._told: list[Report] = []
        self._told_at = 0.0
        self._warned_at: datetime | None = None
        board.subscribe(Topic.SERVICES, None, lambda _: self._note())

    async def begin(self) -> None:
        """Start what is wanted; what is not stays as it was made, without work.

        How they stand is reported when this returns: who switches a service of a server that says
        it is ready must not be told that no process of it is running.
        """
        wishes = await self._wishes()
        for one in self._served:
            one.wish = wishes[one.service]
            if one.wish.is_wanted:
                await one.start()
            else:
                self._stop(one, 0.0)
        await self._tell_changes()

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.gather(self._follow(), self._report_for_ever(), self._look_for_ever())

    def _note(self) -> None:
        services.forget()
        self._changed.set()

    async def _wishes(self) -> dict[str, Wish]:
        return await bridge.ask(servicestate.wishes_on, settings.MAILHOST_NODE)

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self._reconcile(await self._wishes())
                await self._warn_of_stopped_spool()
            except Exception:
                log.exception("services could not be started or stopped; tried again soon")

    async def _reconcile(self, wishes: Mapping[str, Wish]) -> None:
        for one in self._served:
            before, wish = one.wish, wishes[one.service]
            if wish == before:
                continue
            if wish.is_wanted:
                log.info("service starts", service=one.service)
                await self._cancel_stop(one)
                await one.start()
                one.wish = wish
            else:
                one.wish = wish
                if before.is_wanted:
                    log.info("service stops", service=one.service)
                    limit = (await bridge.ask(services.LISTENERS.read)).stop_seconds
                    self._stop(one, float(limit))

    def _stop(self, one: Served, seconds: float) -> None:
        task = asyncio.create_task(self._stop_and_say(one, seconds))
        self._stopping[one.service] = task

    async def _stop_and_say(self, one: Served, seconds: float) -> None:
        try:
            await one.stop(seconds)
        except Exception:
            log.exception("service did not stop in good order", service=one.service)
        else:
            log.info("service stopped", service=one.service)

    async def _cancel_stop(self, one: Served) -> None:
        """Started again before its sessions were gone: those that were told to leave, leave."""
        task = self._stopping.pop(one.service, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _report_for_ever(self) -> None:
        while True:
            await self._tell_changes()
            await asyncio.sleep(TELL_SECONDS)

    async def _tell_changes(self) -> None:
        """Report what is new, and that this process lives."""
        reports = [one.report() for one in self._served]
        states = [replace(report, sessions=0) for report in reports]
        now = time.monotonic()
        if states == self._told and now - self._told_at <= HEARTBEAT_SECONDS:
            return
        try:
            await process_committer().commit(
                TellReports(process_id=self._process_id, now=utc_now(), reports=reports)
            )
            self._told, self._told_at = states, now
        except Exception:
            log.exception("services could not be reported; tried again soon")

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            for one in self._served:
                await one.look()

    async def _warn_of_stopped_spool(self) -> None:
        """M-017: after ten minutes, and each hour again."""
        now = utc_now()
        node = settings.MAILHOST_NODE
        since = await bridge.ask(servicestate.stopped_since, Service.SPOOL.value, node)
        if since is None or now - since < SPOOL_PATIENCE:
            return
        if self._warned_at is None or now - self._warned_at >= WARN_AGAIN:
            self._warned_at = now
            log.warning("spool is stopped: no mail is delivered", since=since.isoformat())
