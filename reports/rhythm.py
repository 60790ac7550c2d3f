"""When a mailed report is due, and about which days it then is. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from reports.models import Rhythm
from reports.series import Days

DAY = timedelta(days=1)


def next_after(rhythm: str, hour: int, moment: datetime) -> datetime | None:
    """The first time behind `moment`; None: it is sent but once."""
    if rhythm == Rhythm.ONCE:
        return None
    due = moment.replace(hour=hour, minute=0, second=0, microsecond=0)
    while due <= moment or not _fits(rhythm, due):
        due += DAY
    return due


def days_of(rhythm: str, due_at: datetime, *, days: int) -> Days:
    """The day, the week or the month before; `days` up to that moment for a single one."""
    today = due_at.date()
    if rhythm == Rhythm.ONCE:
        return Days(today - (days - 1) * DAY, today)
    if rhythm == Rhythm.MONTHLY:
        last = today.replace(day=1) - DAY
        return Days(last.replace(day=1), last)
    count = 7 if rhythm == Rhythm.WEEKLY else 1
    return Days(today - count * DAY, today - DAY)


def _fits(rhythm: str, due: datetime) -> bool:
    if rhythm == Rhythm.WEEKLY:
        return due.weekday() == 0
    return rhythm == Rhythm.DAILY or due.day == 1
