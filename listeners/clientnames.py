"""What clients are called: the names of their addresses, looked up while they talk (N-024)."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from ipaddress import ip_address

from spool.resolver import LookupFailed, NameUnknown, Resolver

# From the first question on; whoever is not known by then is "unknown".
BOUND_SECONDS = 2.0
REMEMBERED_SECONDS = 300.0
MOST_REMEMBERED = 10_000
# A client in control of its reverse zone could otherwise make this server ask for ever.
NAMES_TRIED = 5
OURSELVES = ("127.0.0.1", "::1")


class ClientNames:
    """Asks once for each address, however many sessions want to know."""

    def __init__(self, resolver: Resolver | None) -> None:
        self._resolver = resolver
        self._names: dict[str, tuple[float, str | None]] = {}
        self._under_way: dict[str, asyncio.Task[str | None]] = {}

    def begin(self, address: str) -> None:
        """Have it looked up; nobody waits for it."""
        if self._resolver is None or address in OURSELVES or address in self._under_way:
            return
        known = self._names.get(address)
        if known is None or known[0] < time.monotonic():
            task = asyncio.create_task(self._look_up(address, self._resolver))
            self._under_way[address] = task
            task.add_done_callback(lambda _: self._under_way.pop(address, None))

    async def name(self, address: str) -> str | None:
        """The name, or None: there is none that leads back to the address, or it came too late.

        Waits for what `begin` began, until its bound.
        """
        task = self._under_way.get(address)
        if task is not None:
            return await asyncio.shield(task)
        known = self._names.get(address)
        return known[1] if known is not None else None

    async def _look_up(self, address: str, resolver: Resolver) -> str | None:
        found = None
        with suppress(TimeoutError, LookupFailed, NameUnknown):
            async with asyncio.timeout(BOUND_SECONDS):
                found = await confirmed_name(address, resolver)
        if len(self._names) >= MOST_REMEMBERED:
            self._names.pop(next(iter(self._names)))
        self._names.pop(address, None)
        self._names[address] = (time.monotonic() + REMEMBERED_SECONDS, found)
        return found


async def confirmed_name(address: str, resolver: Resolver) -> str | None:
    """The first name of the address that has the address. Raises NameUnknown, LookupFailed."""
    wanted = ip_address(address)
    for name in (await resolver.names(address))[:NAMES_TRIED]:
        with suppress(NameUnknown, LookupFailed):
            if any(ip_address(one) == wanted for one in await resolver.addresses(name)):
                return name
    return None
