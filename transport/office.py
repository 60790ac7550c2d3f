"""What a mail process has of transport security: one object that lives as long as it does."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence

import structlog
from django.conf import settings as conf

from spool.agents.tls import AskDemand
from spool.resolver import Resolver
from transport.authentic import AuthenticResolver
from transport.counting import Counter
from transport.demands import Demands
from transport.stspolicies import Ask, StsPolicies

log = structlog.get_logger(__name__)

WRITE_SECONDS = 60.0
HTTPS_PORT = 443


class TransportOffice:
    """Give `ask_demand` to the spool's manager; `start` before it, `stop` after it."""

    def __init__(
        self,
        resolver: Resolver,
        in_thread: Ask,
        *,
        servers: Sequence[str] | None = None,
        certificate_authorities: str | None = None,
        https_port: int = HTTPS_PORT,
    ) -> None:
        """`servers` None: those of the installation; authorities None: the system's."""
        self._ask = in_thread
        self.counter = Counter()
        self._authentic = AuthenticResolver(
            conf.MAILHOST_DNS_SERVERS if servers is None else servers
        )
        context = ssl.create_default_context(cafile=certificate_authorities)
        sts = StsPolicies(resolver, in_thread, context=context, port=https_port)
        self._demands = Demands(self._authentic, sts, self.counter, in_thread)
        self._task: asyncio.Task[None] | None = None

    @property
    def ask_demand(self) -> AskDemand:
        return self._demands.ask

    def use(self, servers: Sequence[str]) -> None:
        """The operator's name servers; none: those of the installation (G-025)."""
        self._authentic.use(servers)

    def start(self) -> None:
        self._task = asyncio.create_task(self._write_now_and_then())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._write()

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self._write()

    async def _write(self) -> None:
        try:
            await self._ask(self.counter.write)
        except Exception:
            log.exception("counts for reports on TLS could not be written; tried again")
