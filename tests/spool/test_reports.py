"""What senders are told: failures, delays, confirmations, and what becomes of those reports."""

from datetime import timedelta
from email import message_from_bytes

import pytest
from django.db import connection

from blobs.committer import process_committer
from blobs.store import locate, read_body
from clock.moments import utc_now
from mailboxes.models import Message
from spool import notices
from spool.models import SpooledMessage, SpoolSettings, TraceEntry
from spool.settlement import ClaimLost
from tests import factories
from tests.sinks import Sink
from tests.spool.outgoing import in_thread, running_manager, settled, states, submit_async, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_spool")]
REFUSING = {"RCPT TO:<gone": b"550 5.1.1 no such user", "RCPT TO:<slow": b"450 4.2.1 later"}


def mail_of(local_part):
    """The messages in a mailbox, parsed."""
    rows = Message.objects.filter(folder__account__local_part=local_part).order_by("id")
    where = locate(row.blob_id for row in rows)
    return [message_from_bytes(read_body(where[row.blob_id])) for row in rows]


def report_parts(report):
    """The text, the fields about each recipient, and what was returned."""
    text, status, returned = report.get_payload()
    about_message, *about_recipients = status.get_payload()
    return text.get_payload(), about_message, about_recipients, returned


async def deliver(far_dns, *recipients, answers=REFUSING, extensions=None, **given):
    sink = Sink(answers=answers)
    if extensions is not None:
        sink.extensions = extensions
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async(*recipients, **given)
        await settled(spool_id)
    return spool_id, sink


