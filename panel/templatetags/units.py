"""Sizes and moments in all templates, without a `load`: filters over `units` (X-001)."""

from __future__ import annotations

from datetime import datetime

from django import template

from clock.moments import utc_now
from units import moments, sizes

register = template.Library()


@register.filter
def size(size_bytes: int | None) -> str:
    return sizes.in_words(size_bytes or 0)


@register.filter
def kilobytes(number: int) -> str:
    return sizes.in_kilobytes(number)


@register.filter
def limit(limit_bytes: int) -> str:
    """Never rounded."""
    return sizes.limit_in_words(limit_bytes)


@register.filter
def limit_mb(megabytes: int) -> str:
    """The same of a column in megabytes, where 0 is none."""
    return sizes.limit_in_words(megabytes * sizes.MEGABYTE) if megabytes else "no limit"


@register.filter
def at(moment: datetime | None) -> str:
    """ "2026-01-05 10:00 UTC"; empty for no moment."""
    return moments.in_words(moment) if moment else ""


@register.filter
def at_second(moment: datetime | None) -> str:
    """Where the second matters; a dash for no moment."""
    return moments.to_the_second(moment) if moment else "–"


@register.filter
def day(moment: datetime | None) -> str:
    return moments.day(moment) if moment else ""


@register.filter
def clock(moment: datetime | None) -> str:
    """Of today without the day."""
    return moments.clock(moment, now=utc_now()) if moment else ""
