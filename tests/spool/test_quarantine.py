"""Mail in quarantine: put there, let go, deleted, and removed when its time is over."""

import asyncio
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from administration import renaming
from blobs.models import Blob
from clock.moments import utc_now
from domains import renaming as of_domains
from domains.errors import ValuesRefused
from domains.models import Domain
from events.models import AuditEntry
from jobs.progress import Progress
from mailboxes.models import Message
from spool import (
    closing,
    deleting,
    holding,
    measuring,
    proof,
    quarantine,
    selectors,
    services,
    sight,
    statistics,
    summaries,
    telling,
    trace,
    undoing,
    viewing,
)
from spool.changing import Skipped
from spool.configuration import SPOOL
from spool.holding import NewHoldRule
from spool.listing import Column, View
from spool.models import (
    HoldRule,
    LedgerHour,
    Origin,
    SpoolChange,
    SpooledMessage,
    SpooledRecipient,
    State,
    TraceEntry,
)
from spool.selection import Selection, SpoolFilter, Status
from tests import factories
from tests.races import beside
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, running_manager, settled, states, submit, submit_async

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = timedelta(days=30)
MOMENT = timedelta(seconds=1)
HEAD, _, BODY = outgoing.MESSAGE.partition(b"\r\n\r\n")
SPAM = HEAD + b"\r\nX-Spam-Flag: YES\r\n\r\n" + BODY


@pytest.fixture(autouse=True)
def _domain(fresh_spool):
    factories.make_domain("one.example", "alice", "carol")


def these(*ids):
    return Selection.of(ids)


def row(address):
    return SpooledRecipient.objects.get(address=address)


def message(spool_id):
    return SpooledMessage.objects.get(pk=spool_id)


def is_even():
    return all(balance.is_even for balance in proof.balances())


def put_in(spool_id, *, reason="looks like spam", now=None):
    return holding.quarantine(
        selection=these(spool_id), reason=reason, by=None, now=now or utc_now()
    )


def let_go(selection, *, now=None):
    return holding.release(selection=selection, by=None, now=now or utc_now())


def listed(view=View.QUARANTINE, **given):
    now = utc_now() + timedelta(seconds=5)
    summaries.list_all(now=now)
    return selectors.page(None, now=now, view=view, **given)


def told(spool_id):
    return telling.tell(trace.trace(message(spool_id)), now=utc_now())


# --- put in, and let go ---


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
@pytest.mark.spec("S-045", lacks="filtering")
def test_what_is_put_in_quarantine_says_why_and_when_it_is_removed():
    spool_id, now = submit("bob@far.test", "alice@one.example"), utc_now()
    done = put_in(spool_id, now=now)
    assert (done.done, done.skipped) == (1, 0)
    held = row("bob@far.test")
    assert (held.state, held.due_at, held.hold_reason) == (State.HELD, None, "looks like spam")
    assert held.quarantined_until == now + DAYS == message(spool_id).quarantined_until
    (shown,) = listed().rows
    assert (shown.status, shown.removed_at) == ("Held (quarantine: looks like spam)", now + DAYS)
    assert shown.next_at is None
    entry = TraceEntry.objects.get(message_id=spool_id)
    assert (entry.decision, entry.detail) == ("quarantined", {"set": "looks like spam"})
    assert AuditEntry.objects.filter(verb="quarantined mail in the spool").exists()
    assert put_in(spool_id).reasons == {Skipped.QUARANTINED: 1}
    with pytest.raises(ValuesRefused):
        put_in(spool_id, reason=" ")
    assert is_even()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
async def test_it_is_not_delivered_until_it_is_released(far_dns):
    spool_id = await in_thread(submit_and_put_in)("bob@far.test")
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        other = await submit_async("dan@far.test")
        await settled(other)
        for verb in (services.force, services.reset_retries):
            now = utc_now()
            await in_thread(verb)(selection=these(spool_id), by=None, now=now)
        await asyncio.sleep(0.3)
        assert await in_thread(states)(spool_id) == {"bob@far.test": "HELD"}
        done = await in_thread(let_go)(these(spool_id))
        assert (done.done, done.skipped) == (1, 0)
        await outgoing.until(lambda: states(spool_id) == {"bob@far.test": "RELAYED"})
    assert len(sink.taken) == 2
    assert await in_thread(is_even)()


