"""What several processes write about one message at the same moment."""

import contextlib
import threading
import time
from collections.abc import Sequence

import pytest
from django.db import connection, connections, transaction

from accounts import provisioning
from accounts.settings import DELETION
from blobs.models import Blob
from clock.moments import to_micros, utc_now
from domains.models import Domain
from protocols.smtp.outgoing import Outcome, Stage, Verdict
from protocols.smtp.replies import Reply
from spool import decisions, ledger, maintenance, services, settings, settlement
from spool.models import SpooledMessage, SpooledRecipient, State
from spool.selection import Selection
from spool.settlement import Settlement
from spool.work import ClaimedRecipient, Result
from tests.races import beside
from tests.spool.claiming import claim
from tests.spool.outgoing import submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("one")]
TAKEN = Outcome(Verdict.DELIVERED, Reply(250, "2.0.0", "ok"), Stage.END_OF_DATA, by_peer=True)


def claim_one(owner: int) -> ClaimedRecipient:
    [recipient] = claim(owner=owner, limit=1, oldest_share=0).result.recipients
    return recipient


def settle(owner: int, recipients: Sequence[ClaimedRecipient]) -> None:
    """As the committer of a process does it."""
    now = to_micros(utc_now())
    policy = settings.current().retries
    settled = [
        decisions.settle(
            Result(recipient, TAKEN, now, now), policy=policy, rules=None, randomness=0.5
        )
        for recipient in recipients
    ]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            Settlement.write_rows([Settlement(owner=owner, now=now, settled=settled)], cursor)
    finally:
        connections.close_all()


@pytest.mark.spec("S-059")
def test_two_processes_that_end_the_last_recipients_at_once_finish_the_message(monkeypatch):
    message_id = submit("first@far.test", "second@far.test")
    claimed = {owner: claim_one(owner) for owner in (7, 8)}
    policy_is_warm = settings.current()
    assert policy_is_warm
    # Whoever has looked whether anybody still waits stays there until the other one has, too:
    # unless the other one has to wait for him, as it should be.
    both, count_ends = threading.Barrier(2), settlement._count_ends

    def look_together(cursor, ended):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(2)
        count_ends(cursor, ended)

    monkeypatch.setattr(settlement, "_count_ends", look_together)
    threads = [
        threading.Thread(target=settle, args=(owner, [recipient]))
        for owner, recipient in claimed.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert set(SpooledRecipient.objects.values_list("state", flat=True)) == {State.RELAYED}
    message = SpooledMessage.objects.get(pk=message_id)
    assert message.finished_at is not None
    assert message.recipients_delivered == 2
    assert message.blob_id is None
    assert Blob.objects.get().references == 0


@pytest.mark.spec("S-033")
def test_a_verb_that_waits_for_a_process_that_waits_for_it_is_tried_again():
    submit("first@far.test", "second@far.test")
    first, second = SpooledRecipient.objects.order_by("id").values_list("pk", flat=True)
    has_second = threading.Event()

    def settle_in_disorder():
        try:
            with transaction.atomic():
                SpooledRecipient.objects.filter(pk=second).update(reply="this one")
                has_second.set()
                # Who waits first is ended first, where the database finds out.
                time.sleep(0.5)
                SpooledRecipient.objects.filter(pk=first).update(reply="and that one")
        finally:
            connections.close_all()

    thread = threading.Thread(target=settle_in_disorder)
    thread.start()
    assert has_second.wait(20)
    done = services.force(selection=Selection.everything(), by=None, now=utc_now())
    thread.join(20)
    assert done.done == 1
    assert set(SpooledRecipient.objects.values_list("is_forced", "reply")) == {
        (True, "this one"),
        (True, "and that one"),
    }


@pytest.mark.spec("D-008")
@pytest.mark.parametrize("days", [0, 3])
def test_a_domain_is_closed_beside_a_process_that_writes_about_its_mail(days):
    message_id = submit("first@far.test", "second@far.test")
    domain = Domain.objects.get(name="one.example")
    DELETION.change({"recycle_days": days}, by=None)

    def count_before_settling(pause):
        with connection.cursor() as cursor:
            ledger.count(cursor, domain.pk, to_micros(utc_now()), relayed=1)
            pause()
            rows = SpooledRecipient.objects.select_for_update().order_by("id")
            list(rows.filter(message=message_id))

    with beside(count_before_settling):
        provisioning.close_domain(domain=domain, by=None)
    assert not Domain.objects.filter(name="one.example").exists()
    assert SpooledMessage.objects.get(pk=message_id).finished_at is not None


@pytest.mark.spec("S-058")
def test_a_message_that_nobody_waits_for_is_finished_at_the_next_start():
    stuck, waiting = submit("first@far.test"), submit("second@far.test")
    SpooledRecipient.objects.filter(message=stuck).update(state=State.RELAYED, due_at=None)
    assert maintenance.recover(now=utc_now()) == 0
    assert SpooledMessage.objects.get(pk=stuck).finished_at is not None
    assert SpooledMessage.objects.get(pk=stuck).blob_id is None
    assert SpooledMessage.objects.get(pk=waiting).finished_at is None
    assert sorted(Blob.objects.values_list("references", flat=True)) == [0, 1]
