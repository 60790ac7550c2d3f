"""The trace in words, the ledger's proof, and the operator's verbs."""

import asyncio
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from blobs.ids import encode_id, new_id
from blobs.models import Blob
from clock.moments import utc_now
from events.models import AuditEntry
from spool import deleting, proof, services
from spool.models import (
    LedgerHour,
    RefusedMail,
    SpooledMessage,
    SpooledRecipient,
    State,
    TraceEntry,
)
from spool.selection import Selection
from tests import factories
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, running_manager, settled, submit_async

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_spool")]
ANSWERS = {"RCPT TO:<gone": b"550 5.1.1 no such user", "RCPT TO:<slow": b"450 4.2.1 later"}


@pytest.fixture
def one(fresh_spool):
    domain = factories.make_domain("one.example", "alice", "carol")
    factories.make_alias(domain, "sales", "alice", "carol")
    return domain


def run(name, *words):
    out = StringIO()
    call_command(name, *words, stdout=out)
    return out.getvalue()


async def send_to_all_kinds(far_dns):
    recipients = ("sales@one.example", "bob@far.test", "gone@far.test", "slow@far.test")
    async with Sink(answers=ANSWERS) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async(*recipients)
        await settled(spool_id)
    return spool_id


async def test_trace_tells_every_recipients_story_in_words(one, far_dns):
    spool_id = await send_to_all_kinds(far_dns)
    story = await in_thread(run)("trace", encode_id(spool_id))
    for words in (
        f"Message {encode_id(spool_id)} (Message-ID <1@one.example>)",
        "by a machine that may send without logging in",
        "from alice@one.example for 5 recipients",
        "It came from 192.0.2.7, which called itself pc.one.example",
        "The alias sales@one.example leads to alice@one.example and carol@one.example.",
        "To alice@one.example (written to as sales@one.example):",
        "It was put into the mailbox of alice@one.example",
        "mx.far.test [127.0.0.1] took the message",
        "its words were: “250 2.0.0 ok”",
        "refused it after",
        "Delivery failed for good",
        "The next try comes in 1",
        "If that fails too, alice@one.example gets a report.",
        "alice@one.example was sent a report about gone@far.test (failed)",
    ):
        assert words in story


async def test_trace_finds_by_message_id_and_by_address_of_either_side(one, far_dns):
    spool_id = await send_to_all_kinds(far_dns)
    for words in ("<1@one.example>", "1@one.example", "bob@far.test", str(spool_id)):
        assert encode_id(spool_id) in await in_thread(run)("trace", words)
    assert "alice@one.example" in await in_thread(run)("trace", "ALICE@one.example")


def test_trace_tells_of_mail_that_was_not_accepted():
    RefusedMail.objects.create(
        id=new_id(), at=utc_now(), client_address="192.0.2.1", client_name="spam.test",
        sender="eve@spam.test", recipient="nobody@one.example", reply="550 5.1.1 No such mailbox",
    )  # fmt: skip
    story = run("trace", "nobody@one.example")
    assert "192.0.2.1 (calling itself spam.test) tried to hand in mail" in story
    assert "“550 5.1.1 No such mailbox”" in story


def test_trace_says_when_nothing_is_known():
    with pytest.raises(CommandError, match="nothing is known of x@y.test"):
        run("trace", "x@y.test")


async def test_the_ledger_is_even_after_all_kinds_of_ends(one, far_dns):
    await send_to_all_kinds(far_dns)
    shown = await in_thread(run)("ledger")
    assert "Even: each of 6 accepted recipients is accounted for." in shown
    (balance,) = await in_thread(proof.balances)()
    assert balance.domain == "one.example"
    assert (balance.accepted, balance.waiting) == (6, 1)
    assert balance.ends == {
        "delivered": 3, "relayed": 1, "bounced": 1, "expired": 0, "discarded": 0, "deleted": 0,
    }  # fmt: skip


async def test_the_ledger_finds_what_is_missing(one, far_dns):
    await send_to_all_kinds(far_dns)
    await LedgerHour.objects.filter(accepted__gt=0).aupdate(accepted=7)
    with pytest.raises(SystemExit) as ended:
        await in_thread(run)("ledger")
    assert ended.value.code == 1


@pytest.mark.spec("S-033", "S-035")
async def test_force_delivers_now_although_the_retry_is_far_away(one, far_dns):
    async with Sink(answers=dict(ANSWERS)) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("slow@far.test")
        await settled(spool_id)
        sink.answers.clear()
        done = await in_thread(services.force)(
            selection=Selection.of([spool_id]), by=None, now=utc_now()
        )
        assert (done.done, done.skipped) == (1, 0)
        await outgoing.until(lambda: outgoing.states(spool_id) == {"slow@far.test": "RELAYED"})
    row = await SpooledRecipient.objects.aget(message=spool_id)
    assert row.attempts == 2
    assert await TraceEntry.objects.filter(decision="forced").acount() == 1


