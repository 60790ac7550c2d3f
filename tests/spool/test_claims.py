"""Who is claimed first, and who is never crowded out."""

import asyncio

import pytest
from django.db import connection, transaction

from clock.moments import to_micros, utc_now
from spool import claims, deleting, holding, statements, undoing
from spool.claims import ReleaseClaims, RenewClaims
from spool.models import SpooledMessage, SpooledRecipient, State
from spool.selection import Selection
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.claiming import claim
from tests.spool.outgoing import in_thread, running_manager, submit, submit_async, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("one")]
ME, SOMEBODY = 7, 8


def look(**given):
    """The addresses claimed, in order, and the claim."""
    job = claim(**{"owner": ME, "limit": 10, **given})
    return [one.address for one in job.result.recipients], job


def row(address):
    return SpooledRecipient.objects.get(address=address)


@pytest.mark.spec("P-001", "S-033")
def test_forced_mail_goes_first_then_by_priority_then_by_age():
    for name in ("old", "new", "low", "high", "forced"):
        submit(f"{name}@far.test")
    SpooledRecipient.objects.filter(address="low@far.test").update(priority=1)
    SpooledRecipient.objects.filter(address="high@far.test").update(priority=10)
    SpooledRecipient.objects.filter(address="forced@far.test").update(priority=1, is_forced=True)
    claimed, _ = look()
    assert [address.partition("@")[0] for address in claimed] == [
        "forced", "high", "old", "new", "low",
    ]  # fmt: skip


@pytest.mark.spec("P-003")
def test_the_longest_waiting_mail_gets_a_share_whatever_its_priority():
    submit("low@far.test")
    SpooledRecipient.objects.update(priority=1)
    for number in range(20):
        submit(f"high{number}@far.test")
    SpooledRecipient.objects.exclude(address="low@far.test").update(priority=10)
    claimed, _ = look(limit=10)
    assert len(claimed) == 10
    assert "low@far.test" in claimed


@pytest.mark.spec("P-002")
def test_mail_for_our_own_mailboxes_is_not_held_back_by_priorities():
    for number in range(20):
        submit(f"high{number}@far.test")
    SpooledRecipient.objects.update(priority=10)
    submit("alice@one.example", notify="SUCCESS")
    SpooledRecipient.objects.filter(destination="").update(priority=1)
    assert "alice@one.example" in look(limit=10)[0]


@pytest.mark.spec("S-002")
def test_full_destinations_are_walked_around():
    for number in range(12):
        submit(f"r{number}@big.test")
    for name in ("a.test", "m.test", "z.test"):
        submit(f"bob@{name}")
    full = frozenset({"big.test"})
    claimed, job = look(limit=5, full_destinations=full)
    assert claimed == []
    assert job.result.is_blocked
    assert job.rounds.destination == ""
    claimed, job = look(limit=5, full_destinations=full, rounds=job.rounds)
    assert claimed == ["bob@a.test", "bob@m.test", "bob@z.test"]
    assert job.rounds.destination is None


def test_nobody_is_claimed_twice_before_the_lease_ends():
    submit("bob@far.test")
    now = to_micros(utc_now())
    assert look(now=now)[0] == ["bob@far.test"]
    assert look(owner=SOMEBODY, now=now + 1)[0] == []
    # Even an operator who sets the time back does not make two of one.
    SpooledRecipient.objects.update(due_at=utc_now())
    assert look(owner=SOMEBODY, now=now + 10**6)[0] == []
    later = now + (claims.LEASE_SECONDS + 1) * claims.SECOND
    assert look(owner=SOMEBODY, now=later)[0] == ["bob@far.test"]
    assert (row("bob@far.test").attempts, row("bob@far.test").claimed_by) == (2, SOMEBODY)


def test_a_renewed_claim_holds_and_a_released_one_was_no_try():
    submit("bob@far.test")
    now = to_micros(utc_now())
    look(now=now)
    bob = row("bob@far.test").pk
    half = claims.LEASE_SECONDS * claims.SECOND // 2
    with connection.cursor() as cursor:
        renew = RenewClaims(owner=ME, now=now + half, recipient_ids=[bob])
        RenewClaims.write_rows([renew], cursor)
        assert look(owner=SOMEBODY, now=now + 2 * half + 1)[0] == []
        release = ReleaseClaims(owner=ME, now=now, recipient_ids=[bob])
        ReleaseClaims.write_rows([release], cursor)
    assert (row("bob@far.test").attempts, row("bob@far.test").claimed_by) == (0, None)


