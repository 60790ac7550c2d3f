"""The asyncio process of the server: all listeners and the spool's manager, or some of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog
from django.conf import settings

from blobs.committer import process_committer
from clock.moments import utc_now
from listeners import bridge, endpoints, sharedlimits, traffic
from listeners.base import Listener
from listeners.context import Context
from listeners.guarding import Guardian
from listeners.imap.server import make_listener as make_imap_listener
from listeners.ldap.server import make_listener as make_ldap_listener
from listeners.policies import forget_when_told
from listeners.pop3.server import make_listener as make_pop3_listener
from listeners.processors import Companions
from listeners.readiness import Listening, give_back_memory, tell_ready, tell_stopping
from listeners.registry import Registry
from listeners.servicing import (
    Served,
    ServedListener,
    ServedRetrieval,
    ServedSpool,
    Servicing,
)
from listeners.sessions import end_forbidden_sessions
from listeners.smtp.server import make_listener as make_smtp_listener
from listeners.tls import Certificates
from mailboxes import quota
from mailboxes.settler import Settler
from operations import lostaddresses
from operations.guard import Guard
from operations.nameservers import name_servers
from retrieval.manager import RetrievalManager
from retrieval.models import Kind as RetrievalKind
from spool import maintenance, spacewarnings
from spool.manager import Manager
from spool.resolver import Resolver
from switchboard.subscribe import Switchboard
from transport.office import TransportOffice

log = structlog.get_logger(__name__)

MAKE_LISTENER: dict[str, Callable[[Context], Listener]] = {
    "smtp": make_smtp_listener,
    "imap": make_imap_listener,
    "pop": make_pop3_listener,
    "ldap": make_ldap_listener,
}
PARTS = frozenset({*MAKE_LISTENER, "spool", "retrieval"})
# Endpoints follow the domains' settings at once by note, and by this timer in any case.
REBIND_SECONDS = 15.0
# While a port that should be open is not, or an address of a domain is gone.
TRY_AGAIN_SECONDS = 2.0
# Each time every domain with new mail costs a sync, however much it is.
SETTLE_SECONDS = 5.0
HOUSEKEEPING_SECONDS = 60.0
SPACE_SECONDS = 2.0


async def run(parts: frozenset[str], stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then drain within MAILHOST_DRAIN_SECONDS."""
    process = MailProcess(parts)
    await process.start()
    try:
        await stop.wait()
    finally:
        tell_stopping()
        await process.drain()


