"""Failed log-ins of all services and the web, counted by address and by account (M-064)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from typing import Any

import structlog
from django.db import DatabaseError, connection

from blobs.committer import process_committer
from clock.moments import to_micros, utc_now
from domains.directory import Memory
from operations import blocks, rules
from operations.addresses import party
from operations.counting import LOGIN_PREFIX, Event, RecordEvents, Sums
from operations.models import Kind
from operations.rules import Rule

log = structlog.get_logger(__name__)

# Failures of an account that cost nothing; each further one doubles the wait.
FREE_FAILURES = 3
LONGEST_DELAY_SECONDS = 8.0
MOST_ACCOUNTS = 10_000

_rules: Memory[int, tuple[Rule, ...]] = Memory(limit=1)
_lock = threading.Lock()
_failures: dict[str, tuple[float, int]] = {}  # login -> (until when it counts, how many)


def current_rules() -> tuple[Rule, ...]:
    """Those of log-ins, at most 30 s old."""
    return _rules.ask(1, lambda _: _guessing(), cached_only=False)


def forget() -> None:
    """Called for each note on Topic.BLOCKS."""
    _rules.clear()


def forget_failures() -> None:
    with _lock:
        _failures.clear()


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
        _remember(job.result, account, found)
    else:
        written = process_committer().submit(job)
        written.add_done_callback(lambda future: _take_result(future, account, found))


def delay_seconds(account: str) -> float:
    """How long the next log-in of an account has to wait before it is looked at.

    Growing instead of a lock-out, the same whether the account exists or not, and the same for
    right and wrong passwords: a guesser learns nothing from the time.
    """
    known = _failures.get(_subject(account))
    if known is None or known[0] < time.monotonic() or known[1] < FREE_FAILURES:
        return 0.0
    return min(LONGEST_DELAY_SECONDS, 2.0 ** min(known[1] - FREE_FAILURES, 10))


def _take_result(written: Future[Any], account: str, found: tuple[Rule, ...]) -> None:
    if (error := written.exception()) is not None:
        log.error("failed log-in could not be counted", error=str(error))
    else:
        _remember(written.result(), account, found)


def _remember(sums: Sums, account: str, found: tuple[Rule, ...]) -> None:
    subject = _subject(account)
    count = max((sums.get((rule.rule_id, subject), 0) for rule in found), default=0)
    until = time.monotonic() + max(rule.window_seconds for rule in found)
    with _lock:
        _failures.pop(subject, None)
        _failures[subject] = (until, count)
        while len(_failures) > MOST_ACCOUNTS:
            del _failures[next(iter(_failures))]


def _guessing() -> tuple[Rule, ...]:
    return tuple(rule for rule in rules.enabled() if rule.kind == Kind.GUESSING)


def _subject(account: str) -> str:
    return f"{LOGIN_PREFIX}{account.strip().lower()}"[:320]
