"""Moments in words, in the time zone of whoever looks, which is always named (X-001).

Django's current time zone is the viewer's while a page is made for him (`panel.viewerzone`); it is
UTC everywhere else: for programs, in commands, in mail and in files.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from django.utils import timezone


def in_words(moment: datetime) -> str:
    """ "2026-01-05 10:00 UTC"."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M %Z}"


def to_the_second(moment: datetime) -> str:
    """ "2026-01-05 10:00:07 UTC"."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}"


def day(moment: datetime) -> str:
    """ "2026-01-05", as it is called where the viewer lives."""
    return f"{timezone.localtime(moment):%Y-%m-%d}"


def clock(moment: datetime, *, now: datetime) -> str:
    """ "10:00 UTC" on the viewer's same day, else with the day."""
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localtime(now).date()
    return f"{local:%H:%M %Z}" if is_today else in_words(moment)


def hour(moment: datetime) -> str:
    """ "10:00", below a heading that has `zone_name`."""
    return f"{timezone.localtime(moment):%H:%M}"


def zone_name(moment: datetime) -> str:
    """ "CET" or "CEST": what the viewer's zone is called at that moment."""
    return f"{timezone.localtime(moment):%Z}"


def zone(name: str) -> tzinfo:
    """UTC for no name, and for one that is unknown here."""
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        return UTC
