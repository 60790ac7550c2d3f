"""Failed log-ins of all services and the web, counted by address and by account (M-064)."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError, connection

from blobs.committer import process_committer
from clock.moments import to_micros, utc_now
from domains import directory
from domains.directory import Memory
from operations import blocks, rules
from operations.addresses import party
from operations.counting import LOGIN_PREFIX, Event, RecordEvents, total
from operations.models import Kind
from operations.rules import Rule

log = structlog.get_logger(__name__)

# Failures of an account that cost nothing; each further one doubles the wait.
FREE_FAILURES = 3
LONGEST_DELAY_SECONDS = 8.0

_rules: Memory[int, tuple[Rule, ...]] = Memory(limit=1)


def current_rules() -> tuple[Rule, ...]:
    """Those of log-ins, at most 30 s old."""
    return _rules.ask(1, lambda _: _guessing(), cached_only=False)


def forget() -> None:
    """Called for each note on Topic.BLOCKS."""
    _rules.clear()


def login_failed(address: str, service: str, account: str) -> None:
    """Count a failed log-in; `account` is the login as it was given, known or not.

    Every process writes each failure at once, so the counting is exact over all of them. Raises
    nothing: a log-in must not end otherwise because it could not be counted.
    """
    try:
        _count(address, service, account)
    except DatabaseError as error:
        log.error("failed log-in could not be counted", error=str(error))


def _count(address: str, service: str, account: str) -> None:
    found = rules.matching(current_rules(), Kind.GUESSING, service)
    if not found:
        return
    now = to_micros(utc_now())
    counts_address = bool(address) and not blocks.is_exempt(address, service)
    events = []
    for rule in found:
        slice_ = rule.slice_of(now)
        if counts_address:
            events.append(Event(rule, party(address), slice_, 1))
        if account:
            events.append(Event(rule, _subject(account), slice_, 1))
    if not events:
        return
    job = RecordEvents(now=now, events=events)
    if connection.in_atomic_block:
        # The committer would wait for this very transaction.
        with connection.cursor() as cursor:
            RecordEvents.write_rows([job], cursor)
    else:
        written = process_committer().submit(job)
        written.add_done_callback(_log_failure)


def delay_seconds(account: str, *, now: datetime) -> float:
    """How long the next log-in of an account has to wait before it is looked at.

    Growing instead of a lock-out, the same whether the account exists or not, and the same for
    right and wrong passwords: a guesser learns nothing from the time. Counted over all processes.
    """
    subject = _subject(account)
    seen = max((total(rule, subject, to_micros(now)) for rule in current_rules()), default=0)
    if seen < FREE_FAILURES:
        return 0.0
    return min(LONGEST_DELAY_SECONDS, 2.0 ** min(seen - FREE_FAILURES, 10))


def _log_failure(written: Future[Any]) -> None:
    if (error := written.exception()) is not None:
        log.error("failed log-in could not be counted", error=str(error))


def _guessing() -> tuple[Rule, ...]:
    return tuple(rule for rule in rules.enabled() if rule.kind == Kind.GUESSING)


def _subject(account: str) -> str:
    """The same for every name of a domain: an account has one count, not one for each alias."""
    login = account.strip().lower()
    local_part, at, name = login.rpartition("@")
    domain = directory.by_name(name) if at else None
    if domain is not None:
        login = f"{local_part}@{domain.name}"
    return f"{LOGIN_PREFIX}{login}"[:320]
