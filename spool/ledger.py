"""Counts by domain and hour: accepted = ends + what is still in the spool."""

from __future__ import annotations

from typing import Any

HOUR_MICROS = 3600 * 1_000_000

ENDS = ("delivered", "relayed", "bounced", "expired", "discarded", "deleted")
COLUMNS = ("accepted", *ENDS)

_ADD = "UPDATE spool_ledgerhour SET {additions} WHERE domain_id = %s AND hour = %s"
# Only where the hour has no row yet: it takes a new key from the sequence, found or not.
_UPSERT = (
    "INSERT INTO spool_ledgerhour (domain_id, hour, {columns}) VALUES (%s, %s, {marks}) "
    "ON CONFLICT (domain_id, hour) DO UPDATE SET {additions}"
).format(
    columns=", ".join(COLUMNS),
    marks=", ".join(["%s"] * len(COLUMNS)),
    additions=", ".join(f"{name} = spool_ledgerhour.{name} + excluded.{name}" for name in COLUMNS),
)


def count(cursor: Any, domain_id: int, now: int, **counts: int) -> None:
    """Add to the hour of `now` (microseconds); `domain_id` 0: no domain of ours."""
    hour = now // HOUR_MICROS
    additions = ", ".join(f"{name} = {name} + %s" for name in counts)
    cursor.execute(_ADD.format(additions=additions), [*counts.values(), domain_id, hour])
    if cursor.rowcount == 0:
        values = [counts.get(name, 0) for name in COLUMNS]
        cursor.execute(_UPSERT, [domain_id, hour, *values])
