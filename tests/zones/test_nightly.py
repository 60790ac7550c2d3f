"""The check of all domains in the night."""

from datetime import timedelta

import pytest

from blobs import committer
from clock.moments import utc_now
from spool import deliverylog, owedmail
from spool.models import Kind
from tests import factories
from tests.spool.ownmail import own_mail
from zones import nightly, selectors, services, tasks
from zones.findings import Level
from zones.models import ZoneCheck

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _real_mail(transactional_db):
    yield
    committer.stop_process_committer()


def check(now):
    return nightly.check_due(now=now, pause_seconds=0)


def told():
    return own_mail(Kind.NOTICE)


class Killed(BaseException):
    """The process ends here."""


def kill(*args, **kwargs):
    raise Killed


def check_dying(monkeypatch, module, name, *, now):
    """The process ends where it would call that function."""
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(module, name, kill)
        check(now)


def break_mx(zone):
    zone.records["one.example", "MX"] = ["10 mx.else.test."]
    zone.records["mx.else.test", "A"] = ["192.0.2.9"]


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
    break_mx(zone)
    for night in range(1, 4):
        check(now + night * DAY)
    (note,) = told()
    assert note["To"] == "admin@one.example"
    assert "No MX record leads to this server, but to mx.else.test." in note.get_content()
    zone.records["one.example", "MX"] = ["10 mx.host.test."]
    check(now + 4 * DAY)
    zone.records["one.example", "MX"] = []
    check(now + 5 * DAY)
    assert len(told()) == 2


@pytest.mark.spec("G-032")
def test_a_domain_that_was_never_set_up_is_no_news(one, zone):
    zone.records["one.example", "MX"] = []
    check(utc_now())
    assert told() == []


@pytest.mark.spec("G-032")
def test_a_crash_between_check_and_mail_neither_loses_the_note_nor_sends_it_twice(
    one, zone, monkeypatch
):
    now = utc_now()
    check(now)
    break_mx(zone)
    check_dying(monkeypatch, owedmail, "tell", now=now + DAY)
    assert told() == []
    assert [tasks.tell_of_broken_records.func() for _ in range(3)] == [1, 0, 0]
    assert check(now + 2 * DAY) == 1
    (note,) = told()
    assert "mx.else.test" in note.get_content()


@pytest.mark.spec("G-032")
def test_a_crash_after_the_mail_was_taken_does_not_send_it_twice(one, zone, monkeypatch):
    now = utc_now()
    check(now)
    break_mx(zone)
    check_dying(monkeypatch, deliverylog, "accepted", now=now + DAY)
    assert nightly.tell_due() == 0
    assert len(told()) == 1


def test_mail_that_is_not_taken_is_tried_again(one, zone, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError("no room")

    now = utc_now()
    check(now)
    break_mx(zone)
    with monkeypatch.context() as patched:
        patched.setattr(owedmail, "tell", refuse)
        assert (check(now + DAY), nightly.tell_due()) == (1, 0)
    assert (nightly.tell_due(), len(told())) == (1, 1)


def test_what_works_again_before_it_could_be_told_is_no_news(one, zone, monkeypatch):
    now = utc_now()
    check(now)
    working = zone.records["one.example", "MX"]
    break_mx(zone)
    check_dying(monkeypatch, owedmail, "tell", now=now + DAY)
    zone.failing.add("one.example")
    services.check(one, now=now + DAY)
    assert nightly.tell_due() == 0  # nothing can be said while DNS is silent, and nothing is lost
    assert "mx" in ZoneCheck.objects.get().untold
    zone.failing.clear()
    zone.records["one.example", "MX"] = working
    services.check(one, now=now + DAY)
    assert (nightly.tell_due(), told()) == (0, [])


def test_what_a_person_sees_when_checking_is_not_mailed(one, zone):
    now = utc_now()
    check(now)
    break_mx(zone)
    assert services.check(one, now=now).broken
    assert (nightly.tell_due(), told()) == (0, [])
