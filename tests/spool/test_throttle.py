"""What may leave in an hour, without rows and without a clock."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from clock.moments import from_micros, to_micros
from spool import throttle
from spool.throttle import Allowance, Ask, Key, Kind, Reason, Window, decide

DOMAIN, USER, LIST = Key(Kind.DOMAIN, 1), Key(Kind.USER, 7), Key(Kind.LIST, 3)
HALF_PAST_TWO = datetime(2026, 3, 1, 14, 30, tzinfo=UTC)


def admitted(asks, windows):
    return [ask for ask in asks if decide(ask, windows) is None]


def test_the_first_limit_reached_holds_user_or_domain():
    windows = {USER: Window(Allowance(messages=2)), DOMAIN: Window(Allowance(messages=3))}
    asks = [Ask((USER, DOMAIN), 10)] * 3 + [Ask((DOMAIN,), 10)] * 2
    assert len(admitted(asks, windows)) == 3
    denial = decide(Ask((USER, DOMAIN), 10), windows)
    assert (denial.key, denial.reason, denial.used, denial.allowed) == (
        USER, Reason.MESSAGES, 2, 2,
    )  # fmt: skip
    assert windows[DOMAIN].messages == 3


def test_a_list_counts_for_its_domain_too():
    windows = {LIST: Window(Allowance(messages=1)), DOMAIN: Window(Allowance(messages=5))}
    asks = [Ask((LIST, DOMAIN), 1)] * 3
    assert len(admitted(asks, windows)) == 1
    assert windows[DOMAIN].messages == 1


def test_a_message_larger_than_the_rest_overdraws_and_holds_the_next():
    windows = {DOMAIN: Window(Allowance(sent_bytes=100))}
    assert decide(Ask((DOMAIN,), 90), windows) is None
    assert decide(Ask((DOMAIN,), 500), windows) is None
    assert windows[DOMAIN].sent_bytes == 590
    assert decide(Ask((DOMAIN,), 0), windows) is None, "it shares a transaction that goes"
    assert decide(Ask((DOMAIN,), 1), windows).reason is Reason.BANDWIDTH


def test_bounces_about_own_mail_pause_sending():
    windows = {DOMAIN: Window(Allowance(bounces=3), bounces=3)}
    assert decide(Ask((DOMAIN,), 1), windows).reason is Reason.BOUNCES


def test_hours_are_those_of_the_clock():
    now = to_micros(HALF_PAST_TWO)
    assert from_micros(throttle.next_hour(now)) == HALF_PAST_TWO.replace(hour=15, minute=0)
    assert throttle.until(now) == "15:00 UTC"
    on_the_hour = to_micros(HALF_PAST_TWO.replace(minute=0))
    assert throttle.hour_of(on_the_hour) == throttle.hour_of(now)
    assert throttle.hour_of(on_the_hour - 1) == throttle.hour_of(now) - 1


def test_numbers_are_told_in_words():
    assert throttle.in_words(Reason.MESSAGES, 5000, 5000) == "5,000 of 5,000 messages this hour"
    megabyte = 1024 * 1024
    assert (
        throttle.in_words(Reason.BANDWIDTH, 100 * megabyte + megabyte // 2, 100 * megabyte)
        == "101 MB of 100 MB this hour"
    )


LIMITS = st.one_of(st.none(), st.integers(1, 20))
KEYS = st.sampled_from([(USER, DOMAIN), (DOMAIN,), (LIST, DOMAIN)])
ASKS = st.lists(st.builds(Ask, KEYS, st.integers(0, 9)), max_size=60)


@settings(max_examples=200)
@given(asks=ASKS, limits=st.tuples(*[st.builds(Allowance, LIMITS, LIMITS)] * 3))
def test_no_window_is_overdrawn_by_more_than_the_message_that_used_it_up(asks, limits):
    windows = dict(zip((USER, DOMAIN, LIST), map(Window, limits), strict=True))
    went = admitted(asks, windows)
    for key, window in windows.items():
        mine = [ask for ask in went if key in ask.keys]
        assert window.messages == len(mine)
        assert window.sent_bytes == sum(ask.sent_bytes for ask in mine)
        if window.allowance.messages is not None:
            assert window.messages <= window.allowance.messages
        if window.allowance.sent_bytes is not None:
            last = max((ask.sent_bytes for ask in mine), default=0)
            assert window.sent_bytes < window.allowance.sent_bytes + max(last, 1)
    held = [ask for ask in asks if all(ask is not one for one in went)]
    assert not (held and all(not limit.is_limited for limit in limits))
