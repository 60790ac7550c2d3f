"""The check of all domains in the night."""

from datetime import timedelta

import pytest
from django.conf import settings as conf
from django.core import mail

from clock.moments import utc_now
from tests import factories
from zones import nightly, selectors
from zones.findings import Level

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _outbox(monkeypatch):
    monkeypatch.setattr(conf, "EMAIL_BACKEND", "django.core.mail.backends.locmem.EmailBackend")
    mail.outbox = []


def check(now):
    return nightly.check_due(now=now, pause_seconds=0)


@pytest.mark.spec("G-032")
def test_every_domain_is_checked_once_a_night(one, zone):
    factories.make_domain("two.example")
    now = utc_now()
    assert (check(now), check(now + timedelta(hours=1)), check(now + DAY)) == (2, 0, 2)
    assert selectors.last_report(one).level is Level.OK


@pytest.mark.spec("G-032")
def test_a_night_without_time_goes_on_at_the_next_tick(one, zone):
    factories.make_domain("two.example")
    now = utc_now()
    for _ in range(2):
        assert nightly.check_due(now=now, run_seconds=0, pause_seconds=0) == 1
    assert check(now) == 0


@pytest.mark.spec("G-032")
def test_administrators_are_told_once_when_a_record_breaks(one, zone):
    now = utc_now()
    check(now)
    zone.records["one.example", "MX"] = ["10 mx.else.test."]
    zone.records["mx.else.test", "A"] = ["192.0.2.9"]
    for night in range(1, 4):
        check(now + night * DAY)
    (told,) = mail.outbox
    assert told.to == ["admin@one.example"]
    assert "No MX record leads to this server, but to mx.else.test." in told.body
    zone.records["one.example", "MX"] = ["10 mx.host.test."]
    check(now + 4 * DAY)
    zone.records["one.example", "MX"] = []
    check(now + 5 * DAY)
    assert len(mail.outbox) == 2


@pytest.mark.spec("G-032")
def test_a_domain_that_was_never_set_up_is_no_news(one, zone):
    zone.records["one.example", "MX"] = []
    check(utc_now())
    assert mail.outbox == []
