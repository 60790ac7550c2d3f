"""A limit is reached: written down, and told as an event, once an hour (T-014, E-023, E-024)."""

from __future__ import annotations

from typing import Any

from clock.moments import from_micros
from events import occurrences
from events.occurrences import EventType
from spool import throttle
from spool.throttle import Kind, Reason
from spool.throttlepolicy import Payer

_INSERT = (
    "INSERT INTO spool_throttlecrossing"
    " (kind, key_id, hour, reason, domain_id, who, used, allowed, at)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (kind, key_id, hour, reason) DO NOTHING"
)
_AGAIN = (
    "UPDATE spool_throttlecrossing SET ended_at = NULL"
    " WHERE kind = %s AND key_id = %s AND hour = %s AND reason = %s AND ended_at IS NOT NULL"
)


def record(cursor: Any, payer: Payer, reason: Reason, *, used: int, allowed: int, now: int) -> None:
    """In the transaction in which mail is held back; the second time in an hour tells nobody."""
    key, hour = payer.key, throttle.hour_of(now)
    names = (key.kind.value, key.key_id, hour, reason.value)
    cursor.execute(_INSERT, (*names, payer.domain_id, payer.who[:330], used, allowed, now))
    if not cursor.rowcount:
        cursor.execute(_AGAIN, names)
        return
    is_user = key.kind is Kind.USER
    occurrences.emit(
        EventType.USER_THROTTLED if is_user else EventType.DOMAIN_THROTTLED,
        domain_id=payer.domain_id,
        account_id=key.key_id if is_user else None,
        at=from_micros(now),
        facts={
            "who": payer.who,
            "reason": reason.value,
            "used": used,
            "allowed": allowed,
            "until": from_micros(throttle.next_hour(now)).isoformat(),
        },
    )
