from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.message import dates


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"Sat, 21 Nov 2026 22:28:07 +0100", "2026-11-21T22:28:07+01:00"),
        (b"21 Nov 26 22:28 EST", "2026-11-21T22:28:00-05:00"),
        (b"Sat, 21 Nov 2026 22:28:07 -0000 (comment)", "2026-11-21T22:28:07+00:00"),
        (b"Sat Nov 21 22:28:07 2026", "2026-11-21T22:28:07+00:00"),
        (b"Sat, 21-Nov-99 22:28:60 GMT", "1999-11-21T22:28:59+00:00"),
        (b"1 January 2026", "2026-01-01T00:00:00+00:00"),
    ],
)
def test_dates_as_they_come_in_life(value, expected):
    assert dates.parse(value).isoformat() == expected


@pytest.mark.parametrize("value", [b"", b"tomorrow", b"99 Nov 2026 1:1:1 +0000", b"1 Foo 2026"])
def test_what_is_no_date_is_none(value):
    assert dates.parse(value) is None


@given(st.binary(max_size=60))
def test_any_bytes_are_read_without_an_error(value):
    dates.parse(value)


@given(
    st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1)),
    st.integers(-23 * 60, 23 * 60),
)
def test_a_written_date_is_read_back(moment, minutes):
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    assert dates.parse(dates.format_date(moment)) == moment


def test_a_date_is_written_as_rfc_5322_wants():
    now = datetime(2026, 11, 1, 2, 3, 4, tzinfo=UTC)
    assert dates.format_date(now) == b"Sun, 01 Nov 2026 02:03:04 +0000"
