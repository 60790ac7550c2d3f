"""The ticks that bring back into motion what a stopped daemon has left (S-059)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from blobs.ids import new_id
from clock.moments import utc_now
from events import occurrences
from events.models import Occurrence
from events.occurrences import EventType
from spool import maintenance, redrive, tasks
from spool.models import DeliveryAttempt, SpooledRecipient, State
from spool.recovery import OwnerLock
from switchboard.topics import Topic
from tests import factories
from tests.spool.outgoing import forget_everything, stop_committer, submit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def recipient():
    forget_everything()
    factories.make_domain("one.example", "alice")
    message_id = submit("bob@far.test")
    yield SpooledRecipient.objects.get(message_id=message_id)
    stop_committer()


@pytest.fixture
def told(monkeypatch):
    topics = []
    monkeypatch.setattr(redrive, "publish_on_commit", lambda topic: topics.append(topic))
    return topics


@pytest.mark.spec("S-059")
def test_what_a_dead_daemon_held_is_given_back_once_and_the_living_are_woken(recipient, told):
    now = utc_now()
    later = now + timedelta(minutes=15)
    SpooledRecipient.objects.filter(pk=recipient.pk).update(
        claimed_by=new_id(), claimed_until=later, due_at=later, attempts=1
    )
    assert redrive.redrive(now=utc_now()) == redrive.Redriven(1, True)
    recipient.refresh_from_db()
    assert (recipient.claimed_by, recipient.state) == (None, State.QUEUED)
    assert DeliveryAttempt.objects.filter(recipient=recipient).count() == 1
    # Again, as after a repeated tick: the same rows, and nothing new.
    assert redrive.redrive(now=utc_now()) == redrive.Redriven(0, True)
    assert DeliveryAttempt.objects.filter(recipient=recipient).count() == 1
    assert told == [Topic.SPOOL, Topic.SPOOL]


def test_what_a_living_daemon_holds_is_left_alone(recipient, told):
    owner = new_id()
    lock = OwnerLock(owner)
    later = utc_now() + timedelta(minutes=15)
    SpooledRecipient.objects.filter(pk=recipient.pk).update(
        claimed_by=owner, claimed_until=later, due_at=later
    )
    try:
        assert redrive.redrive(now=utc_now()) == redrive.Redriven(0, False)
    finally:
        lock.release()
    assert told == []


def test_what_waits_for_the_next_hour_is_woken_when_it_begins(recipient, told):
    now = utc_now()
    opens = now + timedelta(minutes=20)
    SpooledRecipient.objects.filter(pk=recipient.pk).update(state=State.THROTTLED, due_at=opens)
    assert not redrive.redrive(now=now).is_due
    assert redrive.redrive(now=opens).is_due
    assert told == [Topic.SPOOL]


def test_what_happened_is_forgotten_after_thirty_days(monkeypatch):
    monkeypatch.setattr(maintenance, "BATCH", 2)
    now = utc_now()
    for days in (45, 40, 31, 29, 0):
        at = now - timedelta(days=days)
        with transaction.atomic():
            occurrences.emit(EventType.USER_THROTTLED, domain_id=None, at=at, facts={"days": days})
    assert maintenance.forget_old_rows(now=now).occurrences == 3
    left = Occurrence.objects.order_by("pk").values_list("facts__days", flat=True)
    assert list(left) == [29, 0]


def test_the_ticks_run_as_tasks(recipient):
    assert tasks.retry_due.call() is True
    assert tasks.open_throttle_windows.call() is True
    assert set(tasks.forget_old_rows.call()) >= {"traces", "refusals", "notes"}
