"""Delivery reports from outside, up to the hour's limit of a domain (T-007)."""

from datetime import UTC, datetime

import pytest

from domains import directory as domain_directory
from spool.models import ThrottleCrossing, ThrottleHour
from tests.factories import make_domain
from tests.spool.clockwork import set_clock
from tests.spool.reported import offer_report


@pytest.fixture
def clock(world, monkeypatch):
    limit = {"bounces_received_per_hour": 2, "bounces_received_per_hour_enabled": True}
    make_domain("limited.test", "alice", throttling=limit)
    domain_directory.clear()
    return set_clock(monkeypatch, datetime(2026, 3, 1, 14, 50, tzinfo=UTC))


def report(one, to="alice@limited.test"):
    return offer_report(one, to, about="unknown@limited.test")


@pytest.mark.spec("T-007")
def test_further_reports_are_deferred_until_the_hour_ends(clock, talk):
    one = talk()
    one.hello()
    assert report(one).startswith("250")
    assert report(one).startswith("250")
    assert report(one) == "451 4.7.1 Too many reports this hour, try again in the next"
    assert report(one, "bob@example.com").startswith("250"), "others have no limit"
    assert one.say("MAIL FROM:<stranger@elsewhere.test>").startswith("250")
    assert one.say("RCPT TO:<alice@limited.test>").startswith("250"), "ordinary mail goes on"
    assert one.say("RSET").startswith("250")
    assert ThrottleHour.objects.get(kind="domain").bounces == 2
    assert ThrottleCrossing.objects.get().reason == "bounces"
    clock.move(minutes=10)
    assert report(one).startswith("250")
