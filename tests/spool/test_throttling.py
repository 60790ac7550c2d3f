"""Domains that send more than an hour allows: rows and hours."""

import asyncio
from datetime import timedelta

import pytest
from django.db import connection

from clock.moments import to_micros
from spool import gateways, maintenance, singly
from spool.claims import ClaimDue
from spool.models import (
    Kind,
    Origin,
    SpooledMessage,
    SpooledRecipient,
    State,
    ThrottleCrossing,
    ThrottleHour,
)
from tests import factories
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.hourly import (
    TEN_TO_THREE,
    THREE,
    count,
    limited,
    look,
    row,
    send,
    size_of,
    used,
    wake,
)
from tests.spool.outgoing import in_thread, running_manager, settled, submit, submit_async, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.mark.spec("S-040", "T-003")
@pytest.mark.parametrize(("switch", "times"), [("none", 1), ("destination", 3), ("gateway", 3)])
def test_a_message_counts_its_bytes_for_each_transaction_that_it_may_take(switch, times):
    one = limited(messages=9)
    if switch == "destination":
        singly.add(name="far.test", by=None)
    elif switch == "gateway":
        values = {"name": "out", "host": "127.0.0.1", "one_recipient_at_a_time": True}
        gateways.add(values=values, by=None)
    outgoing.forget_everything()
    submit("a@far.test", "b@far.test", "c@far.test")
    assert len(look(TEN_TO_THREE)) == 3
    assert used(one.pk) == (3, times * SpooledMessage.objects.get().size_bytes)


@pytest.mark.spec("T-002", "T-003", "T-004", "T-010")
async def test_mail_over_the_limit_waits_for_the_next_hour_and_then_goes(far_dns, clock):
    one = await in_thread(limited)(messages=5)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        ids = [await submit_async(f"r{n}@far.test") for n in range(8)]
        await until(lambda: count(State.RELAYED) == 5 and count(State.THROTTLED) == 3)
        held = await in_thread(lambda: SpooledRecipient.objects.filter(state=30).first())()
        assert (held.reply, held.due_at, held.attempts) == ("Throttled until 15:00 UTC", THREE, 0)
        assert held.claimed_by is None
        clock.now = THREE - timedelta(seconds=1)
        await in_thread(wake)()
        await asyncio.sleep(0.3)
        assert len(sink.taken) == 5
        clock.now = THREE
        await in_thread(wake)()
        await until(lambda: count(State.RELAYED) == 8)
    assert len(sink.taken) == 8
    assert await in_thread(used)(one.pk) == (5, 5 * (await size_of(ids[0])))
    assert (await in_thread(used)(one.pk, THREE))[0] == 3


@pytest.mark.spec("T-002")
def test_what_is_throttled_is_accepted_and_keeps_its_patience():
    limited(messages=1)
    for name in ("first", "second", "third"):
        submit(f"{name}@far.test")
    before = {m.pk: m.expires_at for m in SpooledMessage.objects.all()}
    assert send(TEN_TO_THREE) == ["first"]
    assert send(THREE) == ["second"]
    third = row("third").message
    assert third.expires_at == before[third.pk] + timedelta(minutes=70)
    assert row("first").message.expires_at == before[row("first").message_id]


@pytest.mark.spec("T-002")
def test_patience_is_prolonged_once_an_hour_however_many_recipients_wait():
    limited(messages=1)
    submit(*(f"r{n}@far.test" for n in range(5)))
    expires_at = SpooledMessage.objects.get().expires_at
    send(TEN_TO_THREE)
    SpooledRecipient.objects.filter(state=State.THROTTLED).update(due_at=TEN_TO_THREE)
    send(TEN_TO_THREE + timedelta(minutes=5))
    assert SpooledMessage.objects.get().expires_at == expires_at + timedelta(minutes=10)


@pytest.mark.spec("T-002")
def test_the_next_hour_begins_with_what_has_the_highest_priority():
    limited(messages=1)
    for name in ("first", "low", "high", "middle"):
        submit(f"{name}@far.test")
    SpooledRecipient.objects.filter(address="low@far.test").update(priority=1)
    assert send(TEN_TO_THREE) == ["first"]
    SpooledRecipient.objects.filter(address="high@far.test").update(priority=9)
    hours = [THREE + timedelta(hours=n) for n in range(3)]
    assert [send(hour) for hour in hours] == [["high"], ["middle"], ["low"]]


