"""What is reserved of an hour is given back, by one process and by several."""

import asyncio
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction

from blobs.failures import is_contention
from clock.moments import to_micros
from events.models import Occurrence
from spool import claims
from spool.claims import ReleaseClaims
from spool.models import SpooledRecipient, State, ThrottleCrossing
from tests.races import beside
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.claiming import claim
from tests.spool.hourly import TEN_TO_THREE, THREE, count, limited, look, row, used, warnings
from tests.spool.outgoing import in_thread, running_manager, settled, submit, submit_async, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


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
        found = claim(owner=owner, now=to_micros(TEN_TO_THREE), limit=3).result.recipients
        return [recipient.address for recipient in found]

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
