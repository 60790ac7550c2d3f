"""When a deferred recipient is tried again, and when patience ends. Pure: no clock, no database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

JITTER = 0.1  # S-047: messages deferred together do not come back together


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The waits after the first, second, … failure; the last one repeats until patience ends."""

    waits: tuple[timedelta, ...]
    patience: timedelta
    null_sender_patience: timedelta
    delay_notice: timedelta | None  # None: the sender is never told of a delay


def make_policy(
    *,
    retry_minutes: Sequence[int],
    patience_days: int,
    null_sender_patience_days: int,
    delay_notice_hours: int,
) -> RetryPolicy:
    """The policy as an operator writes it down; 0 hours mean no notice (S-047 to S-049)."""
    return RetryPolicy(
        waits=tuple(timedelta(minutes=minutes) for minutes in retry_minutes),
        patience=timedelta(days=patience_days),
        null_sender_patience=timedelta(days=null_sender_patience_days),
        delay_notice=timedelta(hours=delay_notice_hours) if delay_notice_hours else None,
    )


def next_attempt(
    failures: int, *, expires_at: datetime, now: datetime, policy: RetryPolicy, randomness: float
) -> datetime | None:
    """The time of the next try after `failures` (1 or more) failed ones.

    `randomness` from 0 to 1 spreads it by ±10 %. The last try falls on `expires_at` itself;
    None means that patience has ended: the sender gets a bounce now.
    """
    if now >= expires_at:
        return None
    wait = policy.waits[min(failures, len(policy.waits)) - 1]
    due = now + wait * (1 + JITTER * (2 * randomness - 1))
    return min(due, expires_at)


def expires_at(*, accepted_at: datetime, sender: str, policy: RetryPolicy) -> datetime:
    """When patience ends; mail from the null sender, mostly bounces, is given up early (S-048)."""
    return accepted_at + (policy.patience if sender else policy.null_sender_patience)


def delay_notice_at(
    *, accepted_at: datetime, sender: str, wants_notice: bool, policy: RetryPolicy
) -> datetime | None:
    """When the sender is told that a message is late; None: never (S-049)."""
    if not sender or not wants_notice or policy.delay_notice is None:
        return None
    return accepted_at + policy.delay_notice
