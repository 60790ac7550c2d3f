"""Which other server takes our outgoing mail, if any (G-005, G-006)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from domains.directory import Memory
from spool.models import Encryption, Gateway


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """An enabled gateway; empty sets: any domain."""

    gateway_id: int
    name: str
    host: str
    port: int
    use_mx: bool
    username: str
    password: bytes  # encrypted with the server key
    encryption: Encryption
    verify_certificate: bool
    allow_clear_text_login: bool
    priorities: range
    sending_domain_ids: frozenset[int]
    destinations: frozenset[str]  # ".example.com": all below it
    fall_back_to_direct: bool
    one_recipient_at_a_time: bool = False

    def fits(self, *, priority: int, domain_id: int | None, destination: str) -> bool:
        if priority not in self.priorities:
            return False
        if self.sending_domain_ids and domain_id not in self.sending_domain_ids:
            return False
        return not self.destinations or self._takes(destination)

    @property
    def narrowness(self) -> int:
        """G-005: a chosen destination counts more than a chosen sender, both more than all."""
        return 2 * bool(self.destinations) + bool(self.sending_domain_ids)

    def _takes(self, destination: str) -> bool:
        if destination in self.destinations:
            return True
        labels = destination.split(".")
        return any("." + ".".join(labels[i:]) in self.destinations for i in range(1, len(labels)))


def choose(
    gateways: Sequence[GatewayPolicy], *, priority: int, domain_id: int | None, destination: str
) -> tuple[GatewayPolicy, ...]:
    """The gateways that fit best, any of which may take the mail; empty: by MX."""
    fitting = [
        gateway
        for gateway in gateways
        if gateway.fits(priority=priority, domain_id=domain_id, destination=destination)
    ]
    narrowest = max((gateway.narrowness for gateway in fitting), default=0)
    return tuple(gateway for gateway in fitting if gateway.narrowness == narrowest)


class Loads:
    """Shares mail between gateways that fit equally well: least queued, then in turn (G-006)."""

    def __init__(self) -> None:
        self.queued: Counter[int] = Counter()  # recipients, by gateway; set before each claim
        self._turn = 0
        self._turns: dict[int, int] = {}

    def pick(self, gateways: Sequence[GatewayPolicy]) -> GatewayPolicy:
        picked = min(
            gateways,
            key=lambda one: (self.queued[one.gateway_id], self._turns.get(one.gateway_id, 0)),
        )
        self._turn += 1
        self._turns[picked.gateway_id] = self._turn
        return picked


_memory: Memory[int, tuple[GatewayPolicy, ...]] = Memory(limit=1)


def current(*, cached_only: bool = False) -> tuple[GatewayPolicy, ...]:
    """The enabled gateways. Raises Cold if `cached_only` and they are not in memory."""
    return _memory.ask(1, lambda _key: read(), cached_only=cached_only)


def forget() -> None:
    """Called for each note on Topic.ROUTES."""
    _memory.clear()


def read() -> tuple[GatewayPolicy, ...]:
    """The enabled gateways as the rows say now."""
    rows = Gateway.objects.filter(is_enabled=True).prefetch_related(
        "destinations", "sending_domains"
    )
    return tuple(map(policy_of, rows))


def policy_of(row: Gateway) -> GatewayPolicy:
    """Of a row with its scope."""
    return GatewayPolicy(
        gateway_id=row.pk,
        name=row.name,
        host=row.host,
        port=row.port,
        use_mx=row.use_mx,
        username=row.username,
        password=bytes(row.password),
        encryption=Encryption(row.encryption),
        verify_certificate=row.verify_certificate,
        allow_clear_text_login=row.allow_clear_text_login,
        priorities=range(row.minimum_priority, row.maximum_priority + 1),
        sending_domain_ids=frozenset(domain.pk for domain in row.sending_domains.all()),
        destinations=frozenset(one.name.lower() for one in row.destinations.all()),
        fall_back_to_direct=row.fall_back_to_direct,
        one_recipient_at_a_time=row.one_recipient_at_a_time,
    )
