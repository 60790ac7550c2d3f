"""Who works on which account: claims are rows, so processes and machines never share one (N-060).

A claim lapses by itself, so what a dead process had comes up again. Whoever changes, disables or
removes an account takes the claim away: the run that works on it finds that with its next message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from blobs.contention import tried_again
from blobs.ids import new_id
from clock.moments import to_micros
from retrieval.models import RetrievalAccount

LEASE = timedelta(seconds=45)
RENEW_SECONDS = 10.0

_TABLE = "retrieval_retrievalaccount"
_BUSY = f"SELECT COUNT(*) FROM {_TABLE} WHERE claimed_by IS NOT NULL AND claimed_until > %s"
_DUE = (
    f"SELECT next_due_at, id, kind FROM {_TABLE}"
    " WHERE is_enabled AND kind = %s AND next_due_at <= %s"
    " AND (claimed_until IS NULL OR claimed_until <= %s) ORDER BY next_due_at LIMIT %s"
)
_CLAIM = f"UPDATE {_TABLE} SET claimed_by = %s, claimed_until = %s WHERE id = %s"
_RENEW = f"UPDATE {_TABLE} SET claimed_until = %s WHERE id = %s AND claimed_by = %s"


@tried_again
@transaction.atomic
def claim(
    kinds: Sequence[str], *, limit: int, maximum: int, now: datetime
) -> dict[int, tuple[int, str]]:
    """Up to `limit` accounts of these kinds that are due, by key: the claim's name, and the kind.

    `maximum`: no more are claimed while all processes together work on so many. Those that claim
    at the same moment may go beyond it by what they claim.
    """
    moment, until = to_micros(now), to_micros(now + LEASE)
    lock = " FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    claimed: dict[int, tuple[int, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_BUSY, (moment,))
        room = min(limit, maximum - cursor.fetchone()[0])
        due: list[tuple[int, int, str]] = []
        for kind in kinds if room > 0 else ():
            cursor.execute(_DUE + lock, (kind, moment, moment, room))
            due += cursor.fetchall()
        for _, account_id, kind in sorted(due)[:room]:  # the longest due, of either kind
            claimed[account_id] = new_id(), kind
            cursor.execute(_CLAIM, (claimed[account_id][0], until, account_id))
    return claimed


def renew(cursor: Any, account_id: int, run: int, *, now: int) -> bool:
    """Whether the claim still stands; then it lasts longer. `now` in microseconds."""
    until = now + LEASE // timedelta(microseconds=1)
    cursor.execute(_RENEW, (until, account_id, run))
    return bool(cursor.rowcount)


def keep(account_id: int, run: int, *, now: datetime) -> bool:
    """The same in a transaction of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        return renew(cursor, account_id, run, now=to_micros(now))


def release(account_id: int, run: int, *, now: datetime) -> None:
    """Give a run back that was broken off: it is due again."""
    RetrievalAccount.objects.filter(pk=account_id, claimed_by=run).update(
        claimed_by=None, claimed_until=None, next_due_at=now
    )


def next_due(kinds: Sequence[str]) -> datetime | None:
    """When the next account of these kinds is due; None: there is none."""
    rows = RetrievalAccount.objects.filter(is_enabled=True, kind__in=kinds, claimed_by=None)
    return rows.order_by("next_due_at").values_list("next_due_at", flat=True).first()
