"""Copies of posts that come back: by report of another server, or refused at once (L-013)."""

from datetime import timedelta

import pytest

from clock.moments import utc_now
from domains.models import DomainThrottling
from events.models import AuditEntry
from mailboxes.models import Message
from mailinglists import bounces, membership, signedids
from mailinglists.models import Bounce, Subscriber
from protocols.address import Address
from protocols.message import dsn
from protocols.message.reports import Action, RecipientReport, Return, StatusReport
from spool import routing, throttlebounces
from spool.errors import TooManyReports
from spool.models import Origin, SpooledMessage, ThrottleHour
from spool.routing import Question
from tests.memories import forget_everything
from tests.sinks import Sink
from tests.spool import listed
from tests.spool.listed import AUTHOR, has_ended
from tests.spool.outgoing import in_thread, running_manager, settled, submit_async, until

pytestmark = pytest.mark.django_db(transaction=True)
KIM = "kim@far.test"


@pytest.fixture(autouse=True)
def _memories(fresh_spool):
    forget_everything()


def report(to, *, status="5.1.1", action=Action.FAILED):
    told = RecipientReport(
        recipient=KIM, action=action, status=status, diagnostic="550 no such user"
    )
    return dsn.build(
        StatusReport(reporting_mta="mx.far.test", recipients=(told,)),
        to=to, author="mailer-daemon@far.test", message=listed.post_of(),
        returned=Return.HEADERS, message_id="r@far.test", now=utc_now(),
    )  # fmt: skip


def path_of(address):
    key = listed.subscriber(address).pk
    return signedids.return_path("news", "one.example", key)


async def returned(far_dns, to, body=None, *, times=1):
    """Reports that come in by SMTP; the states of the last one's recipients."""
    async with running_manager(far_dns, port=9):
        for _ in range(times):
            spool_id = await submit_async(
                to, sender="", origin=Origin.SMTP, body=body or await in_thread(report)(to)
            )
            states = await settled(spool_id)
    return states


@pytest.mark.spec("L-013")
async def test_reports_count_and_the_fifth_suspends_the_subscriber(far_dns):
    await in_thread(listed.make_list)(KIM, "lee@far.test", moderators=["alice"])
    path = await in_thread(path_of)(KIM)
    await returned(far_dns, path, times=4)
    kim = await in_thread(listed.subscriber)(KIM)
    assert (kim.state, kim.bounce_score) == ("active", 4)
    assert await returned(far_dns, path) == {path: "DELIVERED"}
    kim = await in_thread(listed.subscriber)(KIM)
    assert (kim.state, kim.suspended_for, kim.bounce_score) == ("suspended", "bounces", 5)
    assert (await in_thread(listed.subscriber)("lee@far.test")).bounce_score == 0
    entry = await in_thread(AuditEntry.objects.get)(verb="suspended subscriber")
    assert (entry.actor, entry.changes["subscriber"]) == ("bounce handling", [KIM, KIM])
    assert not await in_thread(Message.objects.exists)()  # nobody's mailbox has got any of it


@pytest.mark.spec("L-013")
async def test_a_failure_that_may_pass_weighs_less_and_a_delay_nothing(far_dns):
    await in_thread(listed.make_list)(KIM)
    path = await in_thread(path_of)(KIM)
    await returned(far_dns, path, await in_thread(report)(path, status="4.2.2"))
    delayed = await in_thread(report)(path, status="4.4.1", action=Action.DELAYED)
    assert await returned(far_dns, path, delayed) == {path: "DISCARDED"}
    assert (await in_thread(listed.subscriber)(KIM)).bounce_score == 0.25


@pytest.mark.spec("L-013")
async def test_nobody_can_make_up_a_return_path(far_dns):
    await in_thread(listed.make_list)(KIM)
    path = await in_thread(path_of)(KIM)
    name, _, domain = path.partition("@")
    for forged in (f"{name[:-1]}{'1' if name[-1] != '1' else '2'}@{domain}",
                   "news-bounces+0123@one.example", "news-bounces@one.example"):  # fmt: skip
        assert await returned(far_dns, forged) == {forged: "DISCARDED"}
    assert not await in_thread(Bounce.objects.exists)()
    upper = f"{name.upper()}@{domain}"  # some servers change the case of a local part
    await returned(far_dns, upper)
    assert (await in_thread(listed.subscriber)(KIM)).bounce_score == 1


