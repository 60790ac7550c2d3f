"""Statistics: counted from what was written down anyway, and the same however often (R-001)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection

from accounts.models import User
from blobs.ids import first_id_at
from clock.moments import to_micros, utc_now
from events.occurrences import EventType, emit
from mailboxes.models import AccountUsage, DomainUsage
from operations import tally
from operations.models import ActivityHour, Block
from operations.tally import Tally
from reports import collecting, series
from reports.collecting import collect
from reports.models import DayCounts, HourCounts
from reports.series import Days
from spool.models import (
    DeliveryAttempt,
    Kind,
    Origin,
    RefusedMail,
    SpooledMessage,
    SpooledRecipient,
    SpoolMinute,
    State,
)
from tests.factories import make_domain

pytestmark = pytest.mark.django_db

NOON = utc_now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


def spooled(at: datetime, number: int = 0, **columns: object) -> SpooledMessage:
    given = {"origin": Origin.SMTP, "size_bytes": 1000, "recipients_total": 1, **columns}
    return SpooledMessage.objects.create(
        id=first_id_at(at) + number, accepted_at=at, expires_at=at + timedelta(days=5), **given
    )


def received(message: SpooledMessage, account: User, at: datetime, number: int = 0, **columns):
    given = {"state": State.DELIVERED, "ended_at": at, **columns}
    return SpooledRecipient.objects.create(
        id=message.pk + 1 + number, message=message, address=str(account),
        original_address=str(account), route="local", account=account,
        ledger_domain=account.domain, **given,
    )  # fmt: skip


def sent(account: User, at: datetime, state: State, ended_at: datetime | None, **columns):
    message = spooled(
        at, 100, origin=Origin.SUBMISSION, sender_account=account, domain=account.domain, **columns
    )
    return SpooledRecipient.objects.create(
        id=message.pk + 1, message=message, address="x@far.test", original_address="x@far.test",
        route="remote", ledger_domain=account.domain, state=state, ended_at=ended_at,
    )  # fmt: skip


def numbers(domain_id: int, account_id: int, hour: datetime) -> HourCounts:
    return HourCounts.objects.get(
        domain_id=domain_id, account_id=account_id, hour=to_micros(hour) // 3_600_000_000
    )


@pytest.fixture
def alice() -> User:
    domain = make_domain("one.example", "alice")
    return User.objects.select_related("domain").get(domain=domain, local_part="alice")


@pytest.mark.spec("R-001", lacks="spam by level")
def test_hours_are_counted_by_user_domain_and_server(alice: User) -> None:
    received(spooled(NOON), alice, NOON)
    received(spooled(NOON, 10), alice, NOON)
    sent(alice, NOON, State.RELAYED, NOON + timedelta(minutes=1))
    spooled(NOON, 20, kind=Kind.BOUNCE, domain=alice.domain, sender_account=alice)
    for number, who in enumerate(("alice@one.example", "nobody@ONE.example", "x@far.test", "")):
        RefusedMail.objects.create(
            id=first_id_at(NOON) + number, at=NOON, client_address="192.0.2.1", recipient=who,
            reply="550",
        )  # fmt: skip
    Block.objects.create(network="192.0.2.1", since=NOON)
    emit(EventType.USER_THROTTLED, domain_id=alice.domain_id, account_id=alice.pk, at=NOON,
         facts={})  # fmt: skip
    SpoolMinute.objects.create(minute=to_micros(NOON) // 60_000_000 + 5, messages=7)
    collect(now=NOON + timedelta(minutes=30))
    key = alice.domain_id or 0
    mine, domain, server = (numbers(*one, NOON) for one in ((key, alice.pk), (key, 0), (0, 0)))
    for row in (mine, domain, server):
        assert (row.received, row.received_bytes, row.sent, row.sent_bytes) == (2, 2000, 1, 1000)
        assert row.throttled == 1
    assert (mine.refused, domain.refused, server.refused) == (1, 2, 4)
    assert (server.blocks, server.waiting) == (1, 7)


@pytest.mark.spec("R-001", lacks="spam by level")
def test_counting_again_changes_nothing_and_follows_what_ended_late(alice: User) -> None:
    early = sent(alice, NOON - timedelta(hours=5), State.BOUNCED, NOON + timedelta(minutes=2))
    late = received(spooled(NOON - timedelta(hours=6)), alice, NOON + timedelta(minutes=3))
    for number, recipient in enumerate((early, early, late)):
        DeliveryAttempt.objects.create(
            id=first_id_at(NOON) + number, recipient=recipient, number=number, started_at=NOON
        )
    for _ in range(3):
        collect(now=NOON + timedelta(minutes=30))
    row = numbers(alice.domain_id or 0, alice.pk, NOON)
    assert (row.bounced, row.received) == (1, 1)
    assert numbers(0, 0, NOON - timedelta(hours=5)).sent == 1
    day = DayCounts.objects.get(domain_id=0, account_id=0, day=to_micros(NOON) // 86_400_000_000)
    assert (day.sent, day.bounced, day.received) == (1, 1, 1)
    received(spooled(NOON + timedelta(minutes=40)), alice, NOON + timedelta(minutes=40))
    collect(now=NOON + timedelta(minutes=70))
    assert numbers(0, 0, NOON).received == 2, "an hour is final only when counted after its end"


def test_a_block_that_was_lifted_still_counts() -> None:
    block = Block.objects.create(network="192.0.2.1", since=NOON)
    collect(now=NOON + timedelta(minutes=10))
    block.delete()
    collect(now=NOON + timedelta(minutes=20))
    assert numbers(0, 0, NOON).blocks == 1


@pytest.mark.spec("R-001", lacks="spam by level")
def test_after_a_pause_all_hours_are_made_up_for(alice: User) -> None:
    collect(now=NOON - timedelta(hours=60))
    received(spooled(NOON - timedelta(hours=30)), alice, NOON - timedelta(hours=30))
    assert collect(now=NOON).hours == collecting.MOST_HOURS
    collect(now=NOON)
    assert numbers(0, 0, NOON - timedelta(hours=30)).received == 1
    assert HourCounts.objects.filter(domain_id=0, account_id=0).count() == 62


@pytest.mark.spec("R-001", lacks="spam by level")
def test_log_ins_and_connections_are_added_up_from_several_processes(alice: User) -> None:
    for _ in range(2):
        counted = Tally()
        counted.connected("imap")
        counted.logged_in("imap", account_id=alice.pk, domain_id=alice.domain_id)
        with connection.cursor() as cursor:
            tally.write(cursor, counted.take(), now=NOON)
        assert counted.take() == []
    tally.web_login(alice.pk, alice.domain_id, now=NOON)
    collect(now=NOON + timedelta(minutes=1))
    assert numbers(alice.domain_id or 0, alice.pk, NOON).logins == 3
    assert (numbers(0, 0, NOON).logins, numbers(0, 0, NOON).connections) == (3, 2)


@pytest.mark.spec("R-001", lacks="spam by level")
def test_disk_space_is_noted_and_carried_over_days_without_a_note(alice: User) -> None:
    key = (alice.domain_id or 0, 0)
    DomainUsage.objects.update_or_create(domain_id=key[0], defaults={"bytes": 5000})
    AccountUsage.objects.update_or_create(account=alice, defaults={"bytes": 4000})
    received(spooled(NOON), alice, NOON)
    collect(now=NOON)
    today = NOON.date()
    DayCounts.objects.create(domain_id=key[0], account_id=0,
                             day=(today - series.EPOCH).days - 3, disk_bytes=1)  # fmt: skip
    spans = series.by_day(key, Days(today - timedelta(days=2), today), today=today)
    assert [span.disk_bytes for span in spans] == [1, 1, 5000]
    assert DayCounts.objects.get(account_id=alice.pk).disk_bytes == 4000
    assert DayCounts.objects.get(domain_id=0, day=(today - series.EPOCH).days).disk_bytes == 5000


@pytest.mark.spec("R-001", lacks="spam by level")
def test_statistics_are_kept_for_400_days() -> None:
    day = to_micros(NOON) // 86_400_000_000
    for back in (0, 399, 400, 500):
        DayCounts.objects.create(domain_id=0, account_id=9, day=day - back)
    for account, back in ((0, 30), (0, 36), (9, 2), (9, 4)):
        HourCounts.objects.create(domain_id=1, account_id=account, hour=day * 24 - back * 24)
    ActivityHour.objects.create(domain_id=0, account_id=0, service="imap", hour=day * 24 - 100)
    collect(now=NOON)
    kept = DayCounts.objects.filter(account_id=9).order_by("-day").values_list("day", flat=True)
    assert [day - one for one in kept] == [0, 399]
    hours = HourCounts.objects.filter(domain_id=1).order_by("account_id")
    assert [(row.account_id, day - row.hour // 24) for row in hours] == [(0, 30), (9, 2)]
    assert not ActivityHour.objects.exists()
