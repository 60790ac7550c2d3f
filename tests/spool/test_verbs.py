"""Hold, release, change of way, delete and undo, against a spool at work."""

import asyncio
from datetime import timedelta

import pytest

from accounts.errors import NotPermitted
from accounts.models import User
from blobs.models import Blob
from clock.moments import utc_now
from domains.errors import ValuesRefused
from events.models import AuditEntry
from spool import deleting, holding, proof, services, settings, undoing
from spool.changing import Skipped
from spool.holding import NewHoldRule
from spool.models import (
    Gateway,
    HoldRule,
    SpoolChange,
    SpooledMessage,
    SpooledRecipient,
    State,
    TraceEntry,
)
from spool.selection import Selection, SpoolFilter
from spool.undoing import NotUndoable
from spool.ways import Way
from tests import factories
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, running_manager, settled, states, submit, submit_async

pytestmark = pytest.mark.django_db(transaction=True)
SLOW = {"RCPT TO:<slow": b"450 4.2.1 later"}


@pytest.fixture(autouse=True)
def _domain(fresh_spool):
    factories.make_domain("one.example", "alice", "carol")


def these(*ids):
    return Selection.of(ids)


def to(**filter):
    return Selection.matching(SpoolFilter(**filter))


def row(address):
    return SpooledRecipient.objects.get(address=address)


def is_even():
    return all(balance.is_even for balance in proof.balances())


def now_and(verb, selection, **given):
    return verb(selection=selection, by=None, now=utc_now(), **given)


# --- hold and release ---


@pytest.mark.spec("S-045", lacks="filtering")
async def test_held_mail_is_not_delivered_until_it_is_released(far_dns):
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("later@far.test", body=outgoing.MESSAGE)
        await settled(spool_id)
        held = await in_thread(submit_held)("bob@far.test")
        await asyncio.sleep(0.3)
        assert len(sink.taken) == 1
        done = await in_thread(now_and)(holding.release, these(held))
        assert (done.done, done.skipped) == (1, 0)
        await outgoing.until(lambda: states(held) == {"bob@far.test": "RELAYED"})
    assert len(sink.taken) == 2
    assert await in_thread(is_even)()


def submit_held(address):
    """Held before the manager sees it, by a rule that is gone a moment later."""
    rule, _ = holding.add_rule(
        new=NewHoldRule(recipient=address, reason="wait"), by=None, now=utc_now()
    )
    settings.forget()
    spool_id = submit(address)
    assert row(address).state == State.HELD
    HoldRule.objects.all().delete()
    SpooledRecipient.objects.update(hold_rule=None)
    settings.forget()
    return spool_id


async def test_what_is_held_during_its_try_is_held_when_the_try_fails(far_dns):
    sink = Sink(answers={"RCPT": b"<hang>"})
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        await outgoing.until(lambda: any(one.startswith("RCPT") for one in sink.commands))
        done = await in_thread(now_and)(holding.hold, these(spool_id), reason="looks odd")
        assert done.done == 1
        assert (await in_thread(row)("bob@far.test")).claimed_by is not None
    bob = await in_thread(row)("bob@far.test")
    assert (bob.state, bob.due_at, bob.hold_reason) == (State.HELD, None, "looks odd")
    assert len(await in_thread(outgoing.attempts)(spool_id)) == 1


def test_everything_to_one_destination_is_held_and_the_rest_of_each_message_goes_on():
    submit("bob@far.test", "eve@near.test")
    submit("dan@near.test")
    done = now_and(holding.hold, to(destination="near.test"), reason="asked to wait")
    assert done.done == 2
    assert row("bob@far.test").state == State.QUEUED
    assert {row("eve@near.test").state, row("dan@near.test").state} == {State.HELD}
    assert row("eve@near.test").hold_reason == "asked to wait"
    again = now_and(holding.hold, to(destination="near.test"), reason="again")
    assert str(again) == "0 done, 2 skipped: 2 held"
    with pytest.raises(ValuesRefused):
        now_and(holding.hold, to(destination="near.test"), reason=" ")