@pytest.mark.spec("L-013")
async def test_an_automatic_reply_to_a_copy_is_no_bounce(far_dns):
    await in_thread(listed.make_list)(KIM)
    path = await in_thread(path_of)(KIM)
    away = b"From: kim@far.test\r\nAuto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nBye.\r\n"
    assert await returned(far_dns, path, away) == {path: "DISCARDED"}
    assert (await in_thread(listed.subscriber)(KIM)).bounce_score == 0


@pytest.mark.spec("L-013")
async def test_a_server_that_refuses_a_copy_at_once_counts_too_and_nobody_is_written_to(far_dns):
    await in_thread(listed.make_list)(KIM, "lee@far.test", AUTHOR)
    sink = Sink(answers={"RCPT TO:<kim@": b"550 5.1.1 no such user"})
    async with sink, running_manager(far_dns, port=sink.port):
        await in_thread(listed.post)()
        await until(has_ended)
        await until(lambda: Bounce.objects.exists())
    assert len(sink.taken) == 2
    kim = await in_thread(listed.subscriber)(KIM)
    assert kim.bounce_score == 1
    assert "no such user" in (await in_thread(Bounce.objects.get)()).words
    kinds = SpooledMessage.objects.order_by("id").values_list("kind", flat=True)
    assert await in_thread(lambda: list(kinds))() == ["standard", "list"]


@pytest.mark.spec("L-013")
def test_what_came_back_longer_ago_than_the_lists_days_counts_no_more():
    listed.make_list(KIM, bounce_limit=3, bounce_days=14)
    kim, now = listed.subscriber(KIM), utc_now()

    def bounce(days_ago):
        return bounces.record_bounce(
            subscriber_id=kim.pk, is_permanent=True, now=now - timedelta(days=days_ago)
        )

    bounce(30), bounce(13)
    assert bounce(12).bounce_score == 2
    assert bounces.age(now=now) == 1
    assert Bounce.objects.count() == 2
    assert bounces.age(now=now + timedelta(days=14)) == 1
    kim.refresh_from_db()
    assert (kim.bounce_score, kim.last_bounce_at, kim.state) == (0, None, "active")


@pytest.mark.spec("L-013")
def test_who_has_been_suspended_for_too_long_is_removed_and_a_moderators_choice_is_not():
    listed.make_list(KIM, "lee@far.test", bounce_limit=1, removal_days=30)
    now = utc_now()
    kim = listed.subscriber(KIM)
    bounces.record_bounce(subscriber_id=kim.pk, is_permanent=True, now=now)
    membership.suspend(subscriber=listed.subscriber("lee@far.test"), by=None)
    assert bounces.remove_suspended(now=now + timedelta(days=29)) == 0
    assert bounces.remove_suspended(now=now + timedelta(days=31)) == 1
    assert [one.address for one in Subscriber.objects.all()] == ["lee@far.test"]


def test_who_is_let_in_again_begins_anew():
    listed.make_list(KIM, bounce_limit=1)
    bounces.record_bounce(subscriber_id=listed.subscriber(KIM).pk, is_permanent=True, now=utc_now())
    kim = membership.resume(subscriber=listed.subscriber(KIM), by=None)
    assert (kim.state, kim.bounce_score, kim.suspended_for) == ("active", 0, "")
    assert not Bounce.objects.exists()


@pytest.mark.spec("T-007")
async def test_reports_about_copies_count_for_the_domains_hour(far_dns):
    def limit(row):
        values = {"bounces_received_per_hour": 2, "bounces_received_per_hour_enabled": True}
        DomainThrottling.objects.filter(domain=row.domain).update(**values)
        forget_everything()

    row = await in_thread(listed.make_list)(KIM)
    await in_thread(limit)(row)
    path = await in_thread(path_of)(KIM)
    await returned(far_dns, path, times=2)
    hour = await in_thread(ThrottleHour.objects.get)(kind="domain", key_id=row.domain_id)
    assert hour.bounces == 2
    question = Question("", may_relay=False)
    target = (await in_thread(routing.resolve)(Address.parse(path), question)).targets
    with pytest.raises(TooManyReports):
        await in_thread(throttlebounces.require_room)(target, utc_now())
