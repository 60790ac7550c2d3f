"""Dates as IMAP writes them. RFC 3501 §9 `date` and `date-time`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

from protocols.imap.errors import Malformed

_MONTH_NAMES = (
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun",
    b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
)  # fmt: skip
_MONTHS = {name.upper(): number for number, name in enumerate(_MONTH_NAMES, start=1)}
_DATE = re.compile(rb"(\d{1,2})-([A-Za-z]{3})-(\d{4})")
_DATE_TIME = re.compile(
    rb"( \d|\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"
)


def parse_date(text: bytes) -> date:
    """Read `1-Feb-1994`. Raises Malformed."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise Malformed("Bad date")
    day, month, year = match.groups()
    try:
        return date(int(year), _MONTHS[month.upper()], int(day))
    except (KeyError, ValueError) as reason:
        raise Malformed("Bad date") from reason


def parse_date_time(text: bytes) -> datetime:
    """Read `17-Jul-1996 02:44:25 -0700` as a time in UTC. Raises Malformed."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise Malformed("Bad date-time")
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        zone = timezone(-offset if sign == b"-" else offset)
        local = datetime(
            int(year), _MONTHS[month.upper()], int(day),
            int(hour), int(minute), min(int(second), 59), tzinfo=zone,
        )  # fmt: skip
        return local.astimezone(UTC)
    except (KeyError, ValueError, OverflowError) as reason:
        raise Malformed("Bad date-time") from reason


def encode_date_time(moment: datetime) -> bytes:
    """`"17-Jul-1996 09:44:25 +0000"`, quoted."""
    at = moment.astimezone(UTC)
    return b'"%2d-%b-%04d %02d:%02d:%02d +0000"' % (
        at.day, _MONTH_NAMES[at.month - 1], at.year, at.hour, at.minute, at.second,
    )  # fmt: skip
