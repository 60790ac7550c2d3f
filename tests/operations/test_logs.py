"""Settings of logs and transcripts as services; what follows from them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from clock.moments import utc_now
from domains.errors import ValuesRefused
from events.models import AuditEntry
from logbook.kinds import Kind, Level
from logbook.writer import BOOK
from operations import logs, transcripts
from operations.logs import LOGS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _as_before():
    yield
    BOOK.levels = dict.fromkeys(Kind, Level.NORMAL)


@pytest.mark.spec("M-088")
def test_settings_say_how_much_goes_into_each_log():
    LOGS.change({"detailed": ["smtp"], "switched_off": ["imap"]}, by=None)
    logs.apply()
    assert BOOK.levels[Kind.SMTP] is Level.DETAILED
    assert BOOK.levels[Kind.IMAP] is Level.OFF
    assert BOOK.levels[Kind.POP] is Level.NORMAL


@pytest.mark.parametrize(
    "values", [{"detailed": ["gopher"]}, {"switched_off": ["admin"]}, {"switched_off": ["errors"]}]
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(ValuesRefused):
        LOGS.change(values, by=None)


def test_a_transcript_ends_by_itself_or_by_hand():
    now = utc_now()
    row = transcripts.start(subject="192.0.2.7", by=None, now=now)
    assert row.ends_at - now == timedelta(minutes=10)
    assert transcripts.watched().clients == {"192.0.2.7": row.pk}
    transcripts.stop(row.pk, by=None, now=now)
    assert not transcripts.watched()
    transcripts.start(subject="A@One.example", by=None, now=now - timedelta(minutes=11))
    assert not transcripts.watched()
    verbs = AuditEntry.objects.order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["started a transcript", "stopped a transcript", "started a transcript"]


@pytest.mark.parametrize("subject", ["", "nobody", "a@b@", "*"])
def test_a_transcript_needs_an_address(subject):
    with pytest.raises(ValuesRefused):
        transcripts.start(subject=subject, by=None, now=utc_now())


def test_old_transcripts_are_forgotten():
    now = utc_now()
    transcripts.start(subject="192.0.2.7", by=None, now=now - timedelta(days=8))
    kept = transcripts.start(subject="192.0.2.8", by=None, now=now)
    assert transcripts.forget_old(now=now) == 1
    assert list(transcripts.Transcript.objects.all()) == [kept]
