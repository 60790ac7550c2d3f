"""Dates of header fields: written as RFC 5322 §3.3 wants, read as people wrote them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
# RFC 5322 §4.3: the zones with a meaning; any other name is +0000.
_ZONE_HOURS = {b"EDT": -4, b"EST": -5, b"CDT": -5, b"CST": -6}
_ZONE_HOURS |= {b"MDT": -6, b"MST": -7, b"PDT": -7, b"PST": -8, b"CET": 1, b"CEST": 2}

_CLOCK = rb"(\d{1,2})[:.](\d{1,2})(?:[:.](\d{1,2}))?(?:[.,]\d+)?"
_USUAL = re.compile(
    rb"\s*(?:[A-Za-z]+\s*[,.]?)?\s*(\d{1,2})[\s-]*([A-Za-z]{3})[a-z]*\.?[\s,-]*(\d{2,4})"
    rb"(?:[\s,]+" + _CLOCK + rb"\s*([+-]\d{4}|[+-]\d{2}:\d{2}|[A-Za-z]{1,5})?)?"
)
_ASCTIME = re.compile(
    rb"\s*[A-Za-z]{3,9},?\s+([A-Za-z]{3})[a-z]*\s+(\d{1,2}),?\s+" + _CLOCK + rb"\s+(\d{4})"
)


def format_date(now: datetime) -> bytes:
    """`Sat, 21 Nov 2026 22:28:07 +0000` for an aware time."""
    # strftime asks the system for its zone, which costs more than all the rest.
    zone = "+0000" if now.tzinfo is UTC else now.strftime("%z")[:5] or "+0000"
    return (
        f"{_DAYS[now.weekday()]}, {now.day:02} {_MONTHS[now.month - 1]} {now.year:04} "
        f"{now.hour:02}:{now.minute:02}:{now.second:02} {zone}"
    ).encode()


def parse(value: bytes) -> datetime | None:
    """The aware time in an unfolded value; None where none can be made out."""
    match = _USUAL.match(value[:200])
    if match is not None:
        day, month, year, hour, minute, second, zone = match.groups()
    else:
        match = _ASCTIME.match(value[:200])
        if match is None:
            return None
        month, day, hour, minute, second, year = match.groups()
        zone = None
    number = _MONTH.get(month.lower())
    if number is None:
        return None
    try:
        return datetime(
            _full_year(int(year)),
            number,
            int(day),
            int(hour or 0),
            int(minute or 0),
            min(int(second or 0), 59),  # RFC 5322 §3.3 allows leap seconds, datetime does not
            tzinfo=_zone(zone),
        )
    except (ValueError, OverflowError):
        return None


def _full_year(year: int) -> int:
    """RFC 5322 §4.3: two and three digits count from 1900, below 50 from 2000."""
    if year < 50:
        return year + 2000
    return year + 1900 if year < 1000 else year


def _zone(zone: bytes | None) -> timezone:
    if not zone:
        return UTC
    if zone[:1] in b"+-":
        digits = zone[1:].replace(b":", b"")
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        if minutes == 0 or minutes >= 24 * 60:
            return UTC
        return timezone(timedelta(minutes=-minutes if zone[:1] == b"-" else minutes))
    hours = _ZONE_HOURS.get(zone.upper(), 0)
    return timezone(timedelta(hours=hours)) if hours else UTC