def test_holding_and_releasing_can_be_undone():
    submit("bob@far.test")
    before = row("bob@far.test")
    held = now_and(holding.hold, to(destination="far.test"), reason="x")
    assert undoing.undo(change_id=held.change_id, by=None, now=utc_now()) == 1
    after = row("bob@far.test")
    assert (after.state, after.due_at, after.hold_reason) == (before.state, before.due_at, "")
    now_and(holding.hold, to(destination="far.test"), reason="x")
    freed = now_and(holding.release, to(destination="far.test"))
    assert row("bob@far.test").state == State.QUEUED
    undoing.undo(change_id=freed.change_id, by=None, now=utc_now())
    assert (row("bob@far.test").state, row("bob@far.test").hold_reason) == (State.HELD, "x")
    with pytest.raises(NotUndoable):
        undoing.undo(change_id=freed.change_id, by=None, now=utc_now())


def test_a_server_s_own_hold_is_not_an_operators_to_release():
    submit("bob@far.test")
    SpooledRecipient.objects.update(state=State.HELD, reply="450 domain off")
    done = now_and(holding.release, to(destination="far.test"))
    assert done.reasons == {Skipped.NOT_HELD: 1}


# --- the way ---


async def test_selected_mail_goes_by_another_host(far_dns):
    sink, other = Sink(answers=SLOW), Sink()
    async with sink, other, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("slow@far.test")
        await settled(spool_id)
        way = Way.parse(f"host:127.0.0.1:{other.port}")
        done = await in_thread(now_and)(services.change_way, these(spool_id), way=way)
        assert done.done == 1
        await in_thread(now_and)(services.force, these(spool_id))
        await outgoing.until(lambda: states(spool_id) == {"slow@far.test": "RELAYED"})
    assert (len(sink.taken), len(other.taken)) == (0, 1)


def test_a_way_is_checked_and_can_be_undone():
    submit("bob@far.test", "alice@one.example", notify="SUCCESS")
    gateway = Gateway.objects.create(name="smart", host="mx.smart.test")
    way = Way(gateway_id=gateway.pk)
    done = now_and(services.change_way, to(words=("@",)), way=way)
    assert row("bob@far.test").via == f"gateway:{gateway.pk}"
    assert row("alice@one.example").via == ""
    undoing.undo(change_id=done.change_id, by=None, now=utc_now())
    assert row("bob@far.test").via == ""
    Gateway.objects.update(is_enabled=False)
    with pytest.raises(ValuesRefused):
        now_and(services.change_way, to(words=("@",)), way=way)


@pytest.mark.spec("S-034")
def test_priority_is_undone_to_what_it_was():
    submit("bob@far.test")
    done = now_and(services.set_priority, to(destination="far.test"), priority=9)
    message = SpooledMessage.objects.get()
    assert (row("bob@far.test").priority, message.manual_priority, message.priority) == (9, 9, 9)
    undoing.undo(change_id=done.change_id, by=None, now=utc_now())
    message = SpooledMessage.objects.get()
    assert (row("bob@far.test").priority, message.manual_priority) == (5, None)


async def test_a_priority_set_during_a_try_holds_after_it(far_dns):
    sink = Sink(answers={"RCPT": b"<hang>"})
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        await outgoing.until(lambda: any(one.startswith("RCPT") for one in sink.commands))
        await in_thread(now_and)(services.set_priority, these(spool_id), priority=2)
    bob = await in_thread(row)("bob@far.test")
    assert (bob.state, bob.priority) == (State.RETRYING, 2)


# --- force, reset ---


@pytest.mark.spec("S-042")
def test_the_result_says_what_was_skipped_and_why():
    first, second = submit("bob@far.test"), submit("eve@far.test")
    SpooledRecipient.objects.filter(message=first).update(claimed_by=7)
    SpooledRecipient.objects.filter(message=second).update(state=State.HELD)
    done = now_and(services.force, these(first, second, 12345))
    assert (done.done, done.skipped) == (0, 3)
    assert done.reasons == {Skipped.IN_WORK: 1, Skipped.HELD: 1, Skipped.GONE: 1}
    assert done.change_id is None


