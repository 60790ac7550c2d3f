"""Writes down how busy a process of the spool is, for the panel and the other processes (S-003)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from clock.moments import utc_now
from spool import gatewayhealth, load
from spool.gatewaychoice import GatewayPolicy
from spool.gatewayhealth import GatewayNow
from spool.load import Load
from spool.localdelivery import LocalDeliveries
from spool.outbound import Outbound
from spool.recording import Ask


class Presence:
    """An idle process writes only now and then that it lives."""

    def __init__(
        self,
        outbound: Outbound,
        local: LocalDeliveries,
        gateways: Callable[[], Sequence[GatewayPolicy]],
        *,
        owner: int,
        ask: Ask,
    ) -> None:
        self._outbound = outbound
        self._local = local
        self._gateways = gateways
        self._owner = owner
        self._ask = ask
        self._health_written: tuple[datetime, dict[int, GatewayNow]] = (utc_now(), {})
        self._load_written: tuple[datetime, Load] = (utc_now(), Load())

    async def write_gateway_health(self) -> None:
        """G-008: what waits for each gateway, whether it is down, and what it took."""
        counts = self._outbound.gateways.take()
        queues, down = self._outbound.gateway_queues(), self._outbound.gateways_down()
        present = {
            one.gateway_id: GatewayNow(queues[one.gateway_id], one.gateway_id in down)
            for one in self._gateways()
        }
        now = utc_now()
        is_news = bool(counts) or present != self._health_written[1]
        if is_news or (present and now - self._health_written[0] > gatewayhealth.STILL_ALIVE):
            self._health_written = now, present
            await self._ask(
                gatewayhealth.write,
                process_id=self._owner,
                present=present,
                counts=counts,
                now=now,
            )

    async def write_load(self) -> None:
        """How many deliveries run, of how many that may."""
        slots = self._outbound.slots
        present = Load(
            remote=slots.most_busy.take(slots.busy),
            remote_maximum=slots.maximum,
            hanging=slots.hanging,
            local=self._local.most_busy.take(self._local.busy),
            local_maximum=self._local.maximum,
        )
        now = utc_now()
        if present != self._load_written[1] or now - self._load_written[0] > load.STILL_ALIVE:
            self._load_written = now, present
            await self._ask(load.write, process_id=self._owner, load=present, now=now)
