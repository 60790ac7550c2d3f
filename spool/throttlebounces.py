"""Non-delivery reports that come in, counted by the hour for whoever receives them (T-007)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from clock.moments import to_micros
from protocols.message import dsn_reader, headers
from protocols.message.mime import scan
from protocols.message.reports import Action
from spool import throttle, throttlecounts, throttlecrossings, throttlepolicy
from spool.errors import TooManyReports
from spool.models import Route
from spool.routing import Target
from spool.throttle import Key, Kind, Reason

# A report is known by its beginning; what it gives back in full may be long.
SEARCHED_BYTES = 1024 * 1024

# A report counts as one of ours only as often as the message it names had recipients: who has
# got one message could silence its sender with a thousand reports about it otherwise.
_RECOGNISE = (
    "UPDATE spool_spooledmessage SET reports_received = COALESCE(reports_received, 0) + 1"
    " WHERE id = (SELECT id FROM spool_spooledmessage WHERE message_id = %s AND domain_id = %s"
    " AND sender <> '' ORDER BY id DESC LIMIT 1)"
    " AND COALESCE(reports_received, 0) < recipients_total RETURNING sender_account_id"
)


@dataclass(frozen=True, slots=True)
class ReceivedReport:
    """One report on its way in: in whose hours it counts, and which message it is about."""

    keys: tuple[Key, ...]
    message_id: str  # without brackets; empty: not said


def is_limited(targets: Iterable[Target], *, cached_only: bool = False) -> bool:
    """Whether any of the mailboxes, or its domain, may receive only so many reports.

    Raises domains.directory.Cold.
    """
    return bool(_limited_keys(targets, cached_only=cached_only))


def require_room(targets: Sequence[Target], now: datetime) -> None:
    """For mail from the null sender. Raises TooManyReports. Asks the database."""
    hour = throttle.hour_of(to_micros(now))
    with connection.cursor() as cursor:
        for key in _limited_keys(targets):
            payer = throttlepolicy.payer(key)
            allowed = payer.allowance.bounces if payer is not None else None
            if payer is None or allowed is None:
                continue
            received = throttlecounts.bounces(cursor, key, hour)
            if received >= allowed:
                raise TooManyReports(payer.who, received, allowed)


def read(targets: Iterable[Target], message: bytes) -> ReceivedReport | None:
    """None: no report of a failure, or nobody counts it."""
    keys = _limited_keys(targets)
    if not keys or not is_failure_report(message):
        return None
    named = dsn_reader.returned_message_id(message[:SEARCHED_BYTES]) or ""
    return ReceivedReport(keys, named.strip().strip("<>")[:250])


def is_failure_report(message: bytes) -> bool:
    """RFC 3464: a report that says of somebody that he will not get the message."""
    if b"multipart/report" not in message[: headers.body_start(message)].lower():
        return False
    message = message[:SEARCHED_BYTES]
    content = scan(message).content
    if (content.type, content.subtype) != (b"multipart", b"report"):
        return False
    report = dsn_reader.parse(message)
    if report is None:
        return False
    told = {recipient.action for recipient in report.recipients}
    return not told or Action.FAILED in told


def count(cursor: Any, reports: Iterable[ReceivedReport], now: int) -> None:
    """In the transaction that accepts them; `now` in microseconds."""
    hour = throttle.hour_of(now)
    for report in reports:
        own = _recognise(cursor, report)
        for key in sorted(report.keys):
            received = throttlecounts.count_bounce(cursor, key, hour, is_own=key in own)
            payer = throttlepolicy.payer(key)
            allowed = payer.allowance.bounces if payer is not None else None
            if payer is not None and allowed is not None and received >= allowed:
                throttlecrossings.record(
                    cursor, payer, Reason.BOUNCES, used=received, allowed=allowed, now=now
                )


def _recognise(cursor: Any, report: ReceivedReport) -> frozenset[Key]:
    """The keys that have really sent the message which the report is about."""
    own: set[Key] = set()
    if not report.message_id:
        return frozenset()
    for key in report.keys:
        if key.kind is Kind.DOMAIN:
            cursor.execute(_RECOGNISE, (report.message_id, key.key_id))
            row = cursor.fetchone()
            if row is not None:
                own.add(key)
                if row[0] is not None:
                    own.add(Key(Kind.USER, row[0]))
    return frozenset(own)


def _limited_keys(targets: Iterable[Target], *, cached_only: bool = False) -> tuple[Key, ...]:
    """Users and domains of which at least one has a limit; from memory, as routing left it."""
    found: dict[Key, None] = {}
    for target in targets:
        if target.domain_id is None or target.route == Route.REMOTE:
            continue
        keys: tuple[Key, ...] = (Key(Kind.DOMAIN, target.domain_id),)
        if target.account is not None:  # else the return path of a list's copy
            keys = (Key(Kind.USER, target.account.account_id), *keys)
        payers = throttlepolicy.payers(keys, cached_only=cached_only)
        if any(payer.allowance.bounces is not None for payer in payers):
            found.update(dict.fromkeys(keys))
    return tuple(found)
