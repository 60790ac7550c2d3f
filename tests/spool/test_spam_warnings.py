"""Administrators and the postmaster are told once of a user who sends to too many (M-065)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction

from clock.moments import to_micros, utc_now
from operations import blocks, guard
from operations.counting import Event, RecordEvents
from operations.models import AbuseRule, Action, Block, Kind
from operations.rules import enabled
from spool import spamwarnings
from spool.acceptance import Acceptance
from spool.models import Kind as MailKind
from tests import factories
from tests.spool import outgoing
from tests.spool.ownmail import own_mail

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_road():
    yield
    outgoing.stop_committer()


def send(user, recipients, *, action):
    """As a mail process counts what a user has handed in."""
    AbuseRule.objects.all().delete()
    AbuseRule.objects.create(
        kind=Kind.SPAMMING, window_seconds=900, threshold=200, block_seconds=3600, action=action
    )
    [rule] = enabled()
    now = to_micros(utc_now())
    event = Event(rule, str(user.pk), rule.slice_of(now), recipients)
    with transaction.atomic(), connection.cursor() as cursor:
        RecordEvents.write_rows([RecordEvents(now=now, events=[event])], cursor)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (Action.NOTIFY, "Nothing has been stopped."),
        (Action.THROTTLE, "no more mail of this user is accepted"),
        (Action.DISABLE, "until your provider lifts that"),
    ],
)
@pytest.mark.spec("M-065")
def test_each_action_is_told_to_the_administrator_in_words_of_its_own(action, words):
    chatty = factories.make_user(factories.make_domain("one.example"), "chatty")
    send(chatty, 199, action=action)
    assert spamwarnings.send_due(utc_now()) == 0
    send(chatty, 200, action=action)
    assert bool(guard.load_stopped()) == (action != Action.NOTIFY)
    assert spamwarnings.send_due(utc_now()) >= 1
    assert spamwarnings.send_due(utc_now()) == 0
    told = own_mail(MailKind.NOTICE)
    assert "admin@one.example" in [one["To"] for one in told]
    assert told[0]["Subject"] == "chatty@one.example sends to unusually many recipients"
    assert "200 recipients or more within 15 minutes" in told[0].get_content()
    assert words in told[0].get_content()


def test_a_notice_outlives_the_process_that_was_to_write_it_and_the_block_itself(monkeypatch):
    chatty = factories.make_user(factories.make_domain("one.example"), "chatty")
    send(chatty, 200, action=Action.NOTIFY)

    def die(jobs, cursor):
        raise OperationalError("the process is killed while the rows are being written")

    with monkeypatch.context() as patch:
        patch.setattr(Acceptance, "write_rows", staticmethod(die))
        assert spamwarnings.send_due(utc_now()) == 0
    later = utc_now() + timedelta(hours=1)
    assert blocks.forget_ended(now=later) == 0, "nobody has been told yet"
    assert spamwarnings.send_due(later) >= 1
    assert blocks.forget_ended(now=later) == 1
    assert not Block.objects.exists()
