"""Mailboxes of ours that could not be served in the acceptance: later, never, or at last."""

import pytest

from accounts.models import Status, User
from domains.models import Domain
from mailboxes.models import Message
from spool.models import SpooledMessage, SpooledRecipient, SpoolSettings
from tests import factories
from tests.spool import outgoing
from tests.spool.outgoing import (
    forget_everything,
    in_thread,
    running_manager,
    settled,
    submit_async,
    until,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_spool")]


@pytest.fixture
def one(fresh_spool):
    # Mail waits a moment before its first try (S-050), so the agent has it, not the acceptance.
    SpoolSettings.objects.create(pk=1, delivery_delay_seconds=1)
    return factories.make_domain("one.example", "alice", "bob")


@pytest.mark.spec("S-050", "S-052")
async def test_delayed_mail_is_delivered_when_the_delay_is_over(one, far_dns):
    async with running_manager(far_dns, port=1):
        spool_id = await submit_async("alice@one.example", "bob@one.example")
        assert await Message.objects.acount() == 0
        assert await settled(spool_id) == {
            "alice@one.example": "DELIVERED",
            "bob@one.example": "DELIVERED",
        }
    message = await Message.objects.filter(folder__account__local_part="alice").aget()
    assert message.prefix.endswith("Delivered-To: alice@one.example\r\n")
    row = await SpooledRecipient.objects.aget(address="alice@one.example")
    assert (row.uid, row.folder_id) == (message.uid, message.folder_id)
    spooled = await SpooledMessage.objects.aget(pk=spool_id)
    assert (spooled.recipients_delivered, spooled.blob_id) == (2, None)
    assert (await Message.objects.select_related("blob").afirst()).blob.references == 2


async def change_before_the_try(change):
    spool_id = await submit_async("alice@one.example", sender="bob@one.example")
    await change
    forget_everything()
    return spool_id


@pytest.mark.spec("S-052")
async def test_a_full_mailbox_is_tried_again(one, far_dns):
    full = User.objects.filter(local_part="alice").aupdate(mailbox_size_mb=1)
    async with running_manager(far_dns, port=1):
        spool_id = await submit_async("alice@one.example", body=outgoing.MESSAGE + b"x" * 2**21)
        await full
        forget_everything()
        assert await settled(spool_id) == {"alice@one.example": "RETRYING"}
    row = await SpooledRecipient.objects.aget(message=spool_id)
    assert row.reply.startswith("452 4.2.2")
    assert await Message.objects.acount() == 0


@pytest.mark.spec("S-052", "S-065")
async def test_a_mailbox_that_has_gone_makes_a_bounce(one, far_dns):
    async with running_manager(far_dns, port=1):
        gone = User.objects.filter(local_part="alice").aupdate(status=Status.DISABLED)
        spool_id = await change_before_the_try(gone)
        assert await settled(spool_id) == {"alice@one.example": "BOUNCED"}
        await until(lambda: Message.objects.filter(folder__account__local_part="bob").exists())
    row = await SpooledRecipient.objects.aget(message=spool_id)
    assert row.reply.startswith("550 5.2.1")


@pytest.mark.spec("D-036")
async def test_mail_for_a_disabled_domain_is_held_without_losing_patience(one, far_dns):
    async with running_manager(far_dns, port=1):
        spool_id = await change_before_the_try(Domain.objects.aupdate(is_disabled=True))
        await until(lambda: outgoing.states(spool_id) == {"alice@one.example": "HELD"})
    row = await SpooledRecipient.objects.aget(message=spool_id)
    assert (row.attempts, row.claimed_by) == (0, None)
    assert row.due_at is not None


@pytest.mark.spec("S-056")
async def test_a_message_that_has_been_here_fails_5_4_6(one, far_dns):
    body = b"Received: x\r\nDelivered-To: Alice@one.example\r\n" + outgoing.MESSAGE
    async with running_manager(far_dns, port=1):
        spool_id = await submit_async("alice@one.example", body=body, sender="bob@one.example")
        assert await settled(spool_id) == {"alice@one.example": "BOUNCED"}
    row = await SpooledRecipient.objects.aget(message=spool_id)
    assert row.reply.startswith("554 5.4.6")


async def test_a_fault_of_ours_defers_and_is_on_record(one, far_dns, monkeypatch):
    from spool.agents import local

    def broken(*_given):
        raise RuntimeError("a bug")

    monkeypatch.setattr(local, "prepare", broken)
    async with running_manager(far_dns, port=1):
        spool_id = await submit_async("alice@one.example")
        assert await settled(spool_id) == {"alice@one.example": "RETRYING"}
    (attempt,) = await in_thread(outgoing.attempts)(spool_id)
    assert "RuntimeError: a bug" in attempt.traceback
    assert attempt.reply.startswith("451 4.3.0")
