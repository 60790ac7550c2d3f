"""From the spool to other servers and back: real sockets, DNS, rows and files."""

import asyncio
import contextlib
import threading

import pytest

from blobs.committer import Committer
from blobs.errors import StoreFailed
from blobs.models import Blob
from spool import manager as manager_module
from spool import planning, recording
from spool.claims import ClaimDue
from spool.configuration import SPOOL
from spool.destinations import FIRST_LIMIT
from spool.intake import Parameters
from spool.manager import Manager
from spool.models import Gateway, LedgerHour, SpooledMessage, SpooledRecipient
from spool.resolver import Resolver
from spool.settlement import Settlement
from switchboard.subscribe import Switchboard
from tests.sinks import CLOSE, HANG, Sink
from tests.spool import outgoing
from tests.spool.outgoing import attempts, in_thread, running_manager, settled, submit_async

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_spool")]


async def test_a_process_asks_its_one_resolver_and_keeps_it_when_the_spool_stops(
    one, far_dns, settings
):
    resolver, board = Resolver([far_dns.address]), Switchboard()
    await resolver.mx("far.test")
    await board.start()
    async with Sink() as sink:
        settings.MAILHOST_OUTGOING_PORT = sink.port
        manager = Manager(board, resolver=resolver)
        await manager.start()
        assert await settled(await submit_async("bob@far.test")) == {"bob@far.test": "RELAYED"}
        await manager.stop(2.0)
        await board.stop()
    assert far_dns.asked["far.test", "MX"] == 1
    assert await resolver.mx("other.test")
    await resolver.close()


@pytest.mark.spec("M-017")
async def test_a_spool_that_begins_paused_sends_nothing_until_it_goes_on(one, far_dns):
    message_id = await submit_async("bob@far.test")
    async with (
        Sink() as sink,
        running_manager(far_dns, port=sink.port, is_paused=True) as manager,
    ):
        await asyncio.sleep(0.5)
        assert not sink.sessions
        manager.resume()
        assert await settled(message_id) == {"bob@far.test": "RELAYED"}


@pytest.mark.spec("M-017")
async def test_mail_that_was_just_claimed_when_the_spool_stops_is_not_begun(
    one, far_dns, monkeypatch
):
    make_plan, claimed, go_on = planning.make_plan, threading.Event(), threading.Event()

    def wait_and_plan(*args, **kwargs):
        claimed.set()
        assert go_on.wait(20)
        return make_plan(*args, **kwargs)

    monkeypatch.setattr(planning, "make_plan", wait_and_plan)
    async with Sink() as sink, running_manager(far_dns, port=sink.port) as manager:
        message_id = await submit_async("bob@far.test")
        assert await asyncio.to_thread(claimed.wait, 20)
        pausing = asyncio.create_task(manager.pause(10.0))
        await asyncio.sleep(0.1)
        go_on.set()
        await pausing
        assert not sink.sessions
        assert await in_thread(outgoing.states)(message_id) == {"bob@far.test": "QUEUED"}
        manager.resume()
        assert await settled(message_id) == {"bob@far.test": "RELAYED"}


@pytest.mark.spec("M-008")
@pytest.mark.parametrize("moment", ["claimed", "planned"])
async def test_mail_that_was_just_claimed_when_the_process_ends_is_given_back(
    one, far_dns, monkeypatch, moment
):
    """Another process, or the next one, need not wait until it is known for dead."""
    begun, go_on = threading.Event(), threading.Event()
    room, name = (planning, "make_plan") if moment == "planned" else (ClaimDue, "_look")
    work = getattr(room, name)

    def work_and_wait(*args, **kwargs):
        found = work(*args, **kwargs)
        if moment == "planned" or found.recipients:
            begun.set()
            assert go_on.wait(20)
        return found

    monkeypatch.setattr(room, name, work_and_wait)
    message_id = await submit_async("bob@far.test")
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        assert await asyncio.to_thread(begun.wait, 20)
        asyncio.get_running_loop().call_later(0.2, go_on.set)  # when it has begun to stop
    row = await SpooledRecipient.objects.aget(message=message_id)
    assert (row.claimed_by, row.attempts) == (None, 0)
    assert not sink.sessions


