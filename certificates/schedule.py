"""When a certificate is renewed, and when its end is warned of. Pure: no clock, no database."""

from __future__ import annotations

from datetime import datetime, timedelta

WARNINGS = (21, 7, 1, 0)  # days before the end; 0: it has come
# A third is left for trouble; the jitter keeps many from being due in one hour.
RENEW_AFTER = 2 / 3
JITTER = 1 / 30  # of the lifetime
FIRST_WAIT = timedelta(hours=1)
LONGEST_WAIT = timedelta(days=1)
# How late an order may be before its absence counts as trouble.
PATIENCE = timedelta(days=1)


def renewal_at(
    not_before: datetime, not_after: datetime, *, now: datetime, randomness: float
) -> datetime:
    """`randomness` from 0 to 1. Not at once, or a clock that is wrong would order for ever."""
    wanted = not_before + (not_after - not_before) * (RENEW_AFTER + JITTER * randomness)
    return max(wanted, now + FIRST_WAIT)


def retry_at(failures: int, *, now: datetime, randomness: float) -> datetime:
    """After the `failures`-th failed order in a row (1 or more): an hour, doubled up to a day."""
    wait = min(LONGEST_WAIT, FIRST_WAIT * (1 << min(failures - 1, 10)))
    return now + wait * (0.9 + 0.2 * randomness)


def warning(not_after: datetime, *, now: datetime) -> int | None:
    """Which of WARNINGS is in force; None: none yet."""
    left = not_after - now
    return min((days for days in WARNINGS if left <= timedelta(days=days)), default=None)


def is_renewed_in_time(renew_at: datetime | None, failures: int, *, now: datetime) -> bool:
    """Whether orders go as planned, so that nobody needs to look after the certificate."""
    return renew_at is not None and failures == 0 and now < renew_at + PATIENCE