class MailProcess:
    """What runs in one mail process, from its start to its drain."""

    def __init__(self, parts: frozenset[str]) -> None:
        self._parts = parts
        self._board = Switchboard()
        self._certificates = Certificates(
            settings.MAILHOST_CERTIFICATES, settings.MAILHOST_HOSTNAME
        )
        self._resolver = Resolver(settings.MAILHOST_DNS_SERVERS)
        self._listeners: list[Listener] = []
        self._manager: Manager | None = None
        self._transport: TransportOffice | None = None
        self._retrieval: RetrievalManager | None = None
        self._registry: Registry | None = None
        self._lost_addresses: frozenset[str] = frozenset()  # of domains (D-033)
        self._policies_changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """What can be bound is bound, and told ready, when this returns."""
        await self._board.start()
        forget_when_told(self._board, changed=self._policies_changed.set)
        self._resolver.use(await bridge.ask(name_servers))
        self._certificates.make_default(settings.MAILHOST_HOSTNAME, now=utc_now())
        self._certificates.reload()
        guard = Guard()
        context = Context(
            self._board,
            self._certificates,
            shares_ports=settings.MAILHOST_MAIL_PROCESSES > 1,
            resolver=self._resolver,
            guard=guard,
        )
        self._listeners = [
            make(context) for name, make in MAKE_LISTENER.items() if name in self._parts
        ]
        if "spool" in self._parts:
            self._transport = TransportOffice(self._resolver, bridge.ask)
            self._transport.use(await bridge.ask(name_servers))
            self._transport.start()
            self._manager = Manager(
                self._board, resolver=self._resolver, ask_demand=self._transport.ask_demand
            )
            # Whether it may deliver is a wish, which its service follows.
            await self._manager.start(is_paused=True)
            self._tasks.append(asyncio.create_task(_settle_now_and_then()))
            self._tasks.append(asyncio.create_task(_keep_house()))
        if "retrieval" in self._parts:
            self._retrieval = RetrievalManager(self._board)
            self._retrieval.start()
        self._tasks.append(asyncio.create_task(_warn_of_space()))
        guardian = Guardian(self._board, guard, self._listeners)
        await guardian.load()
        registry = Registry(self._board, self._listeners)
        await registry.enter()
        self._registry = registry
        self._servicing = Servicing(self._board, self._served(), registry.process_id)
        await self._servicing.begin()
        for work in (registry, guardian, self._servicing):
            self._tasks.append(asyncio.create_task(work.run()))
        self._tasks.append(asyncio.create_task(sharedlimits.follow(self._listeners)))
        self._tasks.append(asyncio.create_task(traffic.follow(self._listeners)))
        if settings.MAILHOST_ONE_PROCESSOR:
            self._tasks.append(asyncio.create_task(Companions().run()))
        give_back_memory()
        tell_ready(self._ports())
        self._policies_changed.set()  # what is left to look at is looked at now
        self._tasks.append(asyncio.create_task(self._follow_policies()))

    def _served(self) -> list[Served]:
        served: list[Served] = [ServedListener(each, self._bind_one) for each in self._listeners]
        if self._manager is not None:
            served.append(ServedSpool(self._manager))
        if self._retrieval is not None:
            served += [ServedRetrieval(self._retrieval, kind) for kind in RetrievalKind]
        return served

    async def drain(self) -> None:
        """Take nothing new, finish what is in hand, make it durable."""
        for task in self._tasks:
            task.cancel()
        seconds = float(settings.MAILHOST_DRAIN_SECONDS)
        stopping = [listener.drain(seconds) for listener in self._listeners]
        if self._manager is not None:
            stopping.append(self._manager.stop(seconds))
        if self._retrieval is not None:
            stopping.append(self._retrieval.stop(seconds))
        await asyncio.gather(*stopping, *self._tasks, return_exceptions=True)
        if self._transport is not None:
            await self._transport.stop()
        await asyncio.to_thread(process_committer().stop, seconds)
        if self._registry is not None:
            await self._registry.leave()
        await self._resolver.close()
        await self._board.stop()

    async def _follow_policies(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                has_failed = any(listener.failures for listener in self._listeners)
                may_wait = not has_failed and not self._lost_addresses
                seconds = REBIND_SECONDS if may_wait else TRY_AGAIN_SECONDS
                async with asyncio.timeout(seconds):
                    await self._policies_changed.wait()
            self._policies_changed.clear()
            try:
                servers = await bridge.ask_warm(name_servers)
                self._resolver.use(servers)
                if self._transport is not None:
                    self._transport.use(servers)
                self._certificates.reload()
                await self._bind()
                await self._look_for_addresses()
                await end_forbidden_sessions(self._listeners)
            except Exception:
                log.exception("policies could not be followed; tried again soon")

    async def _bind(self) -> None:
        before = self._ports()
        for listener in self._listeners:
            if not listener.is_draining:
                await self._bind_one(listener)
        after = self._ports()
        if after != before:
            tell_ready(after)

    async def _bind_one(self, listener: Listener) -> None:
        wanted = await bridge.ask(endpoints.wanted, listener.name)
        if not listener.is_draining:  # its service may have been stopped meanwhile
            await listener.bind(wanted.endpoints)
            listener.sole_domain = wanted.sole_domain

    async def _look_for_addresses(self) -> None:
        """D-033: tell of those that are gone, and of those that are back; whose they are."""
        if self._listeners:
            self._certificates.belong(await bridge.ask(endpoints.names_by_address))
            self._lost_addresses = await bridge.ask(lostaddresses.look, now=utc_now())

    def _ports(self) -> list[Listening]:
        """What is open, and what should be."""
        return [
            Listening(
                endpoint.purpose or listener.name,
                endpoint.ip,
                endpoint.port,
                endpoint.is_tls,
                listener.failures.get(endpoint, ""),
            )
            for listener in self._listeners
            for endpoint in (*listener.endpoints, *listener.failures)
        ]


async def _settle_now_and_then() -> None:
    """Bring delivered bodies into their domains' own folders, a batch at a time."""
    settler = Settler()
    while True:
        await asyncio.sleep(SETTLE_SECONDS)
        try:
            while await bridge.ask(settler.run_once):
                pass
        except Exception:
            log.exception("settling failed; tried again soon")


async def _warn_of_space() -> None:
    """In every process: each one knows only of what it has refused itself (D-083)."""
    while True:
        await asyncio.sleep(SPACE_SECONDS)
        refusing = quota.take_refusing()
        try:
            if refusing:
                await bridge.ask(spacewarnings.warn, refusing)
        except Exception:
            log.exception("administrators could not be warned of a full domain")


async def _keep_house() -> None:
    """Reconcile rows and records once, then get room back every minute."""
    try:
        await bridge.ask(maintenance.recover, now=utc_now())
    except Exception:
        log.exception("rows and records could not be compared")
    while True:
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
        try:
            await bridge.ask(maintenance.keep_house, now=utc_now())
        except Exception:
            log.exception("housekeeping failed; tried again soon")
