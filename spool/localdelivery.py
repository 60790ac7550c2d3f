"""Delivers to mailboxes of this server what came through the spool (S-003, S-052)."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from blobs.committer import Committer
from blobs.store import read_body
from mailboxes.errors import FolderNotFound, QuotaExceeded
from spool import bounce, decisions, deliverylog
from spool.agents import local
from spool.load import Peak
from spool.recording import Ask, Recorder
from spool.settings import SpoolPolicy
from spool.settlement import ClaimLost, LocalDelivery
from spool.undertakings import Undertakings
from spool.work import ClaimedRecipient

log = structlog.get_logger(__name__)

HEADER_BYTES = 256 * 1024


class LocalDeliveries:
    """So many at once as the settings allow; each that is added is recorded or committed once."""

    def __init__(
        self,
        committer: Committer,
        recorder: Recorder,
        *,
        owner: int,
        ask: Ask,
        policy: Callable[[], Awaitable[SpoolPolicy]],
    ) -> None:
        """`ask` calls a plain function in a thread."""
        self.maximum = 1
        self.busy = 0
        self.most_busy = Peak()
        self._committer = committer
        self._recorder = recorder
        self._owner = owner
        self._ask = ask
        self._policy = policy
        self._slots = asyncio.Semaphore(1)
        self.under_way = Undertakings()  # broken off, what was not committed stays claimed

    def obey(self, maximum: int) -> None:
        """S-003: a changed number acts at once; a lower one lets what runs finish."""
        if maximum != self.maximum:
            self.maximum = maximum
            self._slots = asyncio.Semaphore(max(1, maximum))

    def add(self, recipient: ClaimedRecipient) -> None:
        """Deliver as soon as there is a slot."""
        self.under_way.begin(self._deliver(recipient))

    async def _deliver(self, recipient: ClaimedRecipient) -> None:
        async with self._slots:
            self.busy += 1
            self.most_busy.see(self.busy)
            try:
                await self._try(recipient)
            except Exception:
                log.exception("local delivery failed by a fault of ours")
                self._recorder.record([local.faulty(recipient, traceback.format_exc())])
            finally:
                self.busy -= 1

    async def _try(self, recipient: ClaimedRecipient) -> None:
        result, delivery = await self._ask(_prepare, recipient)
        if delivery is None:
            self._recorder.record([result])
            return
        policy = (await self._policy()).retries
        settled = decisions.settle(result, policy=policy, rules=None, randomness=0.5)
        report = None
        if bounce.needs_thought(settled):
            report = await self._ask(bounce.make_report, [settled])
        # The delivery and the confirmation that was asked for are one transaction.
        job = LocalDelivery(
            owner=self._owner,
            settled=settled,
            delivery=delivery,
            report=report.acceptance if report else None,
            entries=report.entries if report else [],
            records=report.records if report else [],
        )
        try:
            await self._committer.commit(job)
        except ClaimLost:
            self._recorder.forget([recipient])
        except (QuotaExceeded, FolderNotFound):
            self._recorder.record([local.refused_by_mailbox(result)])
        else:
            deliverylog.delivered_here(recipient)
            self._recorder.forget([recipient])


def _prepare(recipient: ClaimedRecipient) -> Any:
    location = recipient.message.location
    head = b"" if location is None else read_body(location, 0, HEADER_BYTES)
    return local.prepare(recipient, head)
