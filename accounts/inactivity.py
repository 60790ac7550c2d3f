"""Accounts that nobody has used for a while (M-030…M-035)."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from accounts.models import User
from accounts.selectors import users_for


class Period(StrEnum):
    """The choices of the Inactive Users page."""

    DAYS_30 = "30d"
    DAYS_90 = "90d"
    MONTHS_6 = "6m"
    MONTHS_12 = "12m"


_DAYS = {Period.DAYS_30: 30, Period.DAYS_90: 90}
_MONTHS = {Period.MONTHS_6: 6, Period.MONTHS_12: 12}


def inactive_since(period: Period, *, now: datetime) -> datetime:
    """Who was last active before this moment is inactive: days of 24 hours, calendar months."""
    if period in _DAYS:
        return now - timedelta(days=_DAYS[period])
    return months_before(now, _MONTHS[period])


def months_before(moment: datetime, months: int) -> datetime:
    """The same day and time so many months ago, or the last day of a shorter month."""
    years, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    last_day = calendar.monthrange(years, month + 1)[1]
    return moment.replace(year=years, month=month + 1, day=min(moment.day, last_day))


def inactive_for(actor: User, period: Period, *, now: datetime) -> QuerySet[User]:
    """Mailbox users in sight without activity."""
    return inactive(users_for(actor).filter(domain__isnull=False), period, now=now)


def inactive(users: QuerySet[User], period: Period, *, now: datetime) -> QuerySet[User]:
    """Those of `users` without activity, each with `last_active_at` and `last_service`.

    Activity is the last successful login by any service; of who never came the creation counts.
    """
    before = inactive_since(period, now=now)
    return (
        users.filter(
            Q(last_activity__at__lt=before) | Q(last_activity__isnull=True, created_at__lt=before)
        )
        .annotate(
            last_active_at=Coalesce("last_activity__at", "created_at"),
            last_service=F("last_activity__service"),
        )
        .order_by("pk")
    )
