"""Fetches from every account that is due, so many at a time: two services (M-015, M-016)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import structlog

from blobs import connections
from blobs.committer import Committer, process_committer
from clock.moments import utc_now
from retrieval import claims, permits, running
from retrieval.models import Kind
from retrieval.settings import RETRIEVAL
from spool import freespace
from spool import settings as spool_settings
from switchboard.subscribe import Switchboard, Unsubscribe
from switchboard.topics import Topic

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LOOK_SECONDS = 5.0  # a lost hint costs at most this
LEAST_SECONDS = 0.2  # between two looks
THREADS = 4


class RetrievalManager:
    """The retrieval of one process. Kinds that are not resumed are not fetched."""

    def __init__(self, board: Switchboard, committer: Committer | None = None) -> None:
        """`committer` None: the process's own."""
        self._board = board
        self._committer = committer or process_committer()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="retrieval")
        self._wake = asyncio.Event()
        self._active: set[str] = set()
        self._runs: dict[asyncio.Task[None], str] = {}
        self._looking: asyncio.Task[None] | None = None
        self._unsubscribe: Unsubscribe | None = None
        self.obstacle = ""  # why nothing is fetched though it is to be; empty: nothing is wrong

    def start(self) -> None:
        """Begin to look; what is fetched, `resume` says."""
        self._unsubscribe = self._board.subscribe(
            Topic.RETRIEVAL, None, lambda _notes: self._wake.set()
        )
        self._looking = asyncio.create_task(self._look_for_ever())

    def resume(self, kind: Kind) -> None:
        self._active.add(kind.value)
        self._wake.set()

    async def pause(self, kind: Kind, seconds: float) -> None:
        """Begin nothing new; runs under way end by themselves within `seconds`, or are broken off.

        What is broken off has lost nothing: the next run goes on behind its last message.
        """
        self._active.discard(kind.value)
        await self._end([task for task, of in self._runs.items() if of == kind.value], seconds)

    async def stop(self, seconds: float) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._active.clear()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await self._end(list(self._runs), seconds)
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    def busy(self, kind: Kind) -> int:
        """Accounts of the kind that this process fetches from at this moment."""
        return sum(of == kind.value for of in self._runs.values())

    async def _end(self, tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _look_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                seconds = await self._look()
            except Exception:
                log.exception("retrieval accounts could not be looked at; tried again soon")
                seconds = LOOK_SECONDS
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            await asyncio.sleep(LEAST_SECONDS)

    async def _look(self) -> float:
        """Begin what is due; the seconds until it is worth looking again."""
        kinds = sorted(self._active)
        if not kinds:
            return LOOK_SECONDS
        maximum, is_low = await self.ask(_conditions)
        self.obstacle = permits.NO_SPACE if is_low else ""
        room = maximum - len(self._runs)
        if is_low or room <= 0:
            return LOOK_SECONDS  # the end of a run wakes
        now = utc_now()
        claimed = await self.ask(claims.claim, kinds, limit=room, maximum=maximum, now=now)
        for account_id, (claim, kind) in claimed.items():
            self._begin(account_id, claim, kind)
        if len(claimed) >= room:
            return LOOK_SECONDS
        due = await self.ask(claims.next_due, kinds)
        left = LOOK_SECONDS if due is None else (due - utc_now()).total_seconds()
        return min(max(left, LEAST_SECONDS), LOOK_SECONDS)

    def _begin(self, account_id: int, claim: int, kind: str) -> None:
        task = asyncio.create_task(self._run(account_id, claim))
        self._runs[task] = kind
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._runs.pop(task, None)
        self._wake.set()

    async def _run(self, account_id: int, claim: int) -> None:
        keeper = asyncio.create_task(self._keep(account_id, claim))
        try:
            await running.run(account_id, claim, self.ask, self._committer)
        except asyncio.CancelledError:
            await asyncio.shield(self.ask(claims.release, account_id, claim, now=utc_now()))
            raise
        except Exception:
            log.exception("a run could not be written down; it is made again", account=account_id)
        finally:
            keeper.cancel()

    async def _keep(self, account_id: int, claim: int) -> None:
        """Keep the claim while a run waits for the other server."""
        while True:
            await asyncio.sleep(claims.RENEW_SECONDS)
            with contextlib.suppress(Exception):  # the next time, or the claim lapses
                await self.ask(claims.keep, account_id, claim, now=utc_now())

    async def ask(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a plain function in a thread of retrieval's own."""
        call = partial(_with_connections, partial(function, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


def _with_connections(function: Callable[[], T]) -> T:
    connections.renew()
    try:
        return function()
    finally:
        connections.renew()


def _conditions() -> tuple[int, bool]:
    """How many accounts at the same time, and whether the disk is nearly full."""
    return RETRIEVAL.read().parallel_accounts, freespace.is_low(spool_settings.current())
