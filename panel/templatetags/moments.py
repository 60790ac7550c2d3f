"""How long things last, as pages of the operator show it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from clock.moments import utc_now

register = template.Library()


@register.filter
def lasted(since: datetime) -> SafeString:
    """How long it has lasted; a script lets it count on."""
    return format_html(
        '<time data-since="{}">{}</time>', since.isoformat(), duration(utc_now() - since)
    )


@register.filter
def seconds(number: int) -> str:
    """`300|seconds` is "5 min"."""
    return duration(timedelta(seconds=number))


def duration(passed: timedelta) -> str:
    """The two largest units: "3 s", "5 min", "2 h 07 min", "4 d 11 h"."""
    whole = max(0, int(passed.total_seconds()))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest:02} s" if rest else f"{minutes} min"
    return f"{rest} s"


@register.filter
def passed(time: timedelta) -> str:
    """A duration in words."""
    return duration(time)
