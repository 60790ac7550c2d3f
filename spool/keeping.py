"""What the daemon does now and then for those who look at the spool and command it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from blobs.committer import Committer
from clock.moments import utc_now
from spool import holding, quarantine, summaries, undoing
from spool.lists import notices
from spool.measuring import Measurer
from spool.summaries import ListWaiting, RefreshLarge

Ask = Callable[..., Awaitable[Any]]


class Keeping:
    """Each method is one round; asking is done in threads, writing by the committer."""

    def __init__(self, committer: Committer, ask: Ask) -> None:
        self._committer = committer
        self._ask = ask
        self._measurer = Measurer()

    async def list_waiting(self) -> None:
        """Put what has waited for a second where the page can sort it (S-004, S-014)."""
        if not await self._ask(summaries.has_unlisted, now=utc_now()):
            return
        while await self._committer.commit(ListWaiting(now=utc_now())) >= summaries.BATCH:
            pass

    async def refresh_large(self) -> None:
        if await self._ask(summaries.large_messages):
            await self._committer.commit(RefreshLarge())

    async def finish_changes(self) -> None:
        """Make deletions final that nobody has undone in time (S-038)."""
        if await self._ask(undoing.has_open_changes):
            await self._ask(undoing.finish_changes, now=utc_now())

    async def keep_rules(self) -> None:
        await self._ask(holding.keep_rules, now=utc_now())

    async def empty_quarantine(self) -> None:
        """Remove what has been there for its time (S-060)."""
        await self._ask(quarantine.remove_due, now=utc_now())

    async def tell_moderators(self) -> None:
        """Of posts that wait and they do not know of (L-005)."""
        await self._ask(notices.tell_moderators, utc_now())

    async def measure(self) -> None:
        await self._ask(self._measurer.run_once, now=utc_now())
        await self._ask(undoing.forget_changes, now=utc_now())
