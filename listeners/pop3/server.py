"""Binds POP3 sessions to ports, and holds what the sessions of one process share."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from django.conf import settings as conf

from domains.directory import Cold
from listeners.base import Listener, Visit
from listeners.context import Context
from listeners.gate import Gate, Refusal, SessionLimits, asks
from listeners.pop3 import commands
from listeners.pop3.session import Session
from listeners.tls import Certificates
from operations import settings
from operations.settings import ListenerPolicy
from protocols.pop3 import replies

SWEEP_SECONDS = 10.0

_REFUSALS = {
    Refusal.BLOCKED: replies.BLOCKED_FOR_NOW,
    Refusal.BLACKLISTED: replies.BLOCKED,
    Refusal.TOO_MANY: replies.TOO_MANY_SESSIONS,
    Refusal.TOO_MANY_FROM_ADDRESS: replies.TOO_MANY_SESSIONS,
}


class Door:
    """What all POP3 sessions of a process share."""

    def __init__(self, hostname: str, certificates: Certificates) -> None:
        self.hostname = hostname
        self.certificates = certificates
        self.greeting = replies.ok(f"{hostname} ready").encode()
        self.carry_out = commands.CARRIERS
        self.sessions: set[Session] = set()
        self._policy = settings.FACTORY
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
        return self._loop

    @property
    def policy(self) -> ListenerPolicy:
        """The settings as they were last seen; sessions look at each command."""
        with suppress(Cold):
            self._policy = settings.current(cached_only=True)
        return self._policy

    def _sweep(self) -> None:
        """One timer for all sessions: ten thousand of their own would cost memory."""
        now = self.loop.time()
        for session in tuple(self.sessions):
            session.end_if_silent(now)
        self.loop.call_later(SWEEP_SECONDS, self._sweep)


def make_listener(context: Context) -> Listener:
    """The listener of one process."""
    door = Door(conf.MAILHOST_HOSTNAME, context.certificates)

    def make_session(visit: Visit) -> Session:
        return Session(door, visit)

    def limits() -> SessionLimits:
        policy = door.policy
        return SessionLimits(
            policy.sessions_per_protocol, policy.sessions_per_address, policy.sessions_per_user
        )

    return Listener(
        "pop",
        make_session=make_session,
        refuse=lambda refusal: _REFUSALS[refusal].encode(),
        gate=Gate(limits, asks(context.guard, "pop")),
        certificates=context.certificates,
        shares_ports=context.shares_ports,
    )
