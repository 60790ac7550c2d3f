"""Claims as the committer of a process makes them."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from clock.moments import to_micros, utc_now
from spool.claims import ClaimDue


def claim(*, owner: int = 7, now: int | None = None, limit: int = 250, **given: Any) -> ClaimDue:
    """The claim when it is through; `now` in microseconds. Its `result` says what may leave."""
    job = ClaimDue(owner=owner, now=now or to_micros(utc_now()), limit=limit, **given)
    with transaction.atomic(), connection.cursor() as cursor:
        ClaimDue.write_rows([job], cursor)
    return job
