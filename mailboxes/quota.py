"""Bytes used against bytes allowed: of mailboxes (U-013), domains (D-082), plans and the server
(X-011).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from django.db import connection

from accounts import directory as account_directory
from accounts.directory import AccountPolicy
from domains import directory as domain_directory
from domains.directory import Cold
from mailboxes.errors import QuotaExceeded, QuotaScope

__all__ = [
    "QuotaExceeded",
    "QuotaScope",
    "add_usage",
    "refuse_overfull",
    "require_room",
    "take_refusing",
    "usage",
]

# The answer at RCPT TO may be this old; what counts is asked again within the delivery.
REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 100_000
# Under which the one sum of the whole server is remembered.
EVERYTHING = 0

_remembered: dict[tuple[str, int], tuple[float, int]] = {}
# Domains for which something found no room since `take_refusing` was asked last.
_refusing: set[int] = set()

_READ = {
    QuotaScope.ACCOUNT: "SELECT account_id, bytes FROM mailboxes_accountusage"
    " WHERE account_id IN ({marks})",
    QuotaScope.DOMAIN: "SELECT domain_id, bytes FROM mailboxes_domainusage"
    " WHERE domain_id IN ({marks})",
    QuotaScope.PLAN: "SELECT owned.reseller_id, SUM(used.bytes) FROM mailboxes_domainusage used"
    " JOIN accounts_domainownership owned ON owned.domain_id = used.domain_id"
    " WHERE owned.reseller_id IN ({marks}) GROUP BY owned.reseller_id",
    QuotaScope.SERVER: "SELECT {marks}, COALESCE(SUM(bytes), 0) FROM mailboxes_domainusage",
}
_ADD = {
    QuotaScope.ACCOUNT: "INSERT INTO mailboxes_accountusage (account_id, bytes, messages)"
    " VALUES (%s, %s, %s) ON CONFLICT (account_id) DO UPDATE SET"
    " bytes = mailboxes_accountusage.bytes + excluded.bytes,"
    " messages = mailboxes_accountusage.messages + excluded.messages",
    QuotaScope.DOMAIN: "INSERT INTO mailboxes_domainusage (domain_id, bytes, messages)"
    " VALUES (%s, %s, %s) ON CONFLICT (domain_id) DO UPDATE SET"
    " bytes = mailboxes_domainusage.bytes + excluded.bytes,"
    " messages = mailboxes_domainusage.messages + excluded.messages",
}
_TAKE = {
    QuotaScope.ACCOUNT: "UPDATE mailboxes_accountusage SET bytes = bytes - %s,"
    " messages = messages - %s WHERE account_id = %s",
    QuotaScope.DOMAIN: "UPDATE mailboxes_domainusage SET bytes = bytes - %s,"
    " messages = messages - %s WHERE domain_id = %s",
}


class Sized(Protocol):
    """What asks for room: a delivery."""

    account_id: int
    domain_id: int
    size_bytes: int
    error: Exception | None


def require_room(account: AccountPolicy, size_bytes: int, *, cached_only: bool = False) -> None:
    """Raises QuotaExceeded if a message of that size would not fit now, or Cold.

    A courtesy at the door, from figures a few seconds old: the delivery itself decides.
    """
    domain = domain_directory.policy(account.domain_id, cached_only=cached_only)
    of_domain = None if domain is None else domain.limits.disk_space_bytes
    cap = account_directory.space_cap(account.domain_id, cached_only=cached_only)
    limits = [
        (QuotaScope.ACCOUNT, account.account_id, account.quota_bytes),
        (QuotaScope.DOMAIN, account.domain_id, of_domain),
    ]
    if cap is not None:
        limits.append((QuotaScope.PLAN, cap.reseller_id, cap.allowed_bytes))
    limits.append(
        (QuotaScope.SERVER, EVERYTHING, account_directory.server_space(cached_only=cached_only))
    )
    for scope, key, allowed in limits:
        if allowed is None:
            continue
        used = _recent(scope, key, cached_only=cached_only)
        if used + max(size_bytes, 1) > allowed:
            _note_refusal(scope, key)
            raise QuotaExceeded(scope, allowed=allowed, used=used, needed=size_bytes)


def usage(account: AccountPolicy) -> tuple[int, int | None]:
    """(bytes used, bytes allowed or None) of a mailbox, as GETQUOTA shows them."""
    with connection.cursor() as cursor:
        used = _read(cursor, QuotaScope.ACCOUNT, [account.account_id])
    return used.get(account.account_id, 0), account.quota_bytes


def refuse_overfull(cursor: Any, deliveries: Sequence[Sized]) -> None:
    """Set `error` of each delivery for which there is no room left, one after the other.

    Read before the counters are locked: processes that deliver at the same moment may together
    go beyond the limit by what they have in hand; the next message is refused.
    """
    limits = {
        QuotaScope.ACCOUNT: _account_limits({d.account_id for d in deliveries}),
        QuotaScope.DOMAIN: _domain_limits({d.domain_id for d in deliveries}),
    }
    used = {scope: _read(cursor, scope, known) if known else {} for scope, known in limits.items()}
    caps = {d.domain_id: account_directory.space_cap(d.domain_id) for d in deliveries}
    owners = {domain_id: cap.reseller_id for domain_id, cap in caps.items() if cap is not None}
    limits[QuotaScope.PLAN] = {cap.reseller_id: cap.allowed_bytes for cap in caps.values() if cap}
    limits[QuotaScope.SERVER] = {}
    if (allowed_here := account_directory.server_space()) is not None:
        limits[QuotaScope.SERVER][EVERYTHING] = allowed_here
    # Over many domains: the sums may be some seconds old.
    for scope in (QuotaScope.PLAN, QuotaScope.SERVER):
        used[scope] = {key: _recent(scope, key, cached_only=False) for key in limits[scope]}
    for delivery in deliveries:
        keys = {QuotaScope.ACCOUNT: delivery.account_id, QuotaScope.DOMAIN: delivery.domain_id}
        if delivery.domain_id in owners:
            keys[QuotaScope.PLAN] = owners[delivery.domain_id]
        if allowed_here is not None:
            keys[QuotaScope.SERVER] = EVERYTHING
        for scope, key in keys.items():
            allowed = limits[scope].get(key)
            taken = used[scope].get(key, 0)
            if allowed is not None and taken + delivery.size_bytes > allowed:
                _note_refusal(scope, key)
                delivery.error = QuotaExceeded(
                    scope, allowed=allowed, used=taken, needed=delivery.size_bytes
                )
                break
        else:
            for scope, key in keys.items():
                used[scope][key] = used[scope].get(key, 0) + delivery.size_bytes


def add_usage(
    cursor: Any, scope: QuotaScope, totals: Mapping[int, tuple[int, int]], *, sign: int = 1
) -> None:
    """Add (bytes, messages) by account or domain id, in the caller's transaction.

    `sign` -1 takes them away. Rows are locked in the order of their ids.
    """
    rows = [(key, *totals[key]) for key in sorted(totals)]
    if sign > 0:
        cursor.executemany(_ADD[scope], rows)
    else:
        cursor.executemany(_TAKE[scope], [(size, count, key) for key, size, count in rows])
    for key, size, _ in rows:
        known = _remembered.get((scope, key))
        if known is not None:
            _remembered[scope, key] = known[0], known[1] + sign * size


def take_refusing() -> set[int]:
    """Domains that had no room for something since the last question (D-083)."""
    taken = set(_refusing)
    _refusing.difference_update(taken)
    return taken


def _note_refusal(scope: QuotaScope, key: int) -> None:
    if scope is QuotaScope.DOMAIN:
        _refusing.add(key)


def forget() -> None:
    """Drop what is remembered."""
    _remembered.clear()
    _refusing.clear()


def _account_limits(account_ids: Iterable[int]) -> dict[int, int]:
    limits = {}
    for account_id in account_ids:
        policy = account_directory.account(account_id)
        if policy is not None and policy.quota_bytes is not None:
            limits[account_id] = policy.quota_bytes
    return limits


def _domain_limits(domain_ids: Iterable[int]) -> dict[int, int]:
    limits = {}
    for domain_id in domain_ids:
        policy = domain_directory.policy(domain_id)
        if policy is not None and policy.limits.disk_space_bytes is not None:
            limits[domain_id] = policy.limits.disk_space_bytes
    return limits


def _read(cursor: Any, scope: QuotaScope, keys: Iterable[int]) -> dict[int, int]:
    found = list(keys)
    cursor.execute(_READ[scope].format(marks=", ".join(["%s"] * len(found))), found)
    return dict(cursor.fetchall())


def _recent(scope: QuotaScope, key: int, *, cached_only: bool) -> int:
    known = _remembered.get((scope, key))
    if known is not None and known[0] > time.monotonic():
        return known[1]
    if cached_only:
        raise Cold
    with connection.cursor() as cursor:
        used = _read(cursor, scope, [key]).get(key, 0)
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[scope, key] = (time.monotonic() + REMEMBERED_SECONDS, used)
    return used
