"""Runs the asyncio process of the mail services, whole or one service of it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable

import uvloop
from django.core.management.base import CommandError

from listeners import mail_process
from mailhost import firststart, privileges


def serve(parts: Iterable[str]) -> None:
    """Run until SIGTERM or SIGINT, then drain. Raises CommandError when it cannot start."""
    privileges.follow_supervisor()
    firststart.certificate()
    try:
        uvloop.run(_serve(frozenset(parts)))
    except OSError as error:
        raise CommandError(f"cannot serve: {error}") from error


async def _serve(parts: frozenset[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await mail_process.run(parts, stop)
