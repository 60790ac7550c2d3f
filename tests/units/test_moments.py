"""Moments in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from units import moments

LATE = datetime(2026, 1, 5, 22, 30, 7, tzinfo=UTC)


@pytest.mark.spec("X-001")
def test_a_moment_names_the_zone_in_which_it_is_shown() -> None:
    assert moments.in_words(LATE) == "2026-01-05 22:30 UTC"
    with timezone.override(ZoneInfo("Asia/Kolkata")):
        assert moments.in_words(LATE) == "2026-01-06 04:00 IST"
        assert moments.to_the_second(LATE) == "2026-01-06 04:00:07 IST"
        assert moments.day(LATE) == "2026-01-06"
        assert (moments.hour(LATE), moments.zone_name(LATE)) == ("04:00", "IST")


def test_the_day_is_left_out_where_it_is_the_viewers_own() -> None:
    soon = LATE + timedelta(hours=1, minutes=29)
    assert moments.clock(soon, now=LATE) == "23:59 UTC"
    assert moments.clock(soon + timedelta(minutes=1), now=LATE) == "2026-01-06 00:00 UTC"
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert moments.clock(soon, now=LATE) == "2026-01-06 00:59 CET"


def test_an_unknown_zone_is_utc() -> None:
    assert moments.zone("Europe/Berlin") == ZoneInfo("Europe/Berlin")
    for name in ("", "Nowhere/At_All", "../../etc/passwd", "x" * 300):
        assert moments.zone(name) is UTC
