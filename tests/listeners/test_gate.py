"""Who may come in, and how many (N-007)."""

import pytest

from listeners.gate import Gate, Refusal, SessionLimits, plain_address


def gate(**limits):
    return Gate(lambda: SessionLimits(**limits))


@pytest.mark.spec("N-007")
def test_sessions_from_one_address_are_limited():
    door = gate(per_address=2)
    assert door.enter("192.0.2.1") is None
    assert door.enter("192.0.2.1") is None
    assert door.enter("192.0.2.1") is Refusal.TOO_MANY_FROM_ADDRESS
    assert door.enter("192.0.2.2") is None
    door.leave("192.0.2.1")
    assert door.enter("192.0.2.1") is None


@pytest.mark.spec("N-007")
@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1"])
def test_loopback_has_no_limit_of_its_own(address):
    door = gate(per_address=1)
    assert door.enter(address) is None
    assert door.enter(address) is None


@pytest.mark.spec("N-007")
def test_sessions_in_all_and_of_one_user_are_limited():
    door = gate(total=1, per_user=1)
    assert door.enter("127.0.0.1") is None
    assert door.enter("127.0.0.1") is Refusal.TOO_MANY
    assert door.enter_user(7)
    assert not door.enter_user(7)
    door.leave_user(7)
    assert door.enter_user(7)


def test_a_blocked_address_is_refused_before_all_else():
    barred = {"192.0.2.1": Refusal.BLOCKED}
    door = Gate(lambda: SessionLimits(total=0), barred.get)
    assert door.enter("192.0.2.1") is Refusal.BLOCKED
    assert door.enter("192.0.2.2") is Refusal.TOO_MANY


def test_who_has_left_takes_no_memory():
    door = gate()
    for number in range(100):
        door.enter(f"192.0.2.{number}")
    for number in range(100):
        door.leave(f"192.0.2.{number}")
    assert door.sessions == 0
    assert not door._addresses


@pytest.mark.parametrize(
    ("shown", "plain"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_addresses_are_shown_in_one_way(shown, plain):
    assert plain_address(shown) == plain