@pytest.mark.spec("S-037")
def test_resetting_all_is_spread_over_time(monkeypatch):
    monkeypatch.setattr(services, "MESSAGES_PER_SECOND", 2)
    monkeypatch.setattr("spool.selection.IDS_AT_ONCE", 2)
    for number in range(6):
        submit(f"r{number}@far.test")
    SpooledRecipient.objects.update(attempts=4, state=State.RETRYING)
    now = utc_now()
    done = services.reset_retries(selection=Selection.everything(), by=None, now=now)
    assert done.done == 6
    waits = {(one.due_at - now).total_seconds() for one in SpooledRecipient.objects.all()}
    assert waits == {0, 1, 2}
    assert set(SpooledRecipient.objects.values_list("attempts", flat=True)) == {0}


def test_customers_do_not_put_their_mail_before_others():
    spool_id = submit("bob@far.test")
    admin = User.objects.get(local_part="admin")
    selection = Selection.of([spool_id], actor=admin)
    for act in (
        lambda: services.force(selection=selection, by=admin, now=utc_now()),
        lambda: services.set_priority(selection=selection, priority=9, by=admin, now=utc_now()),
        lambda: services.change_way(selection=selection, way=Way(), by=admin, now=utc_now()),
    ):
        with pytest.raises(NotPermitted):
            act()
    done = holding.hold(selection=selection, reason="mine", by=admin, now=utc_now())
    assert done.done == 1
    assert SpoolChange.objects.get().actor == str(admin)


# --- delete ---


@pytest.mark.spec("S-038")
async def test_deleted_mail_can_be_brought_back_for_ten_seconds(far_dns):
    async with Sink() as sink:
        spool_id = await in_thread(submit)("bob@far.test")
        done = await in_thread(now_and)(deleting.delete, these(spool_id))
        async with running_manager(far_dns, port=sink.port):
            await asyncio.sleep(0.5)
            assert sink.taken == []
            count = await in_thread(undoing.undo)(change_id=done.change_id, by=None, now=utc_now())
            assert count == 1
            await outgoing.until(lambda: states(spool_id) == {"bob@far.test": "RELAYED"})
    assert await in_thread(is_even)()


@pytest.mark.spec("S-038")
async def test_then_the_daemon_makes_it_final(far_dns, monkeypatch):
    monkeypatch.setattr(deleting, "UNDO_FOR", timedelta(seconds=1))
    async with Sink() as sink:
        spool_id = await in_thread(submit)("bob@far.test")
        done = await in_thread(now_and)(deleting.delete, these(spool_id))
        assert await in_thread(is_even)()
        async with running_manager(far_dns, port=sink.port):
            await outgoing.until(lambda: states(spool_id) == {"bob@far.test": "DELETED"})
    message = await SpooledMessage.objects.aget(pk=spool_id)
    assert message.finished_at is not None and message.blob_id is None
    assert (await Blob.objects.aget()).references == 0
    assert await in_thread(is_even)()
    with pytest.raises(NotUndoable):
        await in_thread(undoing.undo)(change_id=done.change_id, by=None, now=utc_now())


@pytest.mark.spec("S-038")
async def test_what_is_being_tried_when_it_is_deleted_ends_deleted(far_dns):
    sink = Sink(answers={"RCPT": b"<hang>"})
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        await outgoing.until(lambda: any(one.startswith("RCPT") for one in sink.commands))
        done = await in_thread(now_and)(deleting.delete, these(spool_id))
        assert done.done == 1
    # The try was broken off: nobody is told, and the row waits for the deletion to be final.
    assert await in_thread(states)(spool_id) == {"bob@far.test": "DELETING"}
    assert len(await in_thread(outgoing.attempts)(spool_id)) == 1
    later = utc_now() + timedelta(seconds=30)
    assert await in_thread(undoing.finish_changes)(now=later) == 1
    assert await in_thread(states)(spool_id) == {"bob@far.test": "DELETED"}
    assert await SpooledMessage.objects.acount() == 1
    assert await in_thread(is_even)()


