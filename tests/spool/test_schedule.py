"""Retry times of the spool."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spool.models import SpoolSettings
from spool.schedule import delay_notice_at, expires_at, make_policy, next_attempt
from spool.settings import retry_policy

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
FACTORY = retry_policy(SpoolSettings())
EXPIRES = expires_at(accepted_at=MONDAY, sender="a@example.com", policy=FACTORY)


def wait(failures, *, now=MONDAY, randomness=0.5):
    due = next_attempt(failures, expires_at=EXPIRES, now=now, policy=FACTORY, randomness=randomness)
    return due and (due - now) / timedelta(minutes=1)


@pytest.mark.spec("S-047")
def test_waits_grow_and_the_last_one_repeats():
    waits = [wait(failures) for failures in range(1, 11)]
    assert waits == [15, 30, 60, 90, 120, 240, 480, 720, 720, 720]


@pytest.mark.spec("S-047")
@given(st.floats(0, 1), st.integers(1, 12))
def test_waits_are_spread_by_a_tenth(randomness, failures):
    middle = wait(failures)
    assert 0.9 * middle <= wait(failures, randomness=randomness) <= 1.1 * middle


@pytest.mark.spec("S-048")
def test_patience_ends_after_five_days_with_a_last_try_at_the_end():
    assert wait(9, now=EXPIRES - timedelta(hours=1)) == 60
    assert wait(9, now=EXPIRES) is None
    assert MONDAY + timedelta(days=5) == EXPIRES


@pytest.mark.spec("S-048")
def test_mail_from_the_null_sender_is_given_up_after_a_day():
    assert expires_at(accepted_at=MONDAY, sender="", policy=FACTORY) == MONDAY + timedelta(1)


@pytest.mark.spec("S-049")
def test_the_sender_is_told_of_a_delay_after_four_hours():
    def notice(sender="a@example.com", wants_notice=True, policy=FACTORY):
        return delay_notice_at(
            accepted_at=MONDAY, sender=sender, wants_notice=wants_notice, policy=policy
        )

    assert notice() == MONDAY + timedelta(hours=4)
    assert notice(sender="") is None
    assert notice(wants_notice=False) is None
    never = make_policy(
        retry_minutes=(1,), patience_days=1, null_sender_patience_days=1, delay_notice_hours=0
    )
    assert notice(policy=never) is None