@pytest.mark.spec("S-001")
async def test_after_a_quiet_moment_mail_is_claimed_at_once_and_what_follows_shares_claims(
    one, far_dns, monkeypatch
):
    every = 1.0
    monkeypatch.setattr(manager_module, "CLAIM_EVERY_SECONDS", every)
    look, claims = ClaimDue._look, []

    def look_and_count(job, cursor):
        found = look(job, cursor)
        claims.append(len(found.recipients))
        return found

    monkeypatch.setattr(ClaimDue, "_look", look_and_count)
    loop = asyncio.get_running_loop()
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await asyncio.sleep(2 * every)
        claims.clear()
        began_at = loop.time()
        await submit_async("first@far.test")
        await outgoing.until(lambda: claims)
        was_quick = loop.time() < began_at + every / 2
        for number in range(8):
            await submit_async(f"bob{number}@far.test")
        await outgoing.until(lambda: len(sink.taken) == 9)
        took = loop.time() - began_at
    assert was_quick
    assert claims[0] == 1
    assert len(claims) <= 2 + took / every


@pytest.mark.spec("M-017", "S-003")
async def test_what_is_broken_off_when_the_spool_stops_gives_its_slot_back(one, far_dns):
    async with Sink() as sink, running_manager(far_dns, port=sink.port) as manager:
        sink.greeting = HANG
        message_id = await submit_async("bob@far.test")
        await outgoing.until(lambda: sink.sessions)
        assert manager.busy == 1
        await manager.pause(0.1)
        assert await settled(message_id) == {"bob@far.test": "RETRYING"}
        assert manager.busy == 0


@pytest.mark.spec("S-053", "S-054")
async def test_mail_goes_to_the_mx_of_its_domain_and_its_bytes_are_let_go(one, far_dns):
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    (taken,) = sink.taken
    assert taken.mail.startswith("MAIL FROM:<alice@one.example>")
    assert taken.rcpts == ["RCPT TO:<bob@far.test>"]
    assert taken.body.endswith(outgoing.MESSAGE)
    row = await SpooledMessage.objects.aget(pk=spool_id)
    assert (row.blob_id, row.recipients_delivered) == (None, 1)
    assert row.finished_at is not None
    assert (await Blob.objects.aget()).references == 0
    (attempt,) = await in_thread(attempts)(spool_id)
    assert (attempt.number, attempt.outcome, attempt.host) == (1, "delivered", "mx.far.test")
    assert (attempt.host_address, attempt.reply) == ("127.0.0.1", "250 2.0.0 ok")
    ledger = await LedgerHour.objects.aget()
    assert (ledger.accepted, ledger.relayed) == (1, 1)


@pytest.mark.spec("S-040")
async def test_each_recipient_has_its_own_end_reply_and_retry(one, far_dns):
    answers = {
        "RCPT TO:<gone@": b"550 5.1.1 no such user",
        "RCPT TO:<busy@": b"450 4.2.1 greylisted",
    }
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test", "gone@far.test", "busy@far.test")
        assert await settled(spool_id) == {
            "bob@far.test": "RELAYED",
            "gone@far.test": "BOUNCED",
            "busy@far.test": "RETRYING",
        }
    assert sink.sessions == 1
    row = await SpooledRecipient.objects.aget(address="busy@far.test")
    assert (row.reply, row.attempts) == ("450 4.2.1 greylisted", 1)
    message = await SpooledMessage.objects.aget(pk=spool_id)
    assert 13.4 * 60 < (row.due_at - message.accepted_at).total_seconds() < 16.6 * 60
    assert message.blob_id is not None
    assert message.delay_notice_at is not None


async def test_one_connection_serves_many_messages(one, far_dns):
    async with Sink() as sink:
        ids = [await submit_async(f"r{n}@far.test") for n in range(30)]
        async with running_manager(far_dns, port=sink.port):
            for spool_id in ids:
                assert set((await settled(spool_id)).values()) == {"RELAYED"}
    assert len(sink.taken) == 30
    assert sink.sessions <= 10