@pytest.mark.spec("S-036", "S-037")
async def test_reset_retries_starts_over(one, far_dns):
    spool_id = await send_to_all_kinds(far_dns)
    later = utc_now() + timedelta(days=2)
    done = await in_thread(services.reset_retries)(
        selection=Selection.everything(), by=None, now=later
    )
    assert done.done == 1
    row = await SpooledRecipient.objects.aget(message=spool_id, address="slow@far.test")
    assert (row.attempts, row.due_at) == (0, later.replace(microsecond=later.microsecond))
    message = await SpooledMessage.objects.aget(pk=spool_id)
    assert message.expires_at == later + timedelta(days=5)
    gone = await SpooledRecipient.objects.aget(message=spool_id, address="gone@far.test")
    assert gone.state == State.BOUNCED


@pytest.mark.spec("S-038", "S-041")
async def test_deleting_ends_the_message_without_a_report_and_the_ledger_stays_even(one, far_dns):
    spool_id = await send_to_all_kinds(far_dns)
    done = await in_thread(deleting.delete)(
        selection=Selection.everything(), by=None, now=utc_now(), at_once=True
    )
    assert done.done == 1
    assert (await in_thread(outgoing.states)(spool_id))["slow@far.test"] == "DELETED"
    assert (await SpooledMessage.objects.aget(pk=spool_id)).blob_id is None
    assert [b async for b in Blob.objects.filter(references__gt=2)] == []
    assert "Even" in await in_thread(run)("ledger")
    entry = await AuditEntry.objects.aget(verb="deleted in the spool")
    assert entry.changes["sender"] == ["alice@one.example", "alice@one.example"]


@pytest.mark.spec("S-034", "P-001")
async def test_priority_by_hand_counts_from_the_next_try_on(one, far_dns):
    spool_id = await send_to_all_kinds(far_dns)
    await in_thread(services.set_priority)(
        selection=Selection.of([spool_id]), priority=9, by=None, now=utc_now()
    )
    row = await SpooledRecipient.objects.aget(message=spool_id, address="slow@far.test")
    assert row.priority == 9
    with pytest.raises(services.PriorityOutOfRange):
        await in_thread(services.set_priority)(
            selection=Selection.of([spool_id]), priority=11, by=None, now=utc_now()
        )


@pytest.mark.spec("S-029")
@pytest.mark.spec("S-045", lacks="filtering")
async def test_the_spool_command_lists_and_acts(one, far_dns):
    spool_id = await send_to_all_kinds(far_dns)
    spool = in_thread(run)
    assert await spool("spool", "count") == "1 messages in the spool\n"
    listed = await spool("spool", "list")
    assert encode_id(spool_id) in listed
    assert "Waiting to retry (450 4.2.1 later)" in " ".join(listed.split())
    assert (await spool("spool", "priority", "9", encode_id(spool_id))).startswith("1 done")
    assert (await spool("spool", "force", "--all")).startswith("1 done")
    assert (await spool("spool", "reset", encode_id(spool_id))).startswith("1 done")
    assert (await spool("spool", "delete", encode_id(spool_id))).startswith("1 done")
    assert (await spool("spool", "delete", encode_id(spool_id))).startswith("0 done, 1 skipped")
    for words in (("delete",), ("priority", "11", "--all"), ("force", "???")):
        with pytest.raises(CommandError):
            await spool("spool", *words)


@pytest.mark.spec("S-038")
async def test_what_is_deleted_while_it_is_being_delivered_stays_deleted(one, far_dns):
    sink = Sink(answers={"MAIL": b"<hang>"})
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        await outgoing.until(lambda: any(one.startswith("MAIL") for one in sink.commands))
        await in_thread(deleting.delete)(
            selection=Selection.of([spool_id]), by=None, now=utc_now(), at_once=True
        )
    assert await in_thread(outgoing.states)(spool_id) == {"bob@far.test": "DELETED"}
    assert len(await in_thread(outgoing.attempts)(spool_id)) == 1
    assert "Even" in await in_thread(run)("ledger")


async def test_what_has_vanished_altogether_does_not_hold_up_the_other_results(one, far_dns):
    sink = Sink(answers={"MAIL": b"<hang>"})
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        other = await submit_async("eve@far.test")
        await outgoing.until(lambda: sink.sessions == 2)
        await asyncio.sleep(0.1)
        await SpooledMessage.objects.filter(pk=spool_id).adelete()
    assert await in_thread(outgoing.states)(other) == {"eve@far.test": "RETRYING"}
