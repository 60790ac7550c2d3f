"""The one place where asyncio meets the ORM: a few threads, each with its own connections."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from blobs import connections
from domains.directory import Cold

P = ParamSpec("P")
T = TypeVar("T")

# Threads wait for the database or for Argon2; more of them would only queue there.
THREADS = 8

_pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="bridge")


async def ask(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a plain function in a thread and wait for its result or its exception.

    A cancelled caller stops waiting; the function itself always runs to its end.
    """
    call = partial(contextvars.copy_context().run, _call, partial(function, *args, **kwargs))
    return await asyncio.get_running_loop().run_in_executor(_pool, call)


async def ask_warm(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Ask what this process remembers, and only if it does not, in a thread.

    For functions with a `cached_only` parameter that raise `domains.directory.Cold`.
    """
    try:
        return function(*args, cached_only=True, **kwargs)
    except Cold:
        return await ask(function, *args, **kwargs)


def _call(function: Callable[[], T]) -> T:
    connections.renew()
    try:
        return function()
    finally:
        connections.renew()