@pytest.mark.spec("S-038")
async def test_what_the_other_server_takes_while_it_is_being_deleted_was_delivered(far_dns):
    async with Sink() as sink:
        spool_id = await in_thread(submit)("bob@far.test")
        await in_thread(lambda: SpooledRecipient.objects.update(state=State.DELETING))()
        async with running_manager(far_dns, port=sink.port):
            await outgoing.until(lambda: states(spool_id) == {"bob@far.test": "RELAYED"})
    assert await in_thread(is_even)()


@pytest.mark.spec("S-038")
async def test_no_report_goes_out_for_what_fails_while_it_is_being_deleted(far_dns):
    sink = Sink(answers={"RCPT": b"550 5.1.1 no such user"})
    async with sink:
        spool_id = await in_thread(submit)("bob@far.test")
        # As if it were deleted a moment after it was claimed.
        await in_thread(lambda: SpooledRecipient.objects.update(state=State.DELETING))()
        async with running_manager(far_dns, port=sink.port):
            await outgoing.until(lambda: bool(outgoing.attempts(spool_id)))
    assert await SpooledMessage.objects.acount() == 1
    bob = await in_thread(row)("bob@far.test")
    assert (bob.state, bob.claimed_by, bob.due_at) == (State.DELETING, None, None)


def test_a_half_undone_change_is_finished_by_the_daemon():
    submit("bob@far.test")
    done = now_and(deleting.delete, to(destination="far.test"))
    long_ago = utc_now() - timedelta(minutes=2)
    SpoolChange.objects.filter(pk=done.change_id).update(undone_at=long_ago)
    assert undoing.finish_changes(now=utc_now() + timedelta(seconds=60)) == 1
    assert row("bob@far.test").state == State.QUEUED
    assert not undoing.has_open_changes()


@pytest.mark.spec("S-041")
def test_deleting_all_spares_what_comes_in_meanwhile(monkeypatch):
    for number in range(5):
        submit(f"r{number}@far.test")
    monkeypatch.setattr("spool.selection.IDS_AT_ONCE", 2)
    selection = Selection.everything()
    batches = selection.batches(now=utc_now())
    seen = [next(batches)]
    late = submit("late@far.test")
    seen += list(batches)
    assert [len(batch) for batch in seen] == [2, 2, 1]
    assert late not in {one for batch in seen for one in batch}
    done = deleting.delete(selection=selection, by=None, now=utc_now(), at_once=True)
    assert done.done == 6
    assert is_even()
    deleted = AuditEntry.objects.filter(verb="deleted in the spool").order_by("id")
    assert deleted.count() == 6
    assert deleted.first().changes["recipients"][0] == "r0@far.test"


def test_only_the_selected_recipients_of_a_message_are_deleted():
    spool_id = submit("bob@far.test", "eve@near.test")
    now_and(deleting.delete, to(destination="near.test"), at_once=True)
    assert states(spool_id) == {"bob@far.test": "QUEUED", "eve@near.test": "DELETED"}
    message = SpooledMessage.objects.get()
    assert message.finished_at is None and message.blob_id is not None
    assert is_even()


def test_every_verb_is_in_the_trace_and_the_audit():
    submit("bob@far.test")
    which = to(destination="far.test")
    now_and(services.force, which)
    now_and(services.reset_retries, which)
    now_and(services.set_priority, which, priority=3)
    now_and(services.change_way, which, way=Way(is_direct=True))
    now_and(holding.hold, which, reason="x")
    now_and(holding.release, which)
    now_and(deleting.delete, which)
    decisions = list(TraceEntry.objects.order_by("id").values_list("decision", flat=True))
    assert decisions == [
        "forced", "retries reset", "priority set", "route changed", "held", "released", "deleted",
    ]  # fmt: skip
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {f"{one} mail in the spool" for one in decisions} <= verbs


def test_old_changes_are_forgotten():
    submit("bob@far.test")
    done = now_and(holding.hold, to(destination="far.test"), reason="x")
    change = SpoolChange.objects.get(pk=done.change_id)
    assert change.batches.count() == 1
    undoing.forget_changes(now=utc_now() + timedelta(days=2))
    assert change.batches.count() == 0
    undoing.forget_changes(now=utc_now() + timedelta(days=40))
    assert not SpoolChange.objects.exists()
