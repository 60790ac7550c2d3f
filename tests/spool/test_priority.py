"""The rules of the Priority tab."""

from types import SimpleNamespace

import pytest

from spool.priority import Priority, decide

VALUES = {
    "standard": 6,
    "mailing_lists": 1,
    "over_size": 2,
    "auto_responders": 3,
    "bounces": 4,
    "email_reports": 7,
    "event_emails": 8,
    "attempt_x": 9,
    "attempt_y": 10,
}


def rules(*enabled, **more):
    switches = {f"{name}_enabled": name in enabled for name in VALUES}
    thresholds = {"over_size_threshold_kb": 10, "attempt_x_threshold": 3, "attempt_y_threshold": 6}
    return SimpleNamespace(**VALUES, **{**switches, **thresholds, **more})


ALL = rules(*VALUES)


def decided(kind="standard", size_bytes=1, failures=0, tab=ALL, manual=None):
    return decide(kind=kind, size_bytes=size_bytes, failures=failures, rules=tab, manual=manual)


@pytest.mark.spec("P-001", "P-011")
def test_every_message_starts_at_5():
    assert decided(tab=None) == Priority(5, "default")
    assert decided(tab=rules()) == Priority(5, "default")


@pytest.mark.spec("P-004")
@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"manual": 1, "failures": 9, "kind": "list", "size_bytes": 10**6}, "manual"),
        ({"failures": 6, "kind": "list", "size_bytes": 10**6}, "attempt_y"),
        ({"failures": 3, "kind": "list", "size_bytes": 10**6}, "attempt_x"),
        ({"failures": 2, "kind": "list", "size_bytes": 10**6}, "mailing_lists"),
        ({"kind": "autoresponder"}, "auto_responders"),
        ({"kind": "bounce"}, "bounces"),
        ({"kind": "report"}, "email_reports"),
        ({"kind": "event"}, "event_emails"),
        ({"size_bytes": 10 * 1024 + 1}, "over_size"),
        ({"size_bytes": 10 * 1024}, "standard"),
    ],
)
def test_the_first_rule_that_applies_wins(asked, rule):
    assert decided(**asked).rule == rule


@pytest.mark.spec("P-013", "P-015")
def test_a_rule_that_is_off_falls_to_the_next():
    assert decided(kind="list", size_bytes=10**6, tab=rules("over_size")).rule == "over_size"
    assert decided(kind="list", tab=rules("standard")).rule == "standard"


@pytest.mark.spec("P-028")
def test_the_higher_threshold_reached_wins():
    swapped = rules("attempt_x", "attempt_y", attempt_x_threshold=6, attempt_y_threshold=3)
    assert decided(failures=6, tab=swapped).rule == "attempt_x"
    assert decided(failures=5, tab=swapped).rule == "attempt_y"