def submit_and_put_in(*recipients, **given):
    spool_id = submit(*recipients, **given)
    put_in(spool_id)
    return spool_id


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_time_in_quarantine_is_no_time_of_trying():
    spool_id, now = submit("bob@far.test", "eve@far.test"), utc_now()
    patience = message(spool_id).expires_at - now
    put_in(spool_id, now=now)
    later = now + timedelta(days=20)
    only = Selection.matching(SpoolFilter(recipient="bob@far.test", status=Status.QUARANTINE))
    assert let_go(only, now=later).done == 1
    assert message(spool_id).expires_at == later + patience
    still = now + timedelta(days=21)
    assert let_go(these(spool_id), now=still).done == 1
    assert message(spool_id).expires_at == still + patience
    assert message(spool_id).quarantined_until is None
    assert row("bob@far.test").patience_left is None


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_who_lets_the_whole_spool_go_does_not_mean_the_quarantine():
    in_quarantine, held = submit_and_put_in("bob@far.test"), submit("dan@far.test")
    holding.hold(selection=these(held), reason="pause", by=None, now=utc_now())
    for selection in (
        Selection.everything(),
        Selection.matching(SpoolFilter(destination="far.test")),
        Selection.matching(SpoolFilter(status=Status.HELD)),
    ):
        let_go(selection)
        assert states(in_quarantine) == {"bob@far.test": "HELD"}
    assert states(held) == {"dan@far.test": "QUEUED"}
    assert let_go(Selection.everything()).reasons[Skipped.QUARANTINED] == 1
    assert let_go(Selection.matching(SpoolFilter(status=Status.QUARANTINE))).done == 1
    assert states(in_quarantine) == {"bob@far.test": "QUEUED"}


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_what_is_held_goes_into_quarantine_and_back_by_undo():
    spool_id = submit("bob@far.test")
    holding.hold(selection=these(spool_id), reason="pause", by=None, now=utc_now())
    done = put_in(spool_id)
    assert row("bob@far.test").hold_reason == "looks like spam"
    assert undoing.undo(change_id=done.change_id, by=None, now=utc_now()) == 1
    back = row("bob@far.test")
    assert (back.state, back.hold_reason, back.quarantined_until) == (State.HELD, "pause", None)
    assert message(spool_id).quarantined_until is None


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_putting_in_and_letting_go_are_undone_as_they_were():
    spool_id, now = submit("bob@far.test"), utc_now()
    patience = message(spool_id).expires_at - now
    done = put_in(spool_id, now=now)
    until = row("bob@far.test").quarantined_until
    released = let_go(these(spool_id))
    undoing.undo(change_id=released.change_id, by=None, now=utc_now())
    again = row("bob@far.test")
    assert (again.state, again.quarantined_until) == (State.HELD, until)
    assert message(spool_id).quarantined_until == until
    hours = now + timedelta(hours=20)
    assert undoing.undo(change_id=done.change_id, by=None, now=hours) == 1
    free = row("bob@far.test")
    assert (free.state, free.quarantined_until) == (State.QUEUED, None)
    assert message(spool_id).expires_at == hours + patience
    assert is_even()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_a_change_of_an_older_version_is_still_undone():
    spool_id = submit("bob@far.test")
    done = holding.hold(selection=these(spool_id), reason="pause", by=None, now=utc_now())
    (batch,) = SpoolChange.objects.get(pk=done.change_id).batches.all()
    batch.before = [values[:9] for values in batch.before]
    batch.save()
    assert undoing.undo(change_id=done.change_id, by=None, now=utc_now()) == 1
    assert states(spool_id) == {"bob@far.test": "QUEUED"}


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
async def test_what_is_being_tried_is_in_quarantine_if_the_try_fails(far_dns):
    sink = Sink(answers={"RCPT": b"<hang>"})
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        await outgoing.until(lambda: any(one.startswith("RCPT") for one in sink.commands))
        assert (await in_thread(put_in)(spool_id)).done == 1
    assert await in_thread(states)(spool_id) == {"bob@far.test": "HELD"}
    held = await SpooledRecipient.objects.aget()
    assert held.due_at is None and held.is_quarantined


