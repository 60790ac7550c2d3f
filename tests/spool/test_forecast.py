"""When the spool will be empty: at a pace, within limits, and if something were changed."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from spool.forecast import HORIZON, Flow, empty_at, forecast

NOW = datetime(2026, 3, 2, 14, 50, tzinfo=UTC)


def minutes(flow):
    moment = empty_at(flow, now=NOW)
    return None if moment is None else round((moment - NOW).total_seconds() / 60, 2)


def test_at_this_rate_it_is_empty_at():
    shown = forecast([Flow("far.test", 3000, 1.0)], now=NOW)
    assert shown.words == "At this rate empty at 15:40 UTC."


def test_what_arrives_meanwhile_counts():
    assert minutes(Flow("x", 600, 2.0, arriving_per_second=1.0)) == 10
    assert minutes(Flow("x", 600, 1.0, arriving_per_second=1.0)) is None
    assert minutes(Flow("x", 1, 0.0)) is None
    assert minutes(Flow("x", 0, 0.0)) == 0


def test_an_hourly_limit_lets_the_rest_go_in_the_next_hours():
    # Ten minutes are left of this hour: 100 at once, 100 at 15:00, the last 50 at 16:00.
    flow = Flow("domain one.example", 250, 10.0, hourly_limit=100)
    assert minutes(flow) == round(10 + 60 + 5 / 60, 2)
    used_up = Flow("domain one.example", 250, 10.0, hourly_limit=100, used_this_hour=100)
    assert minutes(used_up) == round(10 + 120 + 5 / 60, 2)


def test_a_higher_limit_is_foretold_before_it_is_saved():
    now_set, thought_of = (
        minutes(Flow("x", 1000, 1.0, hourly_limit=limit)) for limit in (100, 10_000)
    )
    assert (now_set, thought_of) == (round(10 + 8 * 60 + 100 / 60, 2), round(1000 / 60, 2))


def test_the_slowest_flow_decides():
    shown = forecast([Flow("a", 10, 1.0), Flow("b", 600, 1.0)], now=NOW)
    assert shown.empty_at == NOW + timedelta(minutes=10)
    never = forecast([Flow("a", 10, 1.0), Flow("b", 600, 0.0)], now=NOW)
    assert never.words == "At this rate it is not empty within 30 days: b."
    assert forecast([], now=NOW).words == "Nothing waits."


def by_the_second(flow):
    """The slow way: one second after the other."""
    waiting, allowed, second = float(flow.waiting), 0.0, 0
    allowed = max(flow.hourly_limit - flow.used_this_hour, 0)
    start = int(NOW.timestamp())
    while waiting > 1e-6:
        if second and (start + second) % 3600 == 0:
            allowed = flow.hourly_limit
        sent = min(flow.per_second, allowed, waiting)
        allowed -= sent
        waiting -= sent
        second += 1
        if second > 100_000:
            return None
    return second


@given(
    st.integers(1, 3000), st.sampled_from([0.25, 0.5, 1.0, 4.0]), st.integers(100, 2000),
    st.integers(0, 500),
)  # fmt: skip
def test_it_agrees_with_counting_seconds(waiting, rate, limit, used):
    flow = Flow("x", waiting, rate, hourly_limit=limit, used_this_hour=used)
    slow = by_the_second(flow)
    if slow is None:
        return
    moment = empty_at(flow, now=NOW)
    assert moment is not None
    assert abs((moment - NOW).total_seconds() - slow) <= 2


@given(
    st.integers(0, 10**7), st.floats(0, 1000), st.floats(0, 1000),
    st.none() | st.integers(0, 10**6), st.integers(0, 10**6),
)  # fmt: skip
def test_any_numbers_have_an_answer_within_the_horizon(waiting, rate, arriving, limit, used):
    flow = Flow("x", waiting, rate, arriving, limit, used)
    moment = empty_at(flow, now=NOW)
    assert moment is None or NOW <= moment <= NOW + HORIZON
