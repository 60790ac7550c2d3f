"""Connections and log-ins of this process since they were last written down (R-001).

Counting costs a dictionary's entry; whoever writes batches anyway takes what has gathered. What a
process that dies has not yet handed over is lost: these are statistics.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from clock.moments import to_micros

HOUR_MICROS = 3600 * 1_000_000
# Keys that wait at most: beyond that nobody has taken them for long, and counting ends.
MOST_KEYS = 100_000

_ADD = (
    "INSERT INTO operations_activityhour"
    " (domain_id, account_id, service, hour, connections, logins) VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (hour, domain_id, account_id, service) DO UPDATE SET"
    " connections = operations_activityhour.connections + EXCLUDED.connections,"
    " logins = operations_activityhour.logins + EXCLUDED.logins"
)


class Came(NamedTuple):
    """Who came by which service; 0: nobody in particular."""

    domain_id: int
    account_id: int
    service: str


class Tally:
    """Of all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Came, list[int]] = {}

    def connected(self, service: str) -> None:
        self._add(Came(0, 0, service), connections=1)

    def logged_in(self, service: str, *, account_id: int, domain_id: int | None) -> None:
        self._add(Came(domain_id or 0, account_id, service), logins=1)

    def take(self) -> list[tuple[Came, int, int]]:
        """Connections and log-ins of each since the last time."""
        if not self._counts:
            return []
        with self._lock:
            taken, self._counts = self._counts, {}
        return [(came, connections, logins) for came, (connections, logins) in taken.items()]

    def _add(self, came: Came, *, connections: int = 0, logins: int = 0) -> None:
        with self._lock:
            counts = self._counts.get(came)
            if counts is None:
                if len(self._counts) >= MOST_KEYS:
                    return
                counts = self._counts[came] = [0, 0]
            counts[0] += connections
            counts[1] += logins


TALLY = Tally()


def write(cursor: Any, counts: Iterable[tuple[Came, int, int]], *, now: datetime) -> None:
    """Add them to the hour of `now`, in the caller's transaction."""
    hour = to_micros(now) // HOUR_MICROS
    # One order for all processes, so that none waits for another that waits for it.
    rows = [(*came, hour, connections, logins) for came, connections, logins in sorted(counts)]
    if rows:
        cursor.executemany(_ADD, rows)


def web_login(account_id: int, domain_id: int | None, *, now: datetime) -> None:
    """One by the web, whose processes write no batches: checking the password cost far more."""
    with transaction.atomic(), connection.cursor() as cursor:
        write(cursor, [(Came(domain_id or 0, account_id, "web"), 0, 1)], now=now)
