"""The counts of each hour in rows: exact between processes, and still there after a restart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import F

from clock.moments import to_micros
from protocols.smtp.outgoing import Verdict
from spool.models import State, ThrottleHour
from spool.throttle import Allowance, Key, Kind, Window, hour_of
from spool.throttlepolicy import keys, keys_of
from spool.work import Result

# Creates the row where it is missing, and locks it until the transaction ends.
_OPEN = (
    "INSERT INTO spool_throttlehour (kind, key_id, hour) VALUES (%s, %s, %s)"
    " ON CONFLICT (kind, key_id, hour) DO UPDATE SET messages = spool_throttlehour.messages"
    " RETURNING messages - messages_before, sent_bytes - sent_bytes_before,"
    " own_bounces - own_bounces_before"
)
_ADD = (
    "UPDATE spool_throttlehour SET messages = messages + %s, sent_bytes = sent_bytes + %s"
    " WHERE kind = %s AND key_id = %s AND hour = %s"
)
_COUNT_BOUNCE = (
    "INSERT INTO spool_throttlehour (kind, key_id, hour, bounces, own_bounces)"
    " VALUES (%s, %s, %s, 1, %s) ON CONFLICT (kind, key_id, hour) DO UPDATE SET"
    " bounces = spool_throttlehour.bounces + 1,"
    " own_bounces = spool_throttlehour.own_bounces + excluded.own_bounces"
    " RETURNING bounces - bounces_before"
)
_BOUNCES = (
    "SELECT bounces - bounces_before FROM spool_throttlehour"
    " WHERE kind = %s AND key_id = %s AND hour = %s"
)
_RESERVED = (
    "SELECT r.id, r.throttle_hour, r.throttle_bytes, r.ledger_domain_id, m.domain_id,"
    " m.sender_account_id, m.list_id FROM spool_spooledrecipient r"
    " JOIN spool_spooledmessage m ON m.id = r.message_id"
    f" WHERE r.state < {State.DELIVERED.value} AND r.due_at IS NOT NULL"
    " AND r.claimed_by = %s AND r.throttle_hour IS NOT NULL"
)
_NO_MORE_RESERVED = (
    "UPDATE spool_spooledrecipient SET throttle_hour = NULL, throttle_bytes = NULL WHERE id = %s"
)

# Whose hour -> messages and bytes to add.
Changes = defaultdict[tuple[Key, int], list[int]]


def no_changes() -> Changes:
    return defaultdict(lambda: [0, 0])


def open_windows(cursor: Any, allowances: Mapping[Key, Allowance], hour: int) -> dict[Key, Window]:
    """The hour of each key as it stands; nobody else changes it before the transaction ends."""
    windows = {}
    # One order for all processes, so that none waits for another that waits for it.
    for key in sorted(allowances):
        cursor.execute(_OPEN, (key.kind.value, key.key_id, hour))
        windows[key] = Window(allowances[key], *cursor.fetchone())
    return windows


def used(kind: Kind, key_ids: Collection[int], now: datetime) -> dict[int, int]:
    """Messages of this hour since the last release; who is not limited is not counted."""
    rows = ThrottleHour.objects.filter(
        kind=kind.value, key_id__in=key_ids, hour=hour_of(to_micros(now))
    )
    return dict(rows.values_list("key_id", F("messages") - F("messages_before")))


def change(cursor: Any, changes: Changes) -> None:
    rows = [
        (messages, sent_bytes, key.kind.value, key.key_id, hour)
        for (key, hour), (messages, sent_bytes) in sorted(changes.items())
        if messages or sent_bytes
    ]
    if rows:
        cursor.executemany(_ADD, rows)


def settle(cursor: Any, results: Iterable[Result]) -> None:
    """After tries: what was delivered stays counted, the rest is given back (T-003).

    Bytes are counted as they went over the wire, whatever was reserved (T-005).
    """
    changes = no_changes()
    ended: list[tuple[int]] = []
    for result in results:
        reservation = result.recipient.reservation
        if reservation is None:
            continue
        ended.append((result.recipient.recipient_id,))
        for key in keys_of(result.recipient):
            total = changes[key, reservation.hour]
            total[0] -= result.verdict is not Verdict.DELIVERED
            total[1] += result.sent_bytes - reservation.sent_bytes
    if ended:
        change(cursor, changes)
        cursor.executemany(_NO_MORE_RESERVED, sorted(ended))


def give_back(cursor: Any, owner: int, recipient_ids: Sequence[int] | None = None) -> None:
    """What a process has reserved for tries that it did not make, or did not live to end.

    None: all that `owner` holds.
    """
    cursor.execute(_RESERVED, (owner,))
    wanted = None if recipient_ids is None else frozenset(recipient_ids)
    changes = no_changes()
    ended = []
    for (
        recipient_id,
        hour,
        sent_bytes,
        ledger_domain_id,
        domain_id,
        account_id,
        list_id,
    ) in cursor.fetchall():
        if wanted is None or recipient_id in wanted:
            ended.append((recipient_id,))
            for key in keys(ledger_domain_id, domain_id, account_id, list_id):
                changes[key, hour][0] -= 1
                changes[key, hour][1] -= sent_bytes
    if ended:
        change(cursor, changes)
        cursor.executemany(_NO_MORE_RESERVED, sorted(ended))


def count_bounce(cursor: Any, key: Key, hour: int, *, is_own: bool) -> int:
    """One more report; how many the key has received in this hour."""
    cursor.execute(_COUNT_BOUNCE, (key.kind.value, key.key_id, hour, int(is_own)))
    (count,) = cursor.fetchone()
    return int(count)


def bounces(cursor: Any, key: Key, hour: int) -> int:
    """Reports received in this hour."""
    cursor.execute(_BOUNCES, (key.kind.value, key.key_id, hour))
    row = cursor.fetchone()
    return int(row[0]) if row else 0