# --- deleting, and the end of its time ---


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_it_is_deleted_with_undo_and_for_good():
    spool_id = submit_and_put_in("bob@far.test")
    done = deleting.delete(selection=these(spool_id), by=None, now=utc_now())
    assert listed().rows == []
    undoing.undo(change_id=done.change_id, by=None, now=utc_now())
    assert [one.message_id for one in listed().rows] == [spool_id]
    deleting.delete(selection=these(spool_id), by=None, now=utc_now(), at_once=True)
    ended = row("bob@far.test")
    assert (ended.state, ended.was_removed) == (State.DELETED, False)
    assert "An administrator deleted it" in told(spool_id)
    assert is_even()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_after_its_time_it_is_removed_and_nobody_is_told():
    spool_id, now = submit("bob@far.test", "eve@far.test"), utc_now()
    put_in(spool_id, now=now)
    assert quarantine.remove_due(now=now + DAYS - MOMENT) == 0
    assert states(spool_id) == {"bob@far.test": "HELD", "eve@far.test": "HELD"}
    assert quarantine.remove_due(now=now + DAYS) == 2
    assert states(spool_id) == {"bob@far.test": "DELETED", "eve@far.test": "DELETED"}
    ended = message(spool_id)
    assert (ended.finished_at, ended.blob_id) == (now + DAYS, None)
    assert SpooledMessage.objects.count() == 1  # no report
    assert Blob.objects.get().references == 0
    assert sum(LedgerHour.objects.values_list("deleted", flat=True)) == 2
    assert is_even()
    entry = AuditEntry.objects.get(verb="removed from quarantine")
    assert (entry.actor, entry.object_id) == ("server", spool_id)
    assert TraceEntry.objects.filter(decision="removed from quarantine").count() == 1
    text = told(spool_id)
    assert "It was removed from quarantine on" in text and "An administrator" not in text
    assert quarantine.remove_due(now=now + 2 * DAYS) == 0


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_who_is_not_in_quarantine_stays_in_the_spool():
    spool_id, now = submit("bob@far.test", "eve@near.test"), utc_now()
    only = Selection.matching(SpoolFilter(recipient="bob@far.test"))
    holding.quarantine(selection=only, reason="spam", by=None, now=now)
    assert quarantine.remove_due(now=now + DAYS) == 1
    assert states(spool_id) == {"bob@far.test": "DELETED", "eve@near.test": "QUEUED"}
    left = message(spool_id)
    assert (left.finished_at, left.quarantined_until) == (None, None)
    assert is_even()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_the_moment_of_removal_is_settled_when_mail_is_put_in():
    now = utc_now()
    early = submit("bob@far.test")
    put_in(early, now=now)
    SPOOL.change({"quarantine_days": 3}, by=None)
    outgoing.forget_everything()
    late = submit("eve@far.test")
    put_in(late, now=now)
    assert quarantine.remove_due(now=now + timedelta(days=3)) == 1
    assert states(early) == {"bob@far.test": "HELD"}
    assert message(early).quarantined_until == now + DAYS
    for days in (0, 31):
        with pytest.raises(ValuesRefused):
            SPOOL.change({"quarantine_days": days}, by=None)


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_many_are_removed_in_small_transactions(monkeypatch):
    monkeypatch.setattr(quarantine, "BATCH", 3)
    now = utc_now()
    ids = [submit(f"r{number}@far.test") for number in range(8)]
    holding.quarantine(selection=these(*ids), reason="spam", by=None, now=now)
    with CaptureQueriesContext(connection) as captured:
        assert quarantine.remove_due(now=now + DAYS) == 8
    begun = [one for one in captured.captured_queries if one["sql"].startswith("BEGIN")]
    assert len(begun) == 3
    assert is_even()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_what_is_deleted_or_released_meanwhile_is_not_removed():
    now = utc_now()
    deleted, released = (submit_and_put_in(f"{name}@far.test") for name in ("bob", "eve"))
    change = deleting.delete(selection=these(deleted), by=None, now=utc_now())
    let_go(these(released))
    assert quarantine.remove_due(now=now + 2 * DAYS) == 0
    assert states(deleted) == {"bob@far.test": "DELETING"}
    assert states(released) == {"eve@far.test": "QUEUED"}
    undoing.undo(change_id=change.change_id, by=None, now=utc_now())
    assert quarantine.remove_due(now=now + 2 * DAYS) == 1


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_two_processes_that_remove_the_same_count_it_once():
    spool_id, now = submit("bob@far.test"), utc_now()
    put_in(spool_id, now=now)
    removed = []

    def first(pause):
        removed.append(quarantine.remove_due(now=now + DAYS))
        pause()

    with beside(first):
        removed.append(quarantine.remove_due(now=now + DAYS))
    assert sorted(removed) == [0, 1]
    assert TraceEntry.objects.filter(decision="removed from quarantine").count() == 1
    assert is_even()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_who_releases_while_it_is_being_removed_comes_first_or_too_late():
    spool_id, now = submit("bob@far.test"), utc_now()
    put_in(spool_id, now=now)

    def release(pause):
        let_go(these(spool_id))
        pause()

    with beside(release):
        assert quarantine.remove_due(now=now + DAYS) == 0
    assert states(spool_id) == {"bob@far.test": "QUEUED"}


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
async def test_the_daemon_removes_by_its_own_clock(far_dns, monkeypatch):
    monkeypatch.setattr("spool.manager.QUARANTINE_SECONDS", 0.1)
    spool_id = await in_thread(submit)("bob@far.test")
    await in_thread(put_in)(spool_id, now=utc_now() - DAYS - MOMENT)
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await outgoing.until(lambda: states(spool_id) == {"bob@far.test": "DELETED"})
    assert sink.taken == []
    assert await in_thread(is_even)()


