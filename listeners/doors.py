"""What the sessions of one process share, whatever protocol they speak."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from domains.directory import Cold
from listeners.gate import SessionLimits
from listeners.tls import Certificates
from operations import settings
from operations.settings import ListenerPolicy

SWEEP_SECONDS = 10.0


class Silenceable(Protocol):
    """A session that ends when nothing has been heard of its client for too long."""

    def end_if_silent(self, now: float) -> None:
        """`now` is the loop's time."""


S = TypeVar("S", bound=Silenceable)


class Door:
    """Names, certificates and settings."""

    def __init__(self, hostname: str, certificates: Certificates) -> None:
        self.hostname = hostname
        self.certificates = certificates
        self._policy = settings.FACTORY

    @property
    def policy(self) -> ListenerPolicy:
        """The settings as they were last seen; sessions look at each command."""
        with suppress(Cold):
            self._policy = settings.current(cached_only=True)
        return self._policy

    def limits(self) -> SessionLimits:
        policy = self.policy
        return SessionLimits(
            policy.sessions_per_protocol, policy.sessions_per_address, policy.sessions_per_user
        )


class SweptDoor(Door, Generic[S]):
    """One that knows its sessions, and ends those that are silent."""

    def __init__(self, hostname: str, certificates: Certificates) -> None:
        super().__init__(hostname, certificates)
        self.sessions: set[S] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
        return self._loop

    def _sweep(self) -> None:
        """One timer for all sessions: ten thousand of their own would cost memory."""
        now = self.loop.time()
        for session in tuple(self.sessions):
            session.end_if_silent(now)
        self.loop.call_later(SWEEP_SECONDS, self._sweep)
