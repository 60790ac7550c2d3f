"""Domains and users that send more than an hour allows: rows, processes, hours."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction

from accounts import permissions, provisioning
from accounts import services as account_services
from accounts.directory import login
from accounts.models import User
from blobs.failures import is_contention
from clock.moments import to_micros
from events.models import AuditEntry, Occurrence
from spool import (
    claims,
    maintenance,
    selectors,
    telling,
    throttle,
    throttled,
    throttlewarnings,
    trace,
)
from spool.acceptance import Acceptance
from spool.claims import ClaimDue, ReleaseClaims
from spool.models import (
    Kind,
    Origin,
    SpooledMessage,
    SpooledRecipient,
    State,
    ThrottleCrossing,
    ThrottleHour,
)
from spool.throttled import NotThrottled, release
from switchboard.publish import publish_on_commit
from switchboard.topics import Topic
from tests import factories
from tests.races import beside
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.clockwork import set_clock
from tests.spool.outgoing import in_thread, running_manager, settled, submit, submit_async, until
from tests.spool.ownmail import own_mail

pytestmark = pytest.mark.django_db(transaction=True)
TEN_TO_THREE = datetime(2026, 3, 1, 14, 50, tzinfo=UTC)
THREE = TEN_TO_THREE.replace(hour=15, minute=0)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    outgoing.forget_everything()
    yield set_clock(monkeypatch, TEN_TO_THREE)
    outgoing.stop_committer()


def limited(name="one.example", **limits):
    """A domain that may send so much: messages=5, bandwidth_mb=1, bounces=3."""
    return factories.make_domain(name, "alice", throttling=throttling(**limits))


def throttling(*, messages=None, bandwidth_mb=None, bounces=None):
    fields = {
        "outgoing_messages_per_hour": messages,
        "outgoing_bandwidth_mb_per_hour": bandwidth_mb,
        "bounces_received_per_hour": bounces,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return given | {f"{name}_enabled": True for name in given}


def warnings():
    return SpooledMessage.objects.filter(kind=Kind.EVENT).count()


def look(now, *, owner=7):
    """Claim as the committer would; the names of the recipients that may leave."""
    job = ClaimDue(owner=owner, now=to_micros(now), limit=250)
    with transaction.atomic(), connection.cursor() as cursor:
        ClaimDue.write_rows([job], cursor)
    return [one.address.partition("@")[0] for one in job.result.recipients]


def send(now):
    """The same, and what may leave does."""
    names = look(now)
    SpooledRecipient.objects.filter(claimed_by=7).update(
        state=State.RELAYED, due_at=None, claimed_by=None
    )
    return names


def row(name):
    return SpooledRecipient.objects.get(address__startswith=f"{name}@")


def used(domain_id, now=TEN_TO_THREE):
    hour = to_micros(now) // 3_600_000_000
    found = ThrottleHour.objects.filter(kind="domain", key_id=domain_id, hour=hour).first()
    return (found.messages, found.sent_bytes) if found else (0, 0)


def wake():
    publish_on_commit(Topic.SPOOL)


def count(state):
    return SpooledRecipient.objects.filter(state=state).count()


# --- the hour is used up ---


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


async def size_of(spool_id):
    return (await SpooledMessage.objects.aget(pk=spool_id)).size_bytes


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


# --- reserved and given back ---


@pytest.mark.spec("T-003")
async def test_what_fails_is_given_back_and_another_may_go(far_dns):
    one = await in_thread(limited)(messages=2)
    answers = {"RCPT TO:<bad": b"550 5.1.1 nobody", "RCPT TO:<busy": b"450 4.2.1 later"}
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        first = await submit_async("bad@far.test", "busy@far.test")
        assert set((await settled(first)).values()) == {"BOUNCED", "RETRYING"}
        assert (await in_thread(used)(one.pk))[0] == 0
        second = await submit_async("good@far.test", "better@far.test", "late@far.test")
        ends = sorted((await settled(second)).values())
        assert ends == ["RELAYED", "RELAYED", "THROTTLED"]
    assert (await in_thread(used)(one.pk))[0] == 2


@pytest.mark.spec("T-003")
def test_what_a_process_gives_back_untried_or_dies_with_is_not_lost():
    one = limited(messages=3)
    for number in range(3):
        submit(f"r{number}@far.test")
    look(TEN_TO_THREE)
    assert used(one.pk)[0] == 3
    with transaction.atomic(), connection.cursor() as cursor:
        job = ReleaseClaims(
            owner=7, now=to_micros(TEN_TO_THREE), recipient_ids=[row("r0").pk, row("r1").pk]
        )
        ReleaseClaims.write_rows([job], cursor)
        assert used(one.pk)[0] == 1
        claims.recover(cursor, 7, to_micros(TEN_TO_THREE))
    assert used(one.pk) == (0, 0)
    assert len(look(TEN_TO_THREE)) == 3


@pytest.mark.spec("T-003")
def test_two_that_find_a_process_dead_give_back_once_what_it_held():
    one = limited(messages=3)
    for number in range(2):
        submit(f"r{number}@far.test")
    look(TEN_TO_THREE)
    submit("r2@far.test")
    look(TEN_TO_THREE, owner=8)

    def recover():
        with connection.cursor() as cursor:
            return claims.recover(cursor, 7, to_micros(TEN_TO_THREE))

    with beside(lambda pause: (recover(), pause())), transaction.atomic():
        assert recover() == []
    assert used(one.pk)[0] == 1


@pytest.mark.spec("T-003", "T-010")
def test_what_a_vanished_process_held_moves_to_the_hour_of_whoever_takes_over():
    one = limited(messages=3)
    submit("bob@far.test")
    look(TEN_TO_THREE)
    later = TEN_TO_THREE + timedelta(hours=1)
    assert look(later, owner=8) == ["bob"]
    assert (used(one.pk)[0], used(one.pk, later)[0]) == (0, 1)


@pytest.mark.spec("T-010")
async def test_what_was_reserved_in_an_hour_that_is_over_counts_in_the_one_it_leaves_in(
    far_dns, clock
):
    one = await in_thread(limited)(messages=5)
    async with Sink() as sink, running_manager(far_dns, port=sink.port) as manager:
        deliver = manager._outbound._deliver

        async def after_the_hour(*args):
            clock.now = THREE
            return await deliver(*args)

        manager._outbound._deliver = after_the_hour
        spool_id = await submit_async("bob@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    assert len(sink.taken) == 1
    assert ((await in_thread(used)(one.pk))[0], (await in_thread(used)(one.pk, THREE))[0]) == (0, 1)
    assert (await in_thread(row)("bob")).attempts == 1


@pytest.mark.spec("T-003", "T-010")
def test_several_processes_never_overshoot_and_restarts_keep_the_counts():
    one = limited(messages=20)
    for number in range(60):
        submit(f"r{number}@far.test")
    went, faults = [], []

    def work(owner):
        try:
            while True:
                try:
                    names = look_few(owner)
                except OperationalError as error:
                    if not is_contention(error):
                        raise
                    continue
                went.extend(names)
                due = SpooledRecipient.objects.filter(due_at__lte=TEN_TO_THREE)
                if not due.filter(claimed_by=None).exists():
                    return
        except Exception as error:
            faults.append(error)
        finally:
            connections.close_all()

    def look_few(owner):
        job = ClaimDue(owner=owner, now=to_micros(TEN_TO_THREE), limit=3)
        with transaction.atomic(), connection.cursor() as cursor:
            ClaimDue.write_rows([job], cursor)
        return [recipient.address for recipient in job.result.recipients]

    for _ in range(2):  # the second time is after a restart in the same hour
        threads = [threading.Thread(target=work, args=(owner,)) for owner in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outgoing.forget_everything()
        SpooledRecipient.objects.filter(state=State.THROTTLED).update(due_at=TEN_TO_THREE)
    assert faults == []
    assert len(went) == len(set(went)) == 20
    assert used(one.pk)[0] == 20
    assert Occurrence.objects.count() == ThrottleCrossing.objects.count() == 1


@pytest.mark.spec("T-003", "T-014")
async def test_two_managers_send_exactly_what_is_allowed(far_dns):
    await in_thread(limited)(messages=25)
    ids = [await submit_async(f"r{n}@far.test") for n in range(60)]
    async with Sink() as sink:
        first = running_manager(far_dns, port=sink.port)
        second = running_manager(far_dns, port=sink.port)
        async with first, second:
            for spool_id in ids:
                await until(lambda one=spool_id: outgoing.is_settled(one))
            await until(lambda: warnings() == 1)
            await asyncio.sleep(0.2)
    assert len(sink.taken) == 25
    assert await in_thread(count)(State.THROTTLED) == 35
    assert await Occurrence.objects.acount() == 1
    assert await in_thread(warnings)() == 1


# --- bandwidth ---


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


# --- users ---


def submit_as_alice(*recipients, **given):
    return submit(*recipients, submitter=login("alice@one.example", local_ip=None), **given)


@pytest.mark.spec("T-011", "E-023")
def test_a_user_has_an_hour_of_his_own_beside_the_domains():
    domain = limited(messages=4)
    alice = User.objects.get(local_part="alice")
    account_services.change_user(user=alice, values=throttling(messages=2), by=None)
    outgoing.forget_everything()
    for number in range(3):
        submit_as_alice(f"alices{number}@far.test")
    for number in range(3):
        submit(f"others{number}@far.test")
    assert look(TEN_TO_THREE) == ["alices0", "alices1", "others0", "others1"]
    assert used(domain.pk)[0] == 4
    [user_event, domain_event] = Occurrence.objects.order_by("-type").reverse()
    assert (user_event.type, user_event.account_id) == ("E-023", alice.pk)
    assert user_event.facts["who"] == "alice@one.example"
    assert user_event.facts["reason"] == "messages"
    assert (domain_event.type, domain_event.account_id) == ("E-024", None)


@pytest.mark.spec("T-011")
def test_the_limits_of_a_user_are_settings_like_any_other():
    domain = factories.make_domain("one.example")
    bob = factories.make_user(domain, "bob", **throttling(messages=3, bandwidth_mb=1, bounces=2))
    policy = login("bob@one.example", local_ip=None)
    assert policy.throttling.outgoing_messages_per_hour == 3
    assert policy.throttling.outgoing_bytes_per_hour == 1024 * 1024
    assert policy.throttling.bounces_received_per_hour == 2
    fresh = factories.make_user(domain, "fresh")
    assert (fresh.outgoing_messages_per_hour, fresh.outgoing_bandwidth_mb_per_hour) == (5000, 100)
    assert fresh.bounces_received_per_hour == 1000
    assert bob.outgoing_messages_per_hour_enabled
    assert not fresh.outgoing_messages_per_hour_enabled


@pytest.mark.spec("T-011")
def test_what_an_hour_allows_a_user_is_set_from_above_the_domain():
    domain = factories.make_domain("one.example")
    admin = User.objects.get(local_part="admin")
    root, _ = account_services.create_system_administrator("root", "correct horse battery")

    def may_change(actor, values):
        verbs = account_services.verbs_to_change(values)
        return all(permissions.may(actor, verb, domain) for verb in verbs)

    assert may_change(admin, {"mailbox_size_mb": 10})
    assert not may_change(admin, {"outgoing_messages_per_hour": 10})
    assert may_change(root, {"outgoing_messages_per_hour": 10})


# --- told ---


@pytest.mark.spec("T-014", "E-024")
async def test_one_event_and_one_mail_for_each_window(far_dns, clock):
    await in_thread(limited)(messages=2)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        for number in range(9):
            await submit_async(f"r{number}@far.test")
        await until(lambda: count(State.THROTTLED) == 7 and warnings() == 1)
        clock.now = THREE
        await in_thread(wake)()
        await until(lambda: count(State.RELAYED) == 4 and warnings() == 2)
    assert await Occurrence.objects.acount() == 2
    [told, _] = await in_thread(own_mail)(Kind.EVENT)
    assert told["To"] == "admin@one.example"
    assert told["Subject"] == "one.example has reached its sending limit until 15:00 UTC"
    assert "2 of 2 messages this hour" in told.get_content()
    assert told["Auto-Submitted"] == "auto-generated"
    event = await Occurrence.objects.afirst()
    assert event.facts["until"].startswith("2026-03-01T16:00")


def test_a_warning_that_is_lost_with_its_process_is_written_by_the_next(monkeypatch, clock):
    limited(messages=1)
    submit("a@far.test", "b@far.test")
    look(TEN_TO_THREE)

    def die(jobs, cursor):
        raise OperationalError("the process is killed while the rows are being written")

    with monkeypatch.context() as patch:
        patch.setattr(Acceptance, "write_rows", staticmethod(die))
        assert throttlewarnings.send_due(clock.now) == 0
    assert ThrottleCrossing.objects.get().warned_at is None, "marked, and yet nobody was told"
    assert throttlewarnings.send_due(clock.now) == 1
    assert throttlewarnings.send_due(clock.now) == 0
    assert warnings() == 1


@pytest.mark.spec("T-002", "T-003")
def test_the_trace_tells_who_is_limited_by_which_numbers(clock):
    limited(messages=2)
    for name in ("a", "b", "c"):
        submit(f"{name}@far.test")
    look(TEN_TO_THREE)
    held = row("c").message
    told = telling.tell(trace.trace(held), now=clock.now)
    slot = f"{clock.now:%Y-%m-%d} 15:00 UTC"
    assert f"one.example is limited: 2 of 2 messages this hour; next slot {slot}." in told
    assert "it had to wait, for one.example had used 2 of 2 messages this hour" in told
    shown = selectors.page(None, now=clock.now).rows
    assert {one.status for one in shown if one.message_id == held.pk} == {
        f"Throttled until {clock.now:%Y-%m-%d} 15:00 UTC"
    }


# --- seen and released ---


def test_the_list_is_sorted_by_when_throttled_mail_goes_on(clock):
    one = limited(messages=1)
    submit("a@far.test", "b@far.test")
    look(TEN_TO_THREE)
    message = SpooledMessage.objects.get()
    assert (message.is_listed, message.worst_state) == (True, State.THROTTLED)
    assert message.next_at == row("b").due_at == THREE
    release(kind=throttle.Kind.DOMAIN, key_id=one.pk, by=None, now=TEN_TO_THREE)
    message.refresh_from_db()
    assert message.next_at == row("b").due_at == TEN_TO_THREE


@pytest.mark.spec("T-013")
def test_who_is_throttled_is_shown_and_a_release_grants_one_fresh_allowance(clock):
    one = limited(messages=2)
    for number in range(7):
        submit(f"r{number}@far.test")
    send(TEN_TO_THREE)
    [shown] = throttled.throttled(clock.now)
    assert (shown.who, shown.reason, shown.numbers) == (
        "one.example", "messages", "2 of 2 messages this hour",
    )  # fmt: skip
    assert (shown.since, shown.until, shown.waiting) == (TEN_TO_THREE, THREE, 5)
    admin = User.objects.get(local_part="admin")
    assert release(kind="domain", key_id=one.pk, by=admin, now=clock.now) == 5
    assert throttled.throttled(clock.now) == []
    assert send(TEN_TO_THREE) == ["r2", "r3"]
    assert used(one.pk)[0] == 4
    [again] = throttled.throttled(clock.now)
    assert again.waiting == 3
    assert Occurrence.objects.count() == 1, "a second event would be one too many in this hour"
    entry = AuditEntry.objects.get(verb="released throttle")
    assert (entry.actor, entry.object_name) == ("admin@one.example", "one.example")
    assert send(THREE) == ["r4", "r5"]
    with pytest.raises(NotThrottled):
        release(kind="domain", key_id=one.pk + 1, by=admin, now=THREE)


@pytest.mark.spec("T-013", "T-011")
def test_a_user_is_released_apart_from_his_domain(clock):
    limited(messages=9)
    alice = User.objects.get(local_part="alice")
    account_services.change_user(user=alice, values=throttling(messages=1), by=None)
    outgoing.forget_everything()
    submit_as_alice("a@far.test")
    submit_as_alice("b@far.test")
    send(TEN_TO_THREE)
    [shown] = throttled.throttled(clock.now)
    assert (shown.kind, shown.who, shown.waiting) == ("user", "alice@one.example", 1)
    assert release(kind="user", key_id=alice.pk, by=None, now=clock.now) == 1
    assert send(TEN_TO_THREE) == ["b"]


def test_a_raised_limit_lets_go_what_waits_without_a_release(clock):
    one = limited(messages=2)
    for number in range(6):
        submit(f"r{number}@far.test")
    send(TEN_TO_THREE)
    assert throttled.reopen(clock.now) == 0
    provisioning.change_tab(domain=one, tab="throttling", values=throttling(messages=5), by=None)
    outgoing.forget_everything()
    assert throttled.reopen(clock.now) == 3
    assert send(TEN_TO_THREE) == ["r2", "r3", "r4"]
    off = {"outgoing_messages_per_hour_enabled": False}
    provisioning.change_tab(domain=one, tab="throttling", values=off, by=None)
    outgoing.forget_everything()
    assert throttled.reopen(clock.now) == 1
    assert send(TEN_TO_THREE) == ["r5"]
    assert throttled.throttled(clock.now) == []


def test_counts_are_forgotten_with_the_traces(clock):
    limited(messages=1)
    submit("a@far.test", "b@far.test")
    look(TEN_TO_THREE)
    maintenance.forget_old_rows(now=clock.now)
    assert ThrottleHour.objects.exists()
    maintenance.forget_old_rows(now=clock.now + timedelta(days=31))
    assert not ThrottleHour.objects.exists()
    assert not ThrottleCrossing.objects.exists()
