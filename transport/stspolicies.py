"""The MTA-STS policies of other domains: found, kept in rows, and used until they expire."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, Protocol, TypeVar

import structlog

from clock.moments import utc_now
from protocols import mtasts
from protocols.mtasts import MalformedPolicy, Policy
from spool.resolver import LookupFailed, NameUnknown, Resolver
from transport.fetching import FetchFailed, fetch
from transport.models import StsPolicy

log = structlog.get_logger(__name__)

MOST_DOMAINS = 20_000
LOOK_SECONDS = 300.0  # RFC 8461 §3.3: a domain is asked not more often than that

P = ParamSpec("P")
T = TypeVar("T")


class Ask(Protocol):
    """Calls a function that asks the database, in a thread."""

    def __call__(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A policy with what is known of its age."""

    policy_id: str
    policy: Policy
    expires_at: datetime


@dataclass(slots=True)
class _Known:
    kept: Kept | None
    failed: str = ""  # why the announced policy could not be fetched
    look_at: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class StsPolicies:
    """Used on one event loop."""

    def __init__(
        self,
        resolver: Resolver,
        ask: Ask,
        *,
        context: ssl.SSLContext,
        port: int = 443,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._ask = ask
        self._context = context
        self._port = port
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def policy_of(self, domain: str) -> tuple[Policy | None, str]:
        """None: there is none in force; then why one that is announced could not be had."""
        known = self._known.get(domain)
        if known is None:
            known = _Known(await self._ask(load, domain))
            known = self._known.setdefault(domain, known)
            if len(self._known) > MOST_DOMAINS:
                self._known.popitem(last=False)
        if known.look_at <= self._clock():
            async with known.lock:
                if known.look_at <= self._clock():
                    await self._look(domain, known)
                    known.look_at = self._clock() + LOOK_SECONDS
        kept = known.kept
        if kept is None or kept.expires_at <= utc_now():
            return None, known.failed
        return kept.policy, ""

    async def _look(self, domain: str, known: _Known) -> None:
        """Find out whether the policy has changed. What is kept stays where nothing is found."""
        known.failed = ""
        try:
            texts = await self._resolver.records(f"_mta-sts.{domain}", "TXT")
        except LookupFailed:
            return
        announced = mtasts.announced_id(text.decode("ascii", "replace") for text in texts)
        kept = known.kept
        if announced is None:
            return  # RFC 8461 §3.3: only its age ends a policy
        if kept is not None and kept.policy_id == announced and not _is_old(kept):
            return
        try:
            policy = await fetch(
                domain,
                find_addresses=self._addresses,
                context=self._context,
                port=self._port,
            )
        except FetchFailed as error:
            known.failed = str(error)
            log.info("MTA-STS policy cannot be fetched", domain=domain, error=str(error))
            return
        known.kept = await self._ask(keep, domain, announced, policy, now=utc_now())

    async def _addresses(self, host: str) -> tuple[str, ...]:
        try:
            return await self._resolver.addresses(host)
        except NameUnknown:
            return ()
        except LookupFailed as error:
            raise FetchFailed(f"the name servers of {host} do not answer") from error


def _is_old(kept: Kept) -> bool:
    """Half of its time is left, or a day: fetched again before it ends (RFC 8461 §10.2)."""
    soon = min(timedelta(days=1), timedelta(seconds=kept.policy.max_age_seconds) / 2)
    return kept.expires_at - utc_now() < soon


def load(domain: str) -> Kept | None:
    row = StsPolicy.objects.filter(domain=domain).first()
    if row is None:
        return None
    try:
        return Kept(row.policy_id, mtasts.parse(row.body.encode()), row.expires_at)
    except MalformedPolicy:
        return None


def keep(domain: str, policy_id: str, policy: Policy, *, now: datetime) -> Kept:
    expires_at = now + timedelta(seconds=policy.max_age_seconds)
    StsPolicy.objects.update_or_create(
        domain=domain,
        defaults={
            "policy_id": policy_id,
            "body": policy.encode().decode(),
            "fetched_at": now,
            "expires_at": expires_at,
        },
    )
    return Kept(policy_id, policy, expires_at)


def forget_expired(*, now: datetime) -> int:
    deleted, _ = StsPolicy.objects.filter(expires_at__lt=now).delete()
    return deleted