def release(*recipients):
    now, ids = to_micros(utc_now()), [one.pk for one in recipients]
    with transaction.atomic(), connection.cursor() as cursor:
        job = ReleaseClaims(owner=ME, now=now, recipient_ids=ids)
        ReleaseClaims.write_rows([job], cursor)


def recover(*_recipients):
    with transaction.atomic(), connection.cursor() as cursor:
        claims.recover(cursor, ME, to_micros(utc_now()))


def let_lapse(*_recipients):
    # A deletion is final long before a claim lapses.
    waiting = SpooledRecipient.objects.exclude(state=State.DELETING)
    waiting.update(claimed_until=utc_now(), due_at=utc_now())


@pytest.mark.spec("S-038")
@pytest.mark.spec("S-045", lacks="filtering")
@pytest.mark.parametrize("end", [release, recover, let_lapse])
def test_held_or_deleted_while_a_process_had_it_in_hand_the_next_one_does_not_send_it(end):
    ids = {name: submit(f"{name}@far.test") for name in ("held", "deleted", "free")}
    assert len(look()[0]) == 3
    now = utc_now()
    select = {name: Selection.of([number]) for name, number in ids.items()}
    holding.hold(selection=select["held"], reason="ask first", by=None, now=now)
    done = deleting.delete(selection=select["deleted"], by=None, now=now)
    end(*SpooledRecipient.objects.all())
    assert look(owner=SOMEBODY)[0] == ["free@far.test"]
    assert row("held@far.test").state == State.HELD
    assert SpooledMessage.objects.get(pk=ids["held"]).worst_state == State.HELD
    assert row("deleted@far.test").state == State.DELETING
    holding.release(selection=select["held"], by=None, now=now)
    assert look(owner=SOMEBODY)[0] == ["held@far.test"]
    undoing.undo(change_id=done.change_id, by=None, now=now)
    assert row("deleted@far.test").due_at is not None


@pytest.mark.spec("S-038")
@pytest.mark.parametrize("end", [release, recover])
def test_what_was_in_hand_when_it_was_held_or_deleted_is_due_as_soon_as_that_is_undone(end):
    ids = [submit(f"{name}@far.test") for name in ("held", "deleted")]
    look()
    now = utc_now()
    held = holding.hold(selection=Selection.of(ids[:1]), reason="ask", by=None, now=now)
    deleted = deleting.delete(selection=Selection.of(ids[1:]), by=None, now=now)
    end(*SpooledRecipient.objects.all())
    assert look(owner=SOMEBODY)[0] == []
    for done in (held, deleted):
        undoing.undo(change_id=done.change_id, by=None, now=now)
    assert set(look(owner=SOMEBODY)[0]) == {"held@far.test", "deleted@far.test"}


def test_the_time_of_the_next_look_is_told():
    submit("bob@far.test")
    due = utc_now().replace(year=2040)
    SpooledRecipient.objects.update(due_at=due)
    assert look()[1].result.next_due_at == to_micros(due)
    SpooledRecipient.objects.update(due_at=None)
    assert look()[1].result.next_due_at is None


@pytest.mark.spec("S-059")
async def test_two_managers_share_the_spool_and_nobody_gets_mail_twice(far_dns):
    ids = [await submit_async(f"r{n}@far.test") for n in range(60)]
    async with Sink() as sink:
        first = running_manager(far_dns, port=sink.port)
        second = running_manager(far_dns, port=sink.port)
        async with first, second:
            more = await asyncio.gather(*(submit_async(f"s{n}@far.test") for n in range(60)))
            for spool_id in (*ids, *more):
                await until(lambda one=spool_id: outgoing.is_settled(one))
    got = sorted(rcpt for taken in sink.taken for rcpt in taken.rcpts)
    assert len(got) == len(set(got)) == 120
    ends = await in_thread(lambda: set(SpooledRecipient.objects.values_list("state", flat=True)))()
    assert ends == {110}


@pytest.mark.parametrize(("number", "length"), [(0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (64, 64)])
def test_a_padded_list_names_the_same_ids_and_has_one_of_few_lengths(number, length):
    ids = list(range(number))
    assert len(statements.padded(ids)) == length
    assert sorted(set(statements.padded(ids))) == ids
