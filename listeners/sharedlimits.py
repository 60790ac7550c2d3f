"""Keeps the gates told of the sessions that other processes have (N-007)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import structlog
from django.conf import settings

from clock.moments import utc_now
from listeners import bridge
from listeners.base import Listener
from operations import elsewhere

log = structlog.get_logger(__name__)

# The registry is written every second; in between each process lets in by what it knows.
ASK_SECONDS = 3.0


async def follow(listeners: Sequence[Listener]) -> None:
    """Until cancelled. While the registry cannot be read the last figures stand."""
    while True:
        try:
            counted = await bridge.ask(
                elsewhere.count, node=settings.MAILHOST_NODE, pid=os.getpid(), now=utc_now()
            )
            for listener in listeners:
                listener.gate.elsewhere = counted.get(listener.name, elsewhere.NOTHING)
        except Exception:
            log.exception("sessions of other processes could not be counted")
        await asyncio.sleep(ASK_SECONDS)
