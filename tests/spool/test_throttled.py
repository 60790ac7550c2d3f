"""Who is throttled is told, shown and released."""

import pytest
from django.db import OperationalError

from accounts import provisioning
from accounts.models import User
from events.models import AuditEntry, Occurrence
from spool import selectors, telling, throttle, throttled, throttlewarnings, trace
from spool.acceptance import Acceptance
from spool.models import Kind, SpooledMessage, State, ThrottleCrossing
from spool.throttled import NotThrottled, release
from tests.sinks import Sink
from tests.spool import hourly, outgoing
from tests.spool.hourly import TEN_TO_THREE, THREE
from tests.spool.outgoing import in_thread, running_manager, submit, submit_async, until
from tests.spool.ownmail import own_mail

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.mark.spec("T-014", "E-024")
async def test_one_event_and_one_mail_for_each_window(far_dns, clock):
    await in_thread(hourly.limited)(messages=2)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        for number in range(9):
            await submit_async(f"r{number}@far.test")
        await until(lambda: hourly.count(State.THROTTLED) == 7 and hourly.warnings() == 1)
        clock.now = THREE
        await in_thread(hourly.wake)()
        await until(lambda: hourly.count(State.RELAYED) == 4 and hourly.warnings() == 2)
    assert await Occurrence.objects.acount() == 2
    [told, _] = await in_thread(own_mail)(Kind.EVENT)
    assert told["To"] == "admin@one.example"
    assert told["Subject"] == "one.example has reached its sending limit until 15:00 UTC"
    assert "2 of 2 messages this hour" in told.get_content()
    assert told["Auto-Submitted"] == "auto-generated"
    event = await Occurrence.objects.afirst()
    assert event.facts["until"].startswith("2026-03-01T16:00")


def test_a_warning_that_is_lost_with_its_process_is_written_by_the_next(monkeypatch, clock):
    hourly.limited(messages=1)
    submit("a@far.test", "b@far.test")
    hourly.look(TEN_TO_THREE)

    def die(jobs, cursor):
        raise OperationalError("the process is killed while the rows are being written")

    with monkeypatch.context() as patch:
        patch.setattr(Acceptance, "write_rows", staticmethod(die))
        assert throttlewarnings.send_due(clock.now) == 0
    assert ThrottleCrossing.objects.get().warned_at is None, "marked, and yet nobody was told"
    assert throttlewarnings.send_due(clock.now) == 1
    assert throttlewarnings.send_due(clock.now) == 0
    assert hourly.warnings() == 1


@pytest.mark.spec("T-002", "T-003")
def test_the_trace_tells_who_is_limited_by_which_numbers(clock):
    hourly.limited(messages=2)
    for name in ("a", "b", "c"):
        submit(f"{name}@far.test")
    hourly.look(TEN_TO_THREE)
    held = hourly.row("c").message
    told = telling.tell(trace.trace(held), now=clock.now)
    slot = f"{clock.now:%Y-%m-%d} 15:00 UTC"
    assert f"one.example is limited: 2 of 2 messages this hour; next slot {slot}." in told
    assert "it had to wait, for one.example had used 2 of 2 messages this hour" in told
    shown = selectors.page(None, now=clock.now).rows
    assert {one.status for one in shown if one.message_id == held.pk} == {
        f"Throttled until {clock.now:%Y-%m-%d} 15:00 UTC"
    }


def test_the_list_is_sorted_by_when_throttled_mail_goes_on(clock):
    one = hourly.limited(messages=1)
    submit("a@far.test", "b@far.test")
    hourly.look(TEN_TO_THREE)
    message = SpooledMessage.objects.get()
    assert (message.is_listed, message.worst_state) == (True, State.THROTTLED)
    assert message.next_at == hourly.row("b").due_at == THREE
    release(kind=throttle.Kind.DOMAIN, key_id=one.pk, by=None, now=TEN_TO_THREE)
    message.refresh_from_db()
    assert message.next_at == hourly.row("b").due_at == TEN_TO_THREE


@pytest.mark.spec("T-013")
def test_who_is_throttled_is_shown_and_a_release_grants_one_fresh_allowance(clock):
    one = hourly.limited(messages=2)
    for number in range(7):
        submit(f"r{number}@far.test")
    hourly.send(TEN_TO_THREE)
    [shown] = throttled.throttled(clock.now)
    assert (shown.who, shown.reason, shown.numbers) == (
        "one.example", "messages", "2 of 2 messages this hour",
    )  # fmt: skip
    assert (shown.since, shown.until, shown.waiting) == (TEN_TO_THREE, THREE, 5)
    admin = User.objects.get(local_part="admin")
    assert release(kind="domain", key_id=one.pk, by=admin, now=clock.now) == 5
    assert throttled.throttled(clock.now) == []
    assert hourly.send(TEN_TO_THREE) == ["r2", "r3"]
    assert hourly.used(one.pk)[0] == 4
    [again] = throttled.throttled(clock.now)
    assert again.waiting == 3
    assert Occurrence.objects.count() == 1, "a second event would be one too many in this hour"
    entry = AuditEntry.objects.get(verb="released throttle")
    assert (entry.actor, entry.object_name) == ("admin@one.example", "one.example")
    assert hourly.send(THREE) == ["r4", "r5"]
    with pytest.raises(NotThrottled):
        release(kind="domain", key_id=one.pk + 1, by=admin, now=THREE)


def test_a_raised_limit_lets_go_what_waits_without_a_release(clock):
    one = hourly.limited(messages=2)
    for number in range(6):
        submit(f"r{number}@far.test")
    hourly.send(TEN_TO_THREE)
    assert throttled.reopen(clock.now) == 0
    provisioning.change_tab(
        domain=one, tab="throttling", values=hourly.throttling(messages=5), by=None
    )
    outgoing.forget_everything()
    assert throttled.reopen(clock.now) == 3
    assert hourly.send(TEN_TO_THREE) == ["r2", "r3", "r4"]
    off = {"outgoing_messages_per_hour_enabled": False}
    provisioning.change_tab(domain=one, tab="throttling", values=off, by=None)
    outgoing.forget_everything()
    assert throttled.reopen(clock.now) == 1
    assert hourly.send(TEN_TO_THREE) == ["r5"]
    assert throttled.throttled(clock.now) == []
