"""Claiming due recipients for this process, and giving claims back (S-002, S-058, S-059)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from blobs.committer import Job
from blobs.store import Location
from spool import throttleclaims, throttlecounts
from spool.models import State
from spool.priority import HIGHEST, LOWEST
from spool.work import Claim, ClaimedMessage, ClaimedRecipient, Reservation

LEASE_SECONDS = 900  # a claim lapses by itself: another process takes over what this one held
SECOND = 1_000_000
OLDEST_SHARE = 0.1  # of each claim goes to the longest due of any priority (P-003)
DESTINATIONS_PER_WALK = 200
CLAIMS_PER_DESTINATION = 50
LOCAL = ""  # the destination of what stays here

# As the partial indexes say it: parameters there would keep SQLite from using them.
_WAITS = f"state < {State.DELIVERED.value} AND due_at IS NOT NULL"
_FREE = "(claimed_until IS NULL OR claimed_until <= %s)"
_TABLE = "spool_spooledrecipient"

_ARM = (
    f"SELECT * FROM (SELECT {{rank}} AS rank, id, destination, due_at FROM {_TABLE}"
    f" WHERE {_WAITS} AND {{which}} AND due_at <= %s ORDER BY due_at LIMIT %s{{lock}}) AS a{{rank}}"
)
_FORCED = "is_forced = %s"
_OF_PRIORITY = "is_forced = %s AND priority = %s"
_AT_DESTINATION = "destination = %s"
_DUE_AT_DESTINATION = (
    f"SELECT id, due_at FROM {_TABLE} WHERE {_WAITS}"
    " AND destination = %s AND due_at <= %s ORDER BY due_at LIMIT %s{lock}"
)
_NEXT_DUE = f"SELECT MIN(due_at) FROM {_TABLE} WHERE {_WAITS} AND {{which}}"
_NEXT_DESTINATION = f"SELECT MIN(destination) FROM {_TABLE} WHERE {_WAITS} AND destination > %s"
_CLAIM = (
    f"UPDATE {_TABLE} SET claimed_by = %s, claimed_until = %s, due_at = %s,"
    f" attempts = attempts + 1 WHERE id IN ({{ids}}) AND {_WAITS} AND {_FREE} RETURNING id"
)
_DETAILS = (
    "SELECT r.id, r.address, r.original_address, r.orcpt, r.notify, r.route, r.account_id,"
    " r.ledger_domain_id, r.destination, r.priority, r.is_forced, r.attempts,"
    " m.id, m.sender, m.origin, m.kind, m.domain_id, m.size_bytes, m.body_type, m.smtputf8,"
    " m.ret, m.envid, m.manual_priority, m.accepted_at, m.expires_at, m.recipients_total,"
    ' b.id, b.segment_id, b."offset", b.length, b.size_bytes,'
    " m.sender_account_id, m.throttled_until, r.throttle_hour, r.throttle_bytes"
    f" FROM {_TABLE} r JOIN spool_spooledmessage m ON m.id = r.message_id"
    " LEFT JOIN blobs_blob b ON b.id = m.blob_id WHERE r.id IN ({ids})"
)
_RENEW = (
    f"UPDATE {_TABLE} SET claimed_until = %s, due_at = %s"
    f" WHERE id IN ({{ids}}) AND claimed_by = %s AND {_WAITS}"
)
_RELEASE = (
    f"UPDATE {_TABLE} SET claimed_by = NULL, claimed_until = NULL, due_at = %s,"
    f" attempts = attempts - 1 WHERE id IN ({{ids}}) AND claimed_by = %s AND {_WAITS}"
)
_OWNERS = f"SELECT DISTINCT claimed_by FROM {_TABLE} WHERE {_WAITS} AND claimed_by IS NOT NULL"
_OWNED = f"SELECT id, attempts FROM {_TABLE} WHERE {_WAITS} AND claimed_by = %s"
_RECOVER = (
    f"UPDATE {_TABLE} SET claimed_by = NULL, claimed_until = NULL, due_at = %s"
    f" WHERE {_WAITS} AND claimed_by = %s"
)
# In the order in which they leave: what stays here (P-002), forced mail, then by priority.
_CLASSES: tuple[tuple[str, tuple[object, ...]], ...] = (
    (_AT_DESTINATION, (LOCAL,)),
    (_FORCED, (True,)),
    *((_OF_PRIORITY, (False, priority)) for priority in range(HIGHEST, LOWEST - 1, -1)),
)


def marks(values: Sequence[object]) -> str:
    return ", ".join(["%s"] * len(values))


def row_lock() -> str:
    """Rows that another process is just claiming are passed over; SQLite has one writer."""
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    return " FOR UPDATE SKIP LOCKED" if vendor == "postgresql" else ""


@dataclass(slots=True, kw_only=True, eq=False)
class ClaimDue(Job):
    """Claim up to `limit` due recipients; its result is a Claim."""

    owner: int
    now: int
    limit: int
    oldest_share: float = OLDEST_SHARE  # 0: strictly by priority
    recipients_per_transaction: int = 100
    full_destinations: frozenset[str] = frozenset()
    walk_from: str | None = None  # look destination by destination, from behind this one
    walked_to: str = field(default="", init=False)

    @staticmethod
    def write_rows(jobs: Sequence[ClaimDue], cursor: Any) -> None:
        for job in jobs:
            job.result = job._look(cursor)

    def _look(self, cursor: Any) -> Claim:
        claim = Claim()
        if self.walk_from is None:
            ids, claim.is_blocked = self._choose(cursor)
        else:
            ids = self._walk(cursor, self.walk_from)
        if ids:
            admission = throttleclaims.admit(
                cursor,
                self._claim(cursor, ids),
                now=self.now,
                recipients_per_transaction=self.recipients_per_transaction,
            )
            claim.recipients, claim.held = admission.admitted, len(admission.held)
        if len(ids) < self.limit:
            claim.next_due_at = next_due(cursor)
        return claim

    def _choose(self, cursor: Any) -> tuple[dict[int, int], bool]:
        """Ids with their due times, and whether full destinations hid what else is due."""
        values = [value for _, which in _CLASSES for value in (*which, self.now, self.limit)]
        cursor.execute(_choosing(row_lock()), values)
        rows = sorted(cursor.fetchall(), key=itemgetter(0))
        waiting = [row for row in rows if row[2] not in self.full_destinations]
        chosen: dict[int, int] = {}
        if len(waiting) > self.limit and self.oldest_share:
            share = max(1, int(self.limit * self.oldest_share))
            oldest = heapq.nsmallest(share, waiting, key=itemgetter(3))
            chosen.update((row[1], row[3]) for row in oldest)
        for row in waiting:
            if len(chosen) >= self.limit:
                break
            chosen[row[1]] = row[3]
        return chosen, len(rows) >= self.limit and len(chosen) < self.limit

    def _walk(self, cursor: Any, after: str) -> dict[int, int]:
        chosen: dict[int, int] = {}
        self.walked_to = after
        if LOCAL not in self.full_destinations:
            self._choose_at(cursor, LOCAL, chosen)
        for _ in range(DESTINATIONS_PER_WALK):
            cursor.execute(_NEXT_DESTINATION, (self.walked_to,))
            (name,) = cursor.fetchone()
            self.walked_to = name or ""
            if name is None or len(chosen) >= self.limit:
                break
            if name not in self.full_destinations:
                self._choose_at(cursor, name, chosen)
        return chosen

    def _choose_at(self, cursor: Any, destination: str, chosen: dict[int, int]) -> None:
        cursor.execute(
            _DUE_AT_DESTINATION.format(lock=row_lock()),
            (destination, self.now, CLAIMS_PER_DESTINATION),
        )
        chosen.update(cursor.fetchall())

    def _claim(self, cursor: Any, due: dict[int, int]) -> list[ClaimedRecipient]:
        ids = sorted(due)
        lapses_at = self.now + LEASE_SECONDS * SECOND
        cursor.execute(
            _CLAIM.format(ids=marks(ids)), (self.owner, lapses_at, lapses_at, *ids, self.now)
        )
        claimed = [row[0] for row in cursor.fetchall()]
        if not claimed:
            return []
        return read_details(select_details(cursor, claimed), due)


def select_details(cursor: Any, recipient_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    cursor.execute(_DETAILS.format(ids=marks(recipient_ids)), recipient_ids)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def read_details(rows: Iterable[tuple[Any, ...]], due: dict[int, int]) -> list[ClaimedRecipient]:
    messages: dict[int, ClaimedMessage] = {}
    recipients = []
    for row in rows:
        message = messages.get(row[12])
        if message is None:
            location = None if row[26] is None else Location(*row[26:31])
            values = (*row[12:19], bool(row[19]), *row[20:26], location, *row[31:33])
            message = messages[row[12]] = ClaimedMessage(*values)
        reservation = None if row[33] is None else Reservation(row[33], row[34] or 0)
        due_at = due.get(row[0], 0)
        values = (row[0], message, *row[1:10], bool(row[10]), row[11], due_at, reservation)
        recipients.append(ClaimedRecipient(*values))
    recipients.sort(key=lambda recipient: (recipient.order, recipient.recipient_id))
    return recipients


def next_due(cursor: Any) -> int | None:
    """When the next recipient is due that waits, or its claim lapses; None: nobody waits."""
    statement = " UNION ALL ".join(_NEXT_DUE.format(which=which) for which, _ in _CLASSES)
    cursor.execute(statement, [value for _, which in _CLASSES for value in which])
    return min((row[0] for row in cursor.fetchall() if row[0] is not None), default=None)


@lru_cache(maxsize=2)
def _choosing(lock: str) -> str:
    arms = (
        _ARM.format(rank=rank, which=which, lock=lock) for rank, (which, _) in enumerate(_CLASSES)
    )
    return " UNION ALL ".join(arms)


@dataclass(slots=True, kw_only=True, eq=False)
class RenewClaims(Job):
    """Keep what is still being worked on from lapsing."""

    owner: int
    now: int
    recipient_ids: Sequence[int]

    @staticmethod
    def write_rows(jobs: Sequence[RenewClaims], cursor: Any) -> None:
        for job in jobs:
            if job.recipient_ids:
                until = job.now + LEASE_SECONDS * SECOND
                statement = _RENEW.format(ids=marks(job.recipient_ids))
                cursor.execute(statement, (until, until, *job.recipient_ids, job.owner))


@dataclass(slots=True, kw_only=True, eq=False)
class ReleaseClaims(Job):
    """Give back, untried, what was claimed: this process is about to end."""

    owner: int
    now: int
    recipient_ids: Sequence[int]

    @staticmethod
    def write_rows(jobs: Sequence[ReleaseClaims], cursor: Any) -> None:
        for job in jobs:
            if job.recipient_ids:
                throttlecounts.give_back(cursor, job.owner, job.recipient_ids)
                statement = _RELEASE.format(ids=marks(job.recipient_ids))
                cursor.execute(statement, (job.now, *job.recipient_ids, job.owner))


def owners(cursor: Any) -> list[int]:
    """Every process that holds claims, dead or alive."""
    cursor.execute(_OWNERS)
    return [row[0] for row in cursor.fetchall()]


def recover(cursor: Any, owner: int, now: int) -> list[tuple[int, int]]:
    """Give back the claims of a dead process; (recipient id, number of the broken try) of each."""
    cursor.execute(_OWNED, (owner,))
    broken = [(row[0], row[1]) for row in cursor.fetchall()]
    throttlecounts.give_back(cursor, owner)
    cursor.execute(_RECOVER, (now, owner))
    return broken
