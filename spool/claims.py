"""Claiming due recipients for this process, and giving claims back (S-002, S-058, S-059)."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from blobs.committer import Job
from blobs.store import Location
from spool import summaries, throttleclaims, throttlecounts
from spool.models import State
from spool.priority import HIGHEST, LOWEST
from spool.statements import marks, padded
from spool.work import Claim, ClaimedMessage, ClaimedRecipient, Reservation

LEASE_SECONDS = 900  # a claim lapses by itself: another process takes over what this one held
SECOND = 1_000_000
OLDEST_SHARE = 0.1  # of each claim goes to the longest due of any priority (P-003)
DESTINATIONS_PER_WALK = 200
CLAIMS_PER_DESTINATION = 50
FAIR_SHARE = 0.5  # of each claim goes domain by domain where one claim cannot take all
DOMAINS_IN_TURN = 40  # looked at in one claim; the next one goes on behind them
LOCAL = ""  # the destination of what stays here

# As the partial indexes say it: parameters there would keep SQLite from using them.
_WAITS = f"state < {State.DELIVERED.value} AND due_at IS NOT NULL"
_FREE = "(claimed_until IS NULL OR claimed_until <= %s)"
_TABLE = "spool_spooledrecipient"

_ARM = (
    "SELECT * FROM"
    f" (SELECT {{rank}} AS rank, id, destination, due_at, ledger_domain_id FROM {_TABLE}"
    f" WHERE {_WAITS} AND {{which}} AND due_at <= %s ORDER BY due_at LIMIT %s{{lock}}) AS a{{rank}}"
)
_FORCED = "is_forced = %s"
_OF_PRIORITY = "is_forced = %s AND priority = %s"
_AT_DESTINATION = "destination = %s"
_OF_DOMAIN = "priority = %s AND ledger_domain_id = %s"
_OF_NO_DOMAIN = "priority = %s AND ledger_domain_id IS NULL"
# From domain to domain along the index: its cost is that of the domains, not of their mail.
_DOMAINS = (
    "WITH RECURSIVE turn(number, domain) AS ("
    f"SELECT 1, (SELECT MIN(ledger_domain_id) FROM {_TABLE}"
    f" WHERE {_WAITS} AND priority = %s AND ledger_domain_id > %s)"
    f" UNION ALL SELECT number + 1, (SELECT MIN(ledger_domain_id) FROM {_TABLE}"
    f" WHERE {_WAITS} AND priority = %s AND ledger_domain_id > turn.domain)"
    " FROM turn WHERE domain IS NOT NULL AND number < %s)"
    " SELECT domain FROM turn WHERE domain IS NOT NULL"
)
_DUE_AT_DESTINATION = (
    f"SELECT id, due_at, ledger_domain_id FROM {_TABLE} WHERE {_WAITS}"
    " AND destination = %s AND due_at <= %s ORDER BY due_at LIMIT %s{lock}"
)
_NEXT_DUE = f"SELECT MIN(due_at) FROM {_TABLE} WHERE {_WAITS} AND {{which}}"
_NEXT_DESTINATION = f"SELECT MIN(destination) FROM {_TABLE} WHERE {_WAITS} AND destination > %s"
_CLAIM = (
    f"UPDATE {_TABLE} SET claimed_by = %s, claimed_until = %s, due_at = %s,"
    f" attempts = attempts + 1 WHERE id IN ({{ids}}) AND {_WAITS} AND {_FREE}"
    " RETURNING id, hold_reason = ''"
)
_DETAILS = (
    "SELECT r.id, r.address, r.original_address, r.orcpt, r.notify, r.route, r.account_id,"
    " r.ledger_domain_id, r.destination, r.priority, r.is_forced, r.attempts,"
    " m.id, m.sender, m.origin, m.kind, m.domain_id, m.size_bytes, m.body_type, m.smtputf8,"
    " m.ret, m.envid, m.manual_priority, m.accepted_at, m.expires_at, m.recipients_total,"
    ' b.id, b.segment_id, b."offset", b.length, b.size_bytes,'
    " m.sender_account_id, m.throttled_until, r.throttle_hour, r.throttle_bytes, r.via,"
    " r.place, r.return_path, m.list_id"
    f" FROM {_TABLE} r JOIN spool_spooledmessage m ON m.id = r.message_id"
    " LEFT JOIN blobs_blob b ON b.id = m.blob_id WHERE r.id IN ({ids})"
)
_RENEW = (
    f"UPDATE {_TABLE} SET claimed_until = %s, due_at = %s"
    f" WHERE id IN ({{ids}}) AND claimed_by = %s AND {_WAITS}"
)
# What an operator has held or deleted while it was claimed does not come up again by itself.
_FREE_AGAIN = (
    "claimed_by = NULL, claimed_until = NULL,"
    f" state = CASE WHEN state < {State.HELD.value} AND hold_reason <> '' THEN {State.HELD.value}"
    " ELSE state END,"
    f" due_at = CASE WHEN state = {State.DELETING.value} OR hold_reason <> '' THEN NULL"
    " ELSE %s END"
)
_RELEASE = (
    f"UPDATE {_TABLE} SET {_FREE_AGAIN}, attempts = attempts - 1"
    f" WHERE id IN ({{ids}}) AND claimed_by = %s AND {_WAITS} RETURNING message_id, state"
)
_OWNERS = f"SELECT DISTINCT claimed_by FROM {_TABLE} WHERE {_WAITS} AND claimed_by IS NOT NULL"
_OWNED = f"SELECT id, attempts FROM {_TABLE} WHERE {_WAITS} AND claimed_by = %s ORDER BY id{{lock}}"
_RECOVER = (
    f"UPDATE {_TABLE} SET {_FREE_AGAIN} WHERE {_WAITS} AND claimed_by = %s"
    " RETURNING message_id, state"
)
# In the order in which they leave: what stays here (P-002), forced mail, then by priority.
_CLASSES: tuple[tuple[str, tuple[object, ...]], ...] = (
    (_AT_DESTINATION, (LOCAL,)),
    (_FORCED, (True,)),
    *((_OF_PRIORITY, (False, priority)) for priority in range(HIGHEST, LOWEST - 1, -1)),
)


def row_lock() -> str:
    """Rows that another process is just claiming are passed over; SQLite has one writer."""
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    return " FOR UPDATE SKIP LOCKED" if vendor == "postgresql" else ""


@dataclass(slots=True)
class Rounds:
    """How far a process has come in looking at destinations and domains one by one."""

    destination: str | None = None  # go on behind this one; None: no need to
    domain: int = 0  # go on behind this one; 0: from the beginning, with mail of no domain
    priority: int | None = None  # of which more was due than one claim takes


@dataclass(slots=True, kw_only=True, eq=False)
class ClaimDue(Job):
    """Claim up to `limit` due recipients; its result is a Claim."""

    owner: int
    now: int
    limit: int
    oldest_share: float = OLDEST_SHARE  # 0: strictly by priority
    recipients_per_transaction: int = 100
    full_destinations: frozenset[str] = frozenset()
    full_domains: frozenset[int] = frozenset()
    rounds: Rounds = field(default_factory=Rounds)

    @staticmethod
    def write_rows(jobs: Sequence[ClaimDue], cursor: Any) -> None:
        for job in jobs:
            job.result = job._look(cursor)

    def _look(self, cursor: Any) -> Claim:
        claim = Claim()
        if self.rounds.destination is None:
            ids, claim.is_blocked = self._choose(cursor)
        else:
            ids = self._fair(cursor)
            self._walk(cursor, ids)
        if claim.is_blocked:
            self.rounds.destination = LOCAL
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
        self.rounds.priority = _overflowing(rows, self.limit)
        waiting = [row for row in rows if self._may_go(row[2], row[4])]
        chosen: dict[int, int] = {}
        if len(waiting) > self.limit and self.oldest_share:
            share = max(1, int(self.limit * self.oldest_share))
            oldest = heapq.nsmallest(share, waiting, key=itemgetter(3))
            chosen.update((row[1], row[3]) for row in oldest)
        if self.rounds.priority is not None:
            chosen.update(self._fair(cursor))
        for row in waiting:
            if len(chosen) >= self.limit:
                break
            chosen[row[1]] = row[3]
        return chosen, len(rows) >= self.limit and len(chosen) < self.limit

    def _may_go(self, destination: str, domain_id: int | None) -> bool:
        is_full = destination in self.full_destinations or (domain_id or 0) in self.full_domains
        return not is_full

    def _fair(self, cursor: Any) -> dict[int, int]:
        """Some of each domain that has mail of the priority of which there is too much."""
        rounds, priority = self.rounds, self.rounds.priority
        if priority is None:
            return {}
        cursor.execute(_DOMAINS, (priority, rounds.domain, priority, DOMAINS_IN_TURN))
        domains: list[int | None] = [row[0] for row in cursor.fetchall()]
        after = domains[-1] if len(domains) == DOMAINS_IN_TURN else None
        if rounds.domain == 0:
            domains.append(None)
        rounds.domain = after or 0
        domains = [one for one in domains if (one or 0) not in self.full_domains]
        if not domains:
            return {}
        share = max(1, int(self.limit * FAIR_SHARE) // len(domains))
        arms, values = [], []
        for rank, domain_id in enumerate(domains):
            which = _OF_NO_DOMAIN if domain_id is None else _OF_DOMAIN
            arms.append(_ARM.format(rank=rank, which=which, lock=row_lock()))
            values += [priority, *(() if domain_id is None else (domain_id,)), self.now, share]
        cursor.execute(" UNION ALL ".join(arms), values)
        return {row[1]: row[3] for row in cursor.fetchall() if self._may_go(row[2], row[4])}

    def _walk(self, cursor: Any, chosen: dict[int, int]) -> None:
        """Destination by destination, where full ones hide the others."""
        rounds = self.rounds
        assert rounds.destination is not None
        if LOCAL not in self.full_destinations:
            self._choose_at(cursor, LOCAL, chosen)
        for _ in range(DESTINATIONS_PER_WALK):
            cursor.execute(_NEXT_DESTINATION, (rounds.destination,))
            (name,) = cursor.fetchone()
            rounds.destination = name
            if name is None or len(chosen) >= self.limit:
                break
            if name not in self.full_destinations:
                self._choose_at(cursor, name, chosen)

    def _choose_at(self, cursor: Any, destination: str, chosen: dict[int, int]) -> None:
        cursor.execute(
            _DUE_AT_DESTINATION.format(lock=row_lock()),
            (destination, self.now, CLAIMS_PER_DESTINATION),
        )
        for recipient_id, due_at, domain_id in cursor.fetchall():
            if (domain_id or 0) not in self.full_domains:
                chosen[recipient_id] = due_at

    def _claim(self, cursor: Any, due: dict[int, int]) -> list[ClaimedRecipient]:
        ids = padded(sorted(due))
        lapses_at = self.now + LEASE_SECONDS * SECOND
        cursor.execute(
            _CLAIM.format(ids=marks(ids)), (self.owner, lapses_at, lapses_at, *ids, self.now)
        )
        rows = cursor.fetchall()
        if kept := [row[0] for row in rows if not row[1]]:
            _let_go(cursor, _RELEASE.format(ids=marks(kept)), (self.now, *kept, self.owner))
        claimed = [row[0] for row in rows if row[1]]
        if not claimed:
            return []
        return read_details(select_details(cursor, claimed), due)


def select_details(cursor: Any, recipient_ids: Sequence[int]) -> list[tuple[Any, ...]]:
    ids = padded(recipient_ids)
    cursor.execute(_DETAILS.format(ids=marks(ids)), ids)
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def read_details(rows: Iterable[tuple[Any, ...]], due: dict[int, int]) -> list[ClaimedRecipient]:
    messages: dict[int, ClaimedMessage] = {}
    recipients = []
    for row in rows:
        message = messages.get(row[12])
        if message is None:
            location = None if row[26] is None else Location(*row[26:31])
            values = (*row[12:19], bool(row[19]), *row[20:26], location, *row[31:33], row[38])
            message = messages[row[12]] = ClaimedMessage(*values)
        reservation = None if row[33] is None else Reservation(row[33], row[34] or 0)
        due_at = due.get(row[0], 0)
        values = (
            row[0], message, *row[1:10], bool(row[10]), row[11], due_at, reservation,
            row[35], row[36], row[37],
        )  # fmt: skip
        recipients.append(ClaimedRecipient(*values))
    recipients.sort(key=lambda recipient: (recipient.order, recipient.recipient_id))
    return recipients


def next_due(cursor: Any) -> int | None:
    """When the next recipient is due that waits, or its claim lapses; None: nobody waits."""
    statement = " UNION ALL ".join(_NEXT_DUE.format(which=which) for which, _ in _CLASSES)
    cursor.execute(statement, [value for _, which in _CLASSES for value in which])
    return min((row[0] for row in cursor.fetchall() if row[0] is not None), default=None)


def _overflowing(rows: Sequence[tuple[Any, ...]], limit: int) -> int | None:
    """The highest priority of which there is more due than one claim takes."""
    if len(rows) < limit:
        return None
    counts = Counter(row[0] for row in rows)
    for rank, (_, which) in enumerate(_CLASSES):
        if len(which) == 2 and counts[rank] >= limit:
            return int(which[1])  # type: ignore[call-overload,no-any-return]
    return None


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
                _let_go(cursor, statement, (job.now, *job.recipient_ids, job.owner))


def owners(cursor: Any) -> list[int]:
    """Every process that holds claims, dead or alive."""
    cursor.execute(_OWNERS)
    return [row[0] for row in cursor.fetchall()]


def recover(cursor: Any, owner: int, now: int) -> list[tuple[int, int]]:
    """Give back the claims of a dead process; (recipient id, number of the broken try) of each."""
    # Of two processes that do so at once, the second one finds nothing left.
    lock = " FOR UPDATE" if connections[DEFAULT_DB_ALIAS].vendor == "postgresql" else ""
    cursor.execute(_OWNED.format(lock=lock), (owner,))
    broken = [(row[0], row[1]) for row in cursor.fetchall()]
    throttlecounts.give_back(cursor, owner)
    _let_go(cursor, _RECOVER, (now, owner))
    return broken


def _let_go(cursor: Any, statement: str, values: Sequence[Any]) -> None:
    cursor.execute(statement, values)
    held = {message_id for message_id, state in cursor.fetchall() if state == State.HELD}
    summaries.refresh(cursor, sorted(held))