# --- as it is taken in ---


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_a_standing_rule_puts_in_quarantine_what_is_there_and_what_comes():
    early = submit("bob@far.test")
    rule, done = holding.add_rule(
        new=NewHoldRule(sender="alice@one.example", reason="hacked", quarantines=True),
        by=None, now=utc_now(),
    )  # fmt: skip
    assert done.done == 1
    late = submit("dan@far.test", "carol@one.example")
    assert states(late) == {"dan@far.test": "HELD", "carol@one.example": "HELD"}
    assert Message.objects.count() == 0
    held, accepted = row("dan@far.test"), message(late)
    assert held.quarantined_until == accepted.accepted_at + DAYS == accepted.quarantined_until
    assert (held.hold_reason, held.hold_rule) == ("hacked", None)
    assert held.patience_left == (accepted.expires_at - accepted.accepted_at) // timedelta(
        microseconds=1
    )
    assert {one["step"] for one in accepted.decisions} == {"quarantine"}
    assert f"put into quarantine by hold rule {rule.pk}: hacked" in told(late)
    assert {one.message_id for one in listed().rows} == {early, late}
    # Removing the rule lets nothing go.
    assert holding.remove_rule(rule=rule, by=None, now=utc_now()).done == 0
    assert states(late) == {"dan@far.test": "HELD", "carol@one.example": "HELD"}
    assert holding.keep_rules(now=utc_now()) == 0
    assert is_even()
    assert let_go(these(early, late)).done == 2


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_a_quarantining_rule_that_ends_lets_nothing_go():
    now = utc_now()
    until = now + timedelta(hours=1)
    new = NewHoldRule(recipient="bob@far.test", reason="x", until=until, quarantines=True)
    holding.add_rule(new=new, by=None, now=now)
    spool_id = submit("bob@far.test")
    assert holding.keep_rules(now=until) == 1
    assert not HoldRule.objects.exists()
    assert states(spool_id) == {"bob@far.test": "HELD"}


