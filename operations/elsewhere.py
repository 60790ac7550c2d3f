"""What other processes of this server have open, so that limits hold over all of them (N-007)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Q

from blobs.ids import time_of
from operations.connections import SILENCE
from operations.models import Connection, Process


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Sessions of one protocol, in all, by client address and by account."""

    sessions: int = 0
    addresses: Mapping[str, int] = field(default_factory=dict)
    users: Mapping[int, int] = field(default_factory=dict)


NOTHING = Elsewhere()


def count(*, node: int, pid: int, now: datetime) -> dict[str, Elsewhere]:
    """By protocol, without the process (`node`, `pid`) that asks; what is known is seconds old."""
    alive = Process.objects.filter(seen_at__gte=now - SILENCE).exclude(Q(node=node) & Q(pid=pid))
    processes = list(alive.values_list("id", flat=True))
    if not processes:
        return {}
    rows = (
        Connection.objects.filter(process_id__in=processes, is_outbound=False)
        .values_list("service", "client_address", "account_id")
        .annotate(Count("id"))
        .order_by()
    )
    addresses: defaultdict[str, Counter[str]] = defaultdict(Counter)
    users: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for service, address, account_id, sessions in rows:
        addresses[service][address] += sessions
        if account_id is not None:
            users[service][account_id] += sessions
    return {
        service: Elsewhere(counted.total(), dict(counted), dict(users[service]))
        for service, counted in addresses.items()
    }


def is_alive(session: int, *, now: datetime) -> bool:
    """Whether a session may still be there: its process lives, or it is too young to tell."""
    if time_of(session) > now - SILENCE:
        return True
    known = Connection.objects.filter(pk=session, process__seen_at__gte=now - SILENCE)
    return known.exists()