@pytest.mark.spec("S-065")
async def test_one_report_names_every_failed_recipient_with_the_others_words(one, far_dns):
    await deliver(far_dns, "gone1@far.test", "bob@far.test", "gone2@far.test")
    (report,) = await in_thread(mail_of)("alice")
    assert report.get_content_type() == "multipart/report"
    assert report["Auto-Submitted"] == "auto-replied"
    text, about_message, recipients, returned = report_parts(report)
    assert "550 5.1.1 no such user" in text
    assert about_message["Reporting-MTA"].startswith("dns; ")
    assert [(r["Final-Recipient"], r["Action"], r["Status"]) for r in recipients] == [
        ("rfc822; gone1@far.test", "failed", "5.1.1"),
        ("rfc822; gone2@far.test", "failed", "5.1.1"),
    ]
    assert recipients[0]["Remote-MTA"] == "dns; mx.far.test"
    assert recipients[0]["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user"
    assert returned.get_content_type() == "text/rfc822-headers"
    row = await Message.objects.aget()
    assert row.prefix.startswith("Return-Path: <>\r\n")


@pytest.mark.spec("S-065")
async def test_ret_envid_and_orcpt_come_back_in_the_report(one, far_dns):
    from spool.intake import Parameters

    await deliver(
        far_dns,
        "gone@far.test",
        notify="FAILURE",
        orcpt="rfc822;Gone@Far.TEST",
        parameters=Parameters(ret="FULL", envid="QQ314159"),
    )
    (report,) = await in_thread(mail_of)("alice")
    _, about_message, (recipient,), returned = report_parts(report)
    assert about_message["Original-Envelope-Id"] == "QQ314159"
    assert recipient["Original-Recipient"] == "rfc822; Gone@Far.TEST"
    assert returned.get_content_type() == "message/rfc822"


@pytest.mark.spec("S-065")
@pytest.mark.parametrize("notify", ["NEVER", "SUCCESS", "DELAY"])
async def test_who_did_not_ask_for_failures_is_not_told(one, far_dns, notify):
    spool_id, _ = await deliver(far_dns, "gone@far.test", notify=notify)
    assert await in_thread(states)(spool_id) == {"gone@far.test": "BOUNCED"}
    assert await SpooledMessage.objects.acount() == 1


@pytest.mark.spec("S-065")
async def test_nobody_is_told_about_mail_from_the_null_sender(one, far_dns):
    spool_id, _ = await deliver(far_dns, "gone@far.test", sender="")
    assert await in_thread(states)(spool_id) == {"gone@far.test": "BOUNCED"}
    assert await SpooledMessage.objects.acount() == 1


@pytest.mark.spec("S-066")
async def test_a_report_that_nobody_takes_goes_to_the_postmaster_once(one, far_dns):
    await SpoolSettings.objects.acreate(pk=1, postmaster="admin@one.example")
    sink = Sink(answers={"RCPT": b"550 5.1.1 no such user"})
    async with sink, running_manager(far_dns, port=sink.port):
        await submit_async("gone@far.test", sender="forged@far.test")
        await until(lambda: mail_of("admin"), seconds=15)
    (report,) = await in_thread(mail_of)("admin")
    _, _, (recipient,), returned = report_parts(report)
    assert recipient["Final-Recipient"] == "rfc822; forged@far.test"
    assert await SpooledMessage.objects.filter(finished_at=None).acount() == 0
    assert await SpooledMessage.objects.acount() == 3


@pytest.mark.spec("S-066")
async def test_a_report_that_nobody_takes_is_dropped_where_that_is_wished(one, far_dns):
    await SpoolSettings.objects.acreate(pk=1, double_bounces="drop")
    sink = Sink(answers={"RCPT": b"550 5.1.1 no such user"})
    async with sink, running_manager(far_dns, port=sink.port):
        await submit_async("gone@far.test", sender="forged@far.test")
        await until(lambda: TraceEntry.objects.filter(decision="report dropped").exists())
    assert await SpooledMessage.objects.acount() == 2


async def test_a_sender_of_ours_who_does_not_exist_is_no_dead_end(one, far_dns):
    await SpoolSettings.objects.acreate(pk=1, postmaster="admin@one.example")
    await deliver(far_dns, "gone@far.test", sender="nobody@one.example")
    (report,) = await in_thread(mail_of)("admin")
    assert report.get_content_type() == "multipart/report"


@pytest.mark.spec("S-067")
async def test_success_is_confirmed_as_relayed_when_the_next_host_cannot(one, far_dns):
    _, sink = await deliver(far_dns, "bob@far.test", notify="SUCCESS,FAILURE")
    (report,) = await in_thread(mail_of)("alice")
    _, _, (recipient,), _ = report_parts(report)
    assert (recipient["Action"], recipient["Status"]) == ("relayed", "2.0.0")
    assert sink.taken[0].rcpts == ["RCPT TO:<bob@far.test>"]


@pytest.mark.spec("S-067")
async def test_the_duty_to_confirm_goes_to_a_host_that_knows_dsn(one, far_dns):
    extensions = ("PIPELINING", "DSN")
    _, sink = await deliver(far_dns, "bob@far.test", notify="SUCCESS", extensions=extensions)
    assert sink.taken[0].rcpts == [
        "RCPT TO:<bob@far.test> NOTIFY=SUCCESS ORCPT=rfc822;bob@far.test"
    ]
    assert await SpooledMessage.objects.acount() == 1


@pytest.mark.spec("S-067", "S-052")
async def test_success_at_a_mailbox_of_ours_is_confirmed_as_delivered(one, far_dns):
    await in_thread(factories.make_user)(one, "carol")
    await deliver(far_dns, "carol@one.example", notify="SUCCESS")
    (report,) = await in_thread(mail_of)("alice")
    assert report_parts(report)[2][0]["Action"] == "delivered"
    (mail,) = await in_thread(mail_of)("carol")
    assert mail["Subject"] == "Hello"


@pytest.mark.spec("S-048", "S-065")
async def test_when_patience_ends_the_sender_is_told_4_4_7(one, far_dns):
    sink = Sink(answers=REFUSING)
    async with sink:
        spool_id = await submit_async("slow@far.test")
        await SpooledMessage.objects.aupdate(expires_at=utc_now())
        async with running_manager(far_dns, port=sink.port):
            assert await settled(spool_id) == {"slow@far.test": "EXPIRED"}
    (report,) = await in_thread(mail_of)("alice")
    _, _, (recipient,), _ = report_parts(report)
    assert (recipient["Action"], recipient["Status"]) == ("failed", "4.4.7")
    assert recipient["Diagnostic-Code"] == "smtp; 450 4.2.1 later"


@pytest.mark.spec("S-049")
async def test_the_sender_is_told_once_that_mail_is_late(one, far_dns):
    sink = Sink(answers=REFUSING)
    async with sink, running_manager(far_dns, port=sink.port) as manager:
        spool_id = await submit_async("slow@far.test", "bob@far.test")
        await settled(spool_id)
        row = await SpooledMessage.objects.aget(pk=spool_id)
        assert row.delay_notice_at == row.accepted_at + timedelta(hours=4)
        await manager._send_notices()
        assert await SpooledMessage.objects.acount() == 1
        await SpooledMessage.objects.aupdate(delay_notice_at=utc_now())
        await manager._send_notices()
        await SpooledMessage.objects.filter(pk=spool_id).aupdate(delay_notice_at=utc_now())
        await manager._send_notices()
    (report,) = await in_thread(mail_of)("alice")
    text, _, (recipient,), _ = report_parts(report)
    assert recipient["Final-Recipient"] == "rfc822; slow@far.test"
    assert recipient["Action"] == "delayed"
    assert "Will-Retry-Until" in recipient
    assert "450 4.2.1 later" in text


def write_notice(spool_id):
    with connection.cursor() as cursor:
        return notices.prepare(cursor, spool_id)


@pytest.mark.spec("S-049")
async def test_a_notice_is_written_anew_where_another_process_has_sent_one_meanwhile(one, far_dns):
    sink = Sink(answers=REFUSING)
    async with sink, running_manager(far_dns, port=sink.port) as manager:
        spool_id = await submit_async("slow@far.test", "slower@far.test")
        await settled(spool_id)
        message = SpooledMessage.objects.filter(pk=spool_id)
        await message.aupdate(delay_notice_at=utc_now())
        late = await in_thread(write_notice)(spool_id)
        await manager._send_notices()
        # The next failure arms it again, with the same moment.
        await message.aupdate(delay_notice_at=utc_now())
        with pytest.raises(ClaimLost):
            await process_committer().commit(late)
        assert (await message.aget()).delay_notice_at is not None
        await manager._send_notices()
        assert (await message.aget()).delay_notice_at is None
    assert len(await in_thread(mail_of)("alice")) == 1


async def test_a_report_survives_a_disk_that_is_full_for_a_while(one, far_dns, monkeypatch):
    from spool import bounce, recording
    from spool.errors import SpoolFull

    monkeypatch.setattr(recording, "PAUSE_SECONDS", 0.2)
    tries = []
    make_report = bounce.make_report

    def full_at_first(settled):
        tries.append(settled)
        if len(tries) == 1:
            raise SpoolFull
        return make_report(settled)

    monkeypatch.setattr(bounce, "make_report", full_at_first)
    spool_id, _ = await deliver(far_dns, "gone@far.test")
    assert await in_thread(states)(spool_id) == {"gone@far.test": "BOUNCED"}
    assert len(await in_thread(mail_of)("alice")) == 1