@pytest.mark.spec("T-004", "T-006")
@pytest.mark.parametrize(
    "tab",
    [
        {"outgoing_messages_per_hour": 1},
        {"outgoing_messages_per_hour": 0, "outgoing_messages_per_hour_enabled": True},
        {"outgoing_bandwidth_mb_per_hour": 0, "outgoing_bandwidth_mb_per_hour_enabled": True},
    ],
)
def test_a_limit_that_is_off_or_0_limits_nothing_and_counts_nothing(tab, django_assert_num_queries):
    factories.make_domain("one.example", "alice", throttling=tab)
    for number in range(3):
        submit(f"r{number}@far.test")
    # Choose, whose turn it is, theirs, claim, read: as without throttling.
    with django_assert_num_queries(5):
        job = ClaimDue(owner=7, now=to_micros(TEN_TO_THREE), limit=3)
        with connection.cursor() as cursor:
            ClaimDue.write_rows([job], cursor)
    assert len(job.result.recipients) == 3
    assert not ThrottleHour.objects.exists()


@pytest.mark.spec("T-001")
async def test_local_mail_and_bounces_of_a_throttled_domain_go_on(far_dns):
    await in_thread(limited)(messages=1)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await submit_async("first@far.test")
        await until(lambda: count(State.RELAYED) == 1)
        held = await submit_async("second@far.test")
        assert await settled(held) == {"second@far.test": "THROTTLED"}
        local = await submit_async("alice@one.example", notify="SUCCESS")
        assert await settled(local) == {"alice@one.example": "DELIVERED"}
        bounce = await in_thread(submit)(
            "writer@far.test", sender="", kind=Kind.BOUNCE, origin=Origin.SERVER
        )
        assert await settled(bounce) == {"writer@far.test": "RELAYED"}


@pytest.mark.spec("T-001")
@pytest.mark.parametrize("kind", [Kind.LIST, Kind.AUTORESPONDER, Kind.REPORT])
def test_lists_replies_and_reports_count(kind):
    domain = limited(messages=1)
    submit("first@far.test", kind=kind, origin=Origin.SERVER)
    submit("second@far.test", kind=kind, origin=Origin.SERVER)
    assert look(TEN_TO_THREE) == ["first"]
    assert used(domain.pk)[0] == 1


@pytest.mark.spec("T-001", "P-004")
def test_forwarding_counts_for_the_domain_of_the_alias():
    writer = limited("one.example", messages=9)
    alias = limited("two.example", messages=9)
    factories.make_alias(alias, "out", "away@far.test")
    submit("out@two.example")
    assert look(TEN_TO_THREE) == ["away"]
    assert (used(writer.pk)[0], used(alias.pk)[0]) == (0, 1)


@pytest.mark.spec("T-005", "T-006")
async def test_bandwidth_counts_once_for_each_transaction(far_dns):
    one = await in_thread(limited)(bandwidth_mb=1)
    body = outgoing.MESSAGE + (b"x" * 70 + b"\r\n") * 10_000
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        first = await submit_async(*(f"r{n}@far.test" for n in range(10)), body=body)
        assert set((await settled(first)).values()) == {"RELAYED"}
        assert await in_thread(used)(one.pk) == (10, await size_of(first))
        second = await submit_async("a@far.test", "b@far.test", "c@other.test", body=body)
        ends = await settled(second)
        assert sorted(ends.values()) == ["RELAYED", "RELAYED", "THROTTLED"]
        assert ends["c@other.test"] == "THROTTLED"
        third = await submit_async("bob@far.test")
        assert await settled(third) == {"bob@far.test": "THROTTLED"}
    assert len(sink.taken) == 2
    messages, sent_bytes = await in_thread(used)(one.pk)
    assert (messages, sent_bytes) == (12, await size_of(first) + await size_of(second))
    crossing = await ThrottleCrossing.objects.aget()
    assert (crossing.reason, crossing.allowed) == ("bandwidth", 1024 * 1024)


@pytest.mark.spec("T-005")
async def test_bytes_that_went_over_the_wire_in_vain_count_too(far_dns):
    one = await in_thread(limited)(bandwidth_mb=1)
    sink = Sink(answers={".": b"451 4.3.0 not now"})
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("a@far.test", "b@far.test")
        await settled(spool_id)
    assert await in_thread(used)(one.pk) == (0, await size_of(spool_id))


def test_counts_are_forgotten_with_the_traces(clock):
    limited(messages=1)
    submit("a@far.test", "b@far.test")
    look(TEN_TO_THREE)
    maintenance.forget_old_rows(now=clock.now)
    assert ThrottleHour.objects.exists()
    maintenance.forget_old_rows(now=clock.now + timedelta(days=31))
    assert not ThrottleHour.objects.exists()
    assert not ThrottleCrossing.objects.exists()
