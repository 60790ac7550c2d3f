"""Collects what the SMTP door refuses, so that a flood of refusals costs a row each and no more."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any

import structlog

from spool.refused import Refusal, write_down

log = structlog.get_logger(__name__)

WRITE_SECONDS = 0.5
# More than that in one go comes from guessing: it is counted in the log only.
LARGEST_BATCH = 1000


class RefusalBook:
    """Of one listener, on its loop."""

    def __init__(self) -> None:
        self._waiting: list[Refusal] = []
        self._dropped = 0

    def note(self, refusal: Refusal) -> None:
        if len(self._waiting) >= LARGEST_BATCH:
            self._dropped += 1
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self._write)
        self._waiting.append(refusal)
        log.info(
            "mail refused",
            client=refusal.client_address,
            sender=refusal.sender,
            recipient=refusal.recipient,
            reply=refusal.reply,
        )

    def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        if self._dropped:
            log.warning("more mail refused than is written down", refusals=self._dropped)
            self._dropped = 0
        write_down(batch).add_done_callback(_report)


def _report(written: Future[Any]) -> None:
    error = written.exception()
    if error is not None:
        log.error("refused mail could not be written down", error=str(error))
