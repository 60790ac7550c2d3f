"""When a certificate is renewed and warned of (N-005)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.schedule import is_renewed_in_time, renewal_at, retry_at, warning
from tests.authority import DAY, MONDAY

HOUR = timedelta(hours=1)


@pytest.mark.spec("N-005")
def test_two_thirds_of_the_lifetime_pass_before_a_renewal():
    assert renewal_at(MONDAY, MONDAY + 90 * DAY, now=MONDAY, randomness=0) == MONDAY + 60 * DAY
    assert renewal_at(MONDAY, MONDAY + 90 * DAY, now=MONDAY, randomness=1) == MONDAY + 63 * DAY
    assert renewal_at(MONDAY, MONDAY + 6 * DAY, now=MONDAY, randomness=0) == MONDAY + 4 * DAY


@given(days=st.integers(1, 4000), randomness=st.floats(0, 1))
def test_a_renewal_comes_within_the_lifetime(days, randomness):
    ends = MONDAY + days * DAY
    assert MONDAY < renewal_at(MONDAY, ends, now=MONDAY, randomness=randomness) < ends


def test_a_clock_that_is_wrong_orders_once_an_hour_at_most():
    late = MONDAY + 400 * DAY
    assert renewal_at(MONDAY, MONDAY + 90 * DAY, now=late, randomness=0) == late + HOUR


@pytest.mark.spec("N-005")
def test_waits_after_failures_double_up_to_a_day():
    waits = [retry_at(n, now=MONDAY, randomness=0.5) - MONDAY for n in (1, 2, 3, 5, 6, 10**6)]
    assert waits == [HOUR, 2 * HOUR, 4 * HOUR, 16 * HOUR, DAY, DAY]
    assert retry_at(1, now=MONDAY, randomness=0) == MONDAY + 0.9 * HOUR


@pytest.mark.spec("N-005")
def test_warnings_come_21_7_and_1_days_before_the_end_and_at_it():
    left = [22 * DAY, 21 * DAY, 8 * DAY, 7 * DAY, 2 * DAY, DAY, HOUR, 0 * DAY, -DAY]
    expected = [None, 21, 21, 7, 7, 1, 1, 0, 0]
    assert [warning(MONDAY + each, now=MONDAY) for each in left] == expected


def test_only_late_or_failing_orders_are_trouble():
    assert is_renewed_in_time(MONDAY, 0, now=MONDAY + HOUR)
    assert not is_renewed_in_time(MONDAY, 0, now=MONDAY + DAY)
    assert not is_renewed_in_time(MONDAY + DAY, 1, now=MONDAY)
    assert not is_renewed_in_time(None, 0, now=MONDAY)