def is_on(value=True):
    SPOOL.change({"quarantines_spam": value}, by=None)
    outgoing.forget_everything()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
@pytest.mark.parametrize("origin", [Origin.SUBMISSION, Origin.RELAY])
def test_outgoing_mail_that_a_scanner_has_marked_goes_into_quarantine(origin):
    is_on()
    spool_id = submit("bob@far.test", "carol@one.example", body=SPAM, origin=origin)
    assert states(spool_id) == {"bob@far.test": "HELD", "carol@one.example": "HELD"}
    assert row("bob@far.test").hold_reason == "marked as spam by X-Spam-Flag"
    assert "It was put into quarantine: marked as spam by X-Spam-Flag." in told(spool_id)
    assert [one.message_id for one in listed().rows] == [spool_id]
    clean = submit("dan@far.test")
    assert states(clean) == {"dan@far.test": "QUEUED"}
    assert is_even()


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_the_mark_of_others_mail_or_without_the_setting_counts_for_nothing():
    assert states(submit("bob@far.test", body=SPAM)) == {"bob@far.test": "QUEUED"}
    is_on()
    incoming = submit("carol@one.example", body=SPAM, sender="eve@spam.test", origin=Origin.SMTP)
    assert states(incoming) == {"carol@one.example": "DELIVERED"}
    is_on(False)
    assert states(submit("dan@far.test", body=SPAM)) == {"dan@far.test": "QUEUED"}


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_without_the_setting_the_header_is_not_looked_at(monkeypatch):
    def looked(_listed):
        raise AssertionError("looked at")

    monkeypatch.setattr("spool.intake.spammarks.mark_in", looked)
    submit("bob@far.test", body=SPAM)


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_a_mark_comes_before_a_rule_that_would_let_it_go():
    is_on()
    holding.add_rule(new=NewHoldRule(destination="far.test", reason="slow"), by=None, now=utc_now())
    spool_id = submit("bob@far.test", body=SPAM)
    holding.remove_rule(rule=HoldRule.objects.get(), by=None, now=utc_now())
    assert states(spool_id) == {"bob@far.test": "HELD"}


# --- what is seen ---


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_what_is_in_quarantine_does_not_wait():
    apart, mixed, waits = (
        submit("a@far.test"),
        submit("b@far.test", "c@near.test"),
        submit("d@x.test"),
    )
    put_in(apart)
    only = Selection.matching(SpoolFilter(recipient="b@far.test"))
    holding.quarantine(selection=only, reason="spam", by=None, now=utc_now())
    shown = {view: {one.message_id for one in listed(view).rows} for view in View}
    assert shown[View.ALL] == {apart, mixed, waits}
    assert shown[View.WAITING] == {mixed, waits}
    assert shown[View.QUARANTINE] == {apart, mixed}
    assert listed(View.WAITING).total == 2
    assert listed().total == 2
    assert {
        one.message_id for one in listed(View.ALL, filter=SpoolFilter(status=Status.HELD)).rows
    } == set()
    measuring.measure(now=utc_now() + timedelta(minutes=1))
    found = statistics.current(now=utc_now() + timedelta(minutes=1))
    assert (found.messages, found.recipients, found.held, found.quarantined) == (3, 4, 2, 2)
    with connection.cursor() as cursor:
        assert measuring.oldest_waiting(cursor) == mixed
    assert {one.name: one.recipients - one.held for one in found.destinations} == {
        "far.test": 0, "near.test": 1, "x.test": 1,
    }  # fmt: skip


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_its_view_is_sorted_by_the_moment_of_removal_page_by_page():
    now = utc_now()
    ids = [submit(f"r{number}@far.test") for number in range(30)]
    for number, spool_id in enumerate(ids):
        put_in(spool_id, now=now + timedelta(hours=number % 7))
    first = listed(column=Column.REMOVED_AT, descending=False, rows=25)
    second = listed(column=Column.REMOVED_AT, descending=False, rows=25, cursor=first.next)
    shown = [*first.rows, *second.rows]
    assert {one.message_id for one in shown} == set(ids) and len(shown) == 30
    assert [one.removed_at for one in shown] == sorted(one.removed_at for one in shown)


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_indexes_find_what_is_to_be_removed_and_shown():
    ids = [submit(f"r{number}@far.test") for number in range(40)]
    put_in(ids[3])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")
    with CaptureQueriesContext(connection) as captured:
        quarantine.remove_due(now=utc_now())
        selectors.page(None, now=utc_now(), view=View.QUARANTINE, column=Column.REMOVED_AT)
    asked = [one["sql"] for one in captured.captured_queries]
    removal = next(one for one in asked if "spool_spooledrecipient" in one)
    page = next(one for one in asked if "ORDER BY" in one and "first_recipient" in one)
    assert "recipient_quarantine" in plan_of(removal)
    assert "spool_quarantine" in plan_of(page)


