"""Mail leaves signed where the domain signs, as an independent verifier at the other end finds."""

import dkim as verifier
import pytest
from django.conf import settings as conf
from django.core.mail import EmailMessage

from clock.moments import utc_now
from domains.models import DomainFeatures
from signing import keys
from signing.models import SigningKey
from spool import signatures
from spool.backend import SpoolBackend
from spool.intake import Parameters
from spool.models import Origin
from tests import factories
from tests.memories import forget_everything
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.outgoing import MESSAGE, in_thread, running_manager, settled, submit_async

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_spool")]


def signing_domain(*, is_live=True):
    domain = factories.make_domain("one.example", "alice")
    made = keys.generate(domain=domain, by=None, now=utc_now())
    if is_live:
        keys.take_into_use(keys=[key.pk for key in made], now=utc_now())
    forget_everything()
    return domain


def verify(message):
    """Whether each signature holds, by the records that the keys say."""
    records = {f"{key.record_name}.".encode(): key.record.encode() for key in
               SigningKey.objects.all()}  # fmt: skip
    found = []
    for number in range(message.count(b"DKIM-Signature:")):
        judge = verifier.DKIM(message)
        try:
            found.append(judge.verify(number, dnsfunc=lambda name, timeout=5: records[name]))
        except verifier.ValidationError:
            found.append(False)
    return found


async def sent(far_dns, sink, *recipients, **given):
    given.setdefault("origin", Origin.SUBMISSION)
    async with running_manager(far_dns, port=sink.port):
        await settled(await submit_async(*(recipients or ["bob@far.test"]), **given))
    return sink.taken[-1].body


@pytest.mark.spec("F-042", "D-069")
async def test_mail_of_a_user_arrives_with_signatures_that_hold(far_dns):
    await in_thread(signing_domain)()
    async with Sink() as sink:
        body = await sent(far_dns, sink)
    assert await in_thread(verify)(body) == [True, True]
    assert await in_thread(verify)(body.replace(b"Hi.", b"Ho.")) == [False, False]


@pytest.mark.spec("F-042")
async def test_a_large_message_is_signed_as_it_streams_by(far_dns):
    await in_thread(signing_domain)()
    body = MESSAGE + b"A line of a large message, again and again.\r\n" * 10_000
    async with Sink() as sink:
        assert await in_thread(verify)(await sent(far_dns, sink, body=body)) == [True, True]


@pytest.mark.spec("F-042")
async def test_what_is_converted_for_an_old_server_is_signed_as_it_leaves(far_dns):
    await in_thread(signing_domain)()
    body = MESSAGE.replace(b"Hi.", "Grüße.".encode())
    body = body.replace(b"\r\n\r\n", b"\r\nMIME-Version: 1.0\r\n"
                        b"Content-Type: text/plain; charset=utf-8\r\n"
                        b"Content-Transfer-Encoding: 8bit\r\n\r\n")  # fmt: skip
    async with Sink(answers={"EHLO": b"250-sink\r\n250 PIPELINING"}) as sink:
        taken = await sent(far_dns, sink, body=body, parameters=Parameters(body_type="8BITMIME"))
    assert taken.isascii()
    assert await in_thread(verify)(taken) == [True, True]


@pytest.mark.spec("F-042", "F-040", "D-069")
async def test_nobody_elses_mail_is_signed(far_dns):
    domain = await in_thread(signing_domain)()
    other = MESSAGE.replace(b"alice@one.example", b"ceo@bank.test")
    async with Sink() as sink:
        assert b"DKIM" not in await sent(far_dns, sink, body=other)
        assert b"DKIM" not in await sent(far_dns, sink, origin=Origin.RELAY)
        switch_off = in_thread(DomainFeatures.objects.filter(domain=domain).update)
        await switch_off(mail_signing=False)
        await in_thread(forget_everything)()
        assert b"DKIM" not in await sent(far_dns, sink)


@pytest.mark.spec("D-069")
async def test_nothing_is_signed_before_the_record_is_there(far_dns):
    await in_thread(signing_domain)(is_live=False)
    async with Sink() as sink:
        assert b"DKIM" not in await sent(far_dns, sink)


async def test_a_message_is_signed_once_however_often_it_is_tried(far_dns, monkeypatch):
    await in_thread(signing_domain)()
    made = []
    sign = signatures.sign
    monkeypatch.setattr(signatures, "sign", lambda *given: made.append(1) or sign(*given))
    far_dns.records["further.test", "MX"] = far_dns.records["far.test", "MX"]
    async with Sink() as sink:
        await sent(far_dns, sink, "bob@far.test", "carol@further.test")
    assert len(sink.taken) == 2 and len(made) == 1


@pytest.mark.spec("F-042")
async def test_the_servers_own_reports_are_signed_too(far_dns):
    await in_thread(signing_domain)()
    message = EmailMessage("Report", "Text.", "postmaster@one.example", ["bob@far.test"])
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await in_thread(lambda: SpoolBackend().send_messages([message]))()
        await outgoing.until(lambda: bool(sink.taken))
    assert await in_thread(verify)(sink.taken[0].body) == [True, True]


@pytest.mark.spec("F-042")
async def test_a_report_about_forwarded_mail_is_signed_by_the_domain_of_the_host(
    far_dns, monkeypatch
):
    monkeypatch.setattr(conf, "MAILHOST_HOSTNAME", "mx.one.example")
    domain = await in_thread(signing_domain)()
    await in_thread(factories.make_alias)(domain, "away", "gone@far.test")
    far_dns.records["writer.test", "MX"] = far_dns.records["far.test", "MX"]
    sender, answers = "ann@writer.test", {"RCPT TO:<gone@": b"550 5.1.1 no"}
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        await submit_async("away@one.example", sender=sender, origin=Origin.SMTP)
        await outgoing.until(lambda: bool(sink.taken))
    report = sink.taken[0]
    assert report.mail.startswith("MAIL FROM:<>") and report.rcpts[0].find(sender) > 0
    assert await in_thread(verify)(report.body) == [True, True]