@pytest.mark.spec("S-002")
async def test_a_stuck_destination_does_not_hold_up_the_others(one, far_dns):
    far_dns.records["stuck.test", "MX"] = ["10 mx.stuck.test."]
    far_dns.records["mx.stuck.test", "A"] = ["127.0.0.2"]
    async with contextlib.AsyncExitStack() as stack:
        stuck = Sink(answers={"MAIL": b"<hang>"}, host="127.0.0.2")
        await stack.enter_async_context(stuck)
        sink = await stack.enter_async_context(Sink(port=stuck.port))
        await stack.enter_async_context(running_manager(far_dns, port=sink.port))
        for n in range(20):
            await submit_async(f"r{n}@stuck.test")
        spool_id = await submit_async("bob@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
        assert stuck.sessions == FIRST_LIMIT


@pytest.mark.spec("S-003")
async def test_the_number_of_deliveries_at_once_can_be_changed_while_they_run(one, far_dns):
    for number in range(4):
        far_dns.records[f"slow{number}.test", "MX"] = ["10 mx.slow.test."]
    far_dns.records["mx.slow.test", "A"] = ["127.0.0.1"]
    await in_thread(SPOOL.change)({"maximum_remote_deliveries": 2}, by=None)
    outgoing.forget_everything()
    async with Sink(answers={"MAIL": HANG}) as sink, running_manager(far_dns, port=sink.port):
        for number in range(4):
            await submit_async(f"bob@slow{number}.test")
        await outgoing.until(lambda: sink.sessions == 2)
        await asyncio.sleep(0.5)
        assert sink.sessions == 2
        await in_thread(SPOOL.change)({"maximum_remote_deliveries": 3}, by=None)
        outgoing.forget_everything()
        await submit_async("bob@slow0.test")  # whatever comes wakes the manager
        await outgoing.until(lambda: sink.sessions == 3)
        await asyncio.sleep(0.5)
        assert sink.sessions == 3


@pytest.mark.parametrize(
    ("domain", "state", "enhanced"),
    [
        ("none.test", "BOUNCED", "5.1.10"),
        ("nowhere.test", "BOUNCED", "5.1.2"),
        ("failing.test", "RETRYING", "4.4.3"),
    ],
)
@pytest.mark.spec("S-053")
async def test_domains_without_a_server(one, far_dns, domain, state, enhanced):
    async with running_manager(far_dns, port=1):
        spool_id = await submit_async(f"bob@{domain}")
        assert await settled(spool_id) == {f"bob@{domain}": state}
    (attempt,) = await in_thread(attempts)(spool_id)
    assert attempt.enhanced_code == enhanced


async def test_an_unreachable_server_is_probed_once_for_all(one, far_dns):
    async with running_manager(far_dns, port=1):
        ids = [await submit_async(f"r{n}@far.test") for n in range(5)]
        for spool_id in ids:
            assert set((await settled(spool_id)).values()) == {"RETRYING"}
    (attempt,) = await in_thread(attempts)(ids[-1])
    assert "connection refused" in attempt.reply
    assert far_dns.asked["far.test", "MX"] == 1


@pytest.mark.parametrize(
    "answers",
    [
        {"MAIL": CLOSE},
        {"MAIL": b"rubbish"},
        {"RCPT": b"421 4.3.2 going down"},
        {"DATA": CLOSE},
        {".": CLOSE},
        {".": b"451 4.3.0 later"},
    ],
)
async def test_servers_that_break_off_get_the_mail_later(one, far_dns, answers):
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RETRYING"}
    assert sink.taken == []


async def test_a_connection_closed_while_idle_is_replaced_without_a_failed_try(one, far_dns):
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        first = await submit_async("bob@far.test")
        await settled(first)
        for writer in list(sink._writers):
            writer.transport.abort()
        second = await submit_async("bob@far.test")
        assert await settled(second) == {"bob@far.test": "RELAYED"}
    assert len(await in_thread(attempts)(second)) == 1


async def test_too_many_recipients_go_in_further_transactions(one, far_dns):
    sink = Sink(extensions=("PIPELINING", "LIMITS RCPTMAX=2"))
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async(*(f"r{n}@far.test" for n in range(5)))
        assert set((await settled(spool_id)).values()) == {"RELAYED"}
    assert sorted(len(taken.rcpts) for taken in sink.taken) == [1, 2, 2]


async def test_a_large_message_is_streamed(one, far_dns):
    body = outgoing.MESSAGE + b".a line that begins with a dot\r\n" * 20_000
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test", body=body)
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    assert sink.bodies[0].endswith(body)


@pytest.mark.spec("S-065", "S-066")
async def test_a_refused_recipient_comes_back_to_the_sender_as_one_report(one, far_dns):
    answers = {"RCPT TO:<gone": b"550 5.1.1 no such user"}
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("gone1@far.test", "gone2@far.test", "bob@far.test")
        await settled(spool_id)
    report = await SpooledMessage.objects.exclude(pk=spool_id).aget()
    assert (report.sender, report.kind, report.origin) == ("", "bounce", "server")
    recipient = await SpooledRecipient.objects.aget(message=report)
    assert (recipient.address, recipient.state) == ("alice@one.example", 100)


@pytest.mark.spec("S-058")
async def test_claims_of_a_dead_process_are_given_back_at_start(one, far_dns):
    spool_id = await submit_async("bob@far.test")
    await SpooledRecipient.objects.aupdate(
        claimed_by=1, claimed_until=(1 << 60), due_at=(1 << 60), attempts=1
    )
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    first, second = await in_thread(attempts)(spool_id)
    assert (first.outcome, second.outcome, second.number) == ("", "delivered", 2)


def begun(sink):
    return sum(command.startswith("MAIL") for command in sink.commands)


async def test_what_was_not_begun_is_given_back_at_the_end(one, far_dns):
    sink = Sink(answers={"MAIL": b"<hang>"})
    async with sink, running_manager(far_dns, port=sink.port):
        ids = [await submit_async(f"r{n}@far.test") for n in range(15)]
        await outgoing.until(lambda: begun(sink) == FIRST_LIMIT)
    rows = [row async for row in SpooledRecipient.objects.filter(message__in=ids)]
    assert {row.claimed_by for row in rows} == {None}
    assert sorted(row.attempts for row in rows) == [0] * (15 - FIRST_LIMIT) + [1] * FIRST_LIMIT
    assert {row.reply for row in rows if row.attempts} == {
        "451 4.3.2 This server was stopped during the try"
    }


async def test_answers_are_kept_while_the_database_refuses(one, far_dns, monkeypatch):
    monkeypatch.setattr(recording, "PAUSE_SECONDS", 0.1)
    commit = Committer.commit
    refused = []

    async def refuse_at_first(committer, job):
        if isinstance(job, Settlement) and len(refused) < 2:
            refused.append(job)
            raise StoreFailed("no")
        return await commit(committer, job)

    monkeypatch.setattr(Committer, "commit", refuse_at_first)
    answers = {"RCPT TO:<gone": b"550 5.1.1 no such user"}
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test", "gone@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RELAYED", "gone@far.test": "BOUNCED"}
    assert len(refused) == 2
    assert len(sink.taken) == 1
    assert len(await in_thread(attempts)(spool_id)) == 2


async def test_a_gateway_whose_password_cannot_be_read_defers_and_the_slot_is_free_again(
    one, far_dns
):
    async with Sink() as sink:
        await Gateway.objects.acreate(
            name="g", host="127.0.0.1", port=sink.port, username="u", password=b"rubbish"
        )
        async with running_manager(far_dns, port=sink.port) as manager:
            spool_id = await submit_async("bob@far.test")
            assert await settled(spool_id) == {"bob@far.test": "RETRYING"}
            assert manager.busy == 0
    (attempt,) = await in_thread(attempts)(spool_id)
    assert "Undecipherable" in attempt.traceback


@pytest.mark.spec("S-054")
@pytest.mark.parametrize("body_type", ["8BITMIME", "BINARYMIME"])
async def test_eight_bits_become_quoted_printable_where_only_seven_pass(one, far_dns, body_type):
    body = outgoing.MESSAGE.replace(b"Hi.", "Grüße".encode())
    sink = Sink(extensions=("PIPELINING",))
    async with sink, running_manager(far_dns, port=sink.port):
        parameters = Parameters(body_type=body_type)
        spool_id = await submit_async("bob@far.test", body=body, parameters=parameters)
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    assert sink.bodies[0].endswith(b"Gr=C3=BC=C3=9Fe\r\n")
    assert "BODY=" not in sink.taken[0].mail
