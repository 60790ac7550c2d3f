"""Tells in time that a certificate will end: to the log, to the audit trail, to who asks."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog
from django.db import transaction

from certificates import schedule
from certificates.models import Certificate
from events import audit
from units import moments

log = structlog.get_logger(__name__)


def warn(*, now: datetime) -> None:
    """Once for each of schedule.WARNINGS, of every certificate that nobody renews in time."""
    horizon = now + timedelta(days=max(schedule.WARNINGS))
    for row in Certificate.objects.filter(not_after__lte=horizon):
        days = _in_force(row, now)
        if days is None or (row.warned_days is not None and row.warned_days <= days):
            continue
        with transaction.atomic():
            # Of several processes that look at once, one tells.
            told = Certificate.objects.filter(
                pk=row.pk, fingerprint=row.fingerprint, warned_days=row.warned_days
            ).update(warned_days=days)
            if told:
                audit.record(None, f"warned that it {remark(row, now=now)}", row)
        if told:
            say = log.error if days == 0 else log.warning
            say(
                "certificate expired" if days == 0 else "certificate will expire",
                host=row.host,
                not_after=moments.in_words(row.not_after),
                error=row.last_error or None,
            )


def remark(row: Certificate, *, now: datetime) -> str:
    """`expires in 6 days`, `expired on 2026-01-05`; empty: nothing to worry about."""
    days = _in_force(row, now)
    if days is None or row.not_after is None:
        return ""
    if days == 0:
        return f"expired on {row.not_after:%Y-%m-%d}"
    left = (row.not_after - now) // timedelta(days=1)
    return f"expires in {left} {'day' if left == 1 else 'days'}" if left else "expires today"


def worries(*, now: datetime) -> list[str]:
    """A line for every certificate that somebody should look after."""
    found = []
    for row in Certificate.objects.all():
        texts = [remark(row, now=now), row.last_error]
        if any(texts):
            found.append(f"{row.host}: {'; '.join(filter(None, texts))}")
    return found


def _in_force(row: Certificate, now: datetime) -> int | None:
    if row.not_after is None or (
        row.not_after > now and schedule.is_renewed_in_time(row.renew_at, row.failures, now=now)
    ):
        return None
    return schedule.warning(row.not_after, now=now)