def plan_of(statement):
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {statement.replace('%', '%%')}")
        return "\n".join(" ".join(map(str, one)) for one in cursor.fetchall())


# --- beside the rest ---


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_what_aliases_of_others_lead_to_is_told_as_removed_too():
    domain = factories.make_domain("own.example", "dora")
    factories.make_alias(factories.make_domain("two.example", "bob"), "sales", "bob")
    outgoing.forget_everything()
    new = NewHoldRule(sender="dora@own.example", reason="spam", quarantines=True)
    holding.add_rule(new=new, by=None, now=utc_now())
    spool_id = submit("sales@two.example", sender="dora@own.example")
    quarantine.remove_due(now=utc_now() + 2 * DAYS)
    dora = domain.users.get(local_part="admin")
    found = sight.trace_for(dora, message(spool_id))
    (view,) = viewing.views_of(found.recipients, found.attempts)
    assert (view.address, view.status) == ("sales@two.example", "Removed from quarantine")
    text = telling.tell(found, now=utc_now())
    assert "It was removed from quarantine on" in text and "bob@two.example" not in text


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_a_restored_server_is_let_go_without_its_quarantine():
    in_quarantine, waits = submit_and_put_in("bob@far.test"), submit("dan@far.test")
    until = message(in_quarantine).quarantined_until
    everything = Selection.everything()
    holding.hold(selection=everything, reason="restored", by=None, now=utc_now())
    assert states(waits) == {"dan@far.test": "HELD"}
    let_go(Selection.everything())
    assert states(waits) == {"dan@far.test": "QUEUED"}
    assert row("bob@far.test").quarantined_until == until


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_a_domain_is_renamed_with_its_mail_in_quarantine():
    new = NewHoldRule(sender="alice@one.example", reason="spam", quarantines=True)
    holding.add_rule(new=new, by=None, now=utc_now())
    spool_id = submit("carol@one.example", "bob@far.test")
    until = message(spool_id).quarantined_until
    domain = Domain.objects.get(name="one.example")
    naming = of_domains.plan(domain, "new.example", keeps_old=True)
    renaming.run(Progress(job_id=0), naming, by=None)
    assert set(states(spool_id).values()) == {"HELD"}
    assert {one.quarantined_until for one in SpooledRecipient.objects.all()} == {until}
    outgoing.forget_everything()
    assert let_go(these(spool_id)).done == 1 and is_even()


def test_mail_of_a_domain_that_goes_leaves_the_quarantine_with_it():
    spool_id = submit_and_put_in("bob@far.test")
    closing.give_up_domain(message(spool_id).domain_id)
    assert states(spool_id) == {"bob@far.test": "DELETED"}
    assert listed().rows == [] and is_even()
