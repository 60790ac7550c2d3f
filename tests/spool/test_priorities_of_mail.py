"""Priorities of real mail: from the tab to the row, the order, the retry and the gateway."""

import pytest

from clock.moments import utc_now
from domains.errors import ValuesRefused
from spool import gateways, services
from spool.configuration import SPOOL
from spool.models import Kind, SpooledMessage, SpooledRecipient
from spool.selection import Selection
from tests import factories
from tests.sinks import Sink
from tests.spool import listed, outgoing
from tests.spool.claiming import claim
from tests.spool.outgoing import in_thread, running_manager, settled, submit, submit_async, until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_spool")]


def tab(**values):
    """Rules with their switches on: tab(standard=3)."""
    switches = {f"{name}_enabled": True for name in values if not name.endswith("_threshold_kb")}
    thresholds = {name for name in values if name.endswith("_threshold")}
    return values | {
        k: v for k, v in switches.items() if k.removesuffix("_enabled") not in thresholds
    }


def domain(name="one.example", **values):
    return factories.make_domain(name, "alice", priority=tab(**values))


def priority_of(spool_id):
    return SpooledRecipient.objects.get(message_id=spool_id).priority


def sent(kind=Kind.STANDARD, **given):
    return priority_of(submit("bob@far.test", kind=kind, **given))


RULES = [
    ("standard", Kind.STANDARD),
    ("mailing_lists", Kind.LIST),
    ("auto_responders", Kind.AUTORESPONDER),
    ("email_reports", Kind.REPORT),
    ("event_emails", Kind.EVENT),
]


@pytest.mark.spec("P-010", "P-011", "P-013", "P-018", "P-022", "P-024")
@pytest.mark.spec("P-023", lacks="mail of event rules and of reminders")
@pytest.mark.spec("P-012")
@pytest.mark.spec("P-017", lacks="automatic replies")
@pytest.mark.parametrize(("rule", "kind"), RULES)
def test_each_kind_has_its_own_priority_where_its_switch_is_on(rule, kind):
    domain("on.example", **{rule: 8})
    factories.make_domain("off.example", priority={rule: 8})
    assert sent(kind, sender="alice@on.example") == 8
    assert sent(kind, sender="alice@off.example") == 5


@pytest.mark.spec("P-014", "P-015", "P-016")
def test_only_what_is_larger_than_the_threshold_is_over_size():
    domain(over_size=2, over_size_threshold_kb=10)
    small = SpooledMessage.objects.get(pk=submit("bob@far.test"))
    padding = 10 * 1024 - small.size_bytes
    exactly = submit("bob@far.test", body=outgoing.MESSAGE + b"x" * padding)
    larger = submit("bob@far.test", body=outgoing.MESSAGE + b"x" * (padding + 1))
    assert SpooledMessage.objects.get(pk=exactly).size_bytes == 10 * 1024
    assert (priority_of(exactly), priority_of(larger)) == (5, 2)


@pytest.mark.spec("P-019", "P-020", "S-065")
async def test_a_bounce_has_the_priority_of_the_domain_whose_mail_failed(far_dns):
    await in_thread(domain)(bounces=7)
    answers = {"RCPT TO:<gone@": b"550 5.1.1 no such user"}
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        await submit_async("gone@far.test")
        bounces = SpooledMessage.objects.filter(kind=Kind.BOUNCE)
        await until(bounces.exists)
    bounce = await in_thread(bounces.get)()
    assert await in_thread(priority_of)(bounce.pk) == 7


@pytest.mark.spec("P-004")
def test_the_priority_set_by_hand_stands_before_every_rule():
    domain(standard=3)
    spool_id = submit("bob@far.test")
    services.set_priority(selection=Selection.of([spool_id]), priority=9, by=None, now=utc_now())
    assert priority_of(spool_id) == 9


@pytest.mark.spec("P-004")
def test_what_an_alias_sends_on_has_the_priority_of_the_domain_of_the_alias():
    domain(standard=3)
    two = domain("two.example", standard=8)
    factories.make_alias(two, "out", "away@far.test")
    spool_id = submit("out@two.example", "bob@far.test")
    rows = SpooledRecipient.objects.filter(message_id=spool_id)
    assert {row.address: row.priority for row in rows} == {"away@far.test": 8, "bob@far.test": 3}


@pytest.mark.spec("P-002", "P-004")
async def test_local_recipients_of_a_mixed_message_are_served_at_once():
    await in_thread(domain)(standard=1)
    spool_id = await submit_async("alice@one.example", "bob@far.test")
    assert await in_thread(outgoing.states)(spool_id) == {
        "alice@one.example": "DELIVERED", "bob@far.test": "QUEUED",
    }  # fmt: skip


@pytest.mark.spec("P-025", "P-026", "P-027", "P-028", "P-029", "P-030")
async def test_after_x_and_y_failed_tries_the_priority_changes_and_with_it_the_gateway(far_dns):
    rules = {"attempt_x": 2, "attempt_x_threshold": 2, "attempt_y": 9, "attempt_y_threshold": 3}
    await in_thread(domain)(**rules)
    later = {"RCPT TO:": b"450 4.2.1 later"}
    gateway = Sink(answers=later, host="127.0.0.2")
    async with Sink(answers=later) as direct, gateway:
        await in_thread(gateways.add)(
            values={
                "name": "stubborn", "host": "127.0.0.2", "port": gateway.port,
                "minimum_priority": 2, "maximum_priority": 2,
            },
            by=None,
        )  # fmt: skip
        outgoing.forget_everything()
        async with running_manager(far_dns, port=direct.port):
            spool_id = await submit_async("bob@far.test")
            await settled(spool_id)
            found = [await in_thread(priority_of)(spool_id)]
            for tries in (2, 3):
                await in_thread(force)(spool_id)
                await until(lambda n=tries: tried(spool_id, n))
                found.append(await in_thread(priority_of)(spool_id))
    assert found == [5, 2, 9]
    assert len(gateway.commands and [c for c in gateway.commands if c.startswith("RCPT")]) == 1
    assert len([c for c in direct.commands if c.startswith("RCPT")]) == 2


def force(spool_id):
    services.force(selection=Selection.of([spool_id]), by=None, now=utc_now())


def tried(spool_id, times):
    row = SpooledRecipient.objects.get(message_id=spool_id)
    return row.attempts == times and row.claimed_by is None


@pytest.mark.spec("P-026", "P-029")
def test_rules_about_tries_that_are_off_are_ignored():
    factories.make_domain("one.example", priority={"attempt_x": 1, "attempt_x_threshold": 1})
    assert sent() == 5


@pytest.mark.spec("G-006")
@pytest.mark.spec("P-031")
async def test_list_posts_at_1_leave_by_their_gateway_and_standard_mail_directly(far_dns):
    def world():
        listed.make_list("member@far.test", domain=domain(mailing_lists=1), posting="anyone")

    await in_thread(world)()
    async with Sink() as direct, Sink(host="127.0.0.2") as gateway:
        await in_thread(gateways.add)(
            values={
                "name": "lists", "host": "127.0.0.2", "port": gateway.port,
                "minimum_priority": 1, "maximum_priority": 1,
            },
            by=None,
        )  # fmt: skip
        outgoing.forget_everything()
        async with running_manager(far_dns, port=direct.port):
            await in_thread(listed.post)()
            letter = await submit_async("bob@far.test")
            assert set((await settled(letter)).values()) == {"RELAYED"}
            await until(listed.has_ended)
    assert [taken.rcpts for taken in gateway.taken] == [["RCPT TO:<member@far.test>"]]
    assert [taken.rcpts for taken in direct.taken] == [["RCPT TO:<bob@far.test>"]]


def flood():
    domain()
    submit("low@far.test")
    SpooledRecipient.objects.update(priority=1)
    for number in range(20):
        submit(f"high{number}@far.test")
    SpooledRecipient.objects.exclude(address="low@far.test").update(priority=10)


@pytest.mark.spec("P-003")
@pytest.mark.parametrize(("share", "goes"), [(0.1, True), (0.0, False)])
def test_the_share_of_the_oldest_mail_can_be_switched_off(share, goes):
    flood()
    claimed = [one.address for one in claim(limit=10, oldest_share=share).result.recipients]
    assert ("low@far.test" in claimed) is goes


@pytest.mark.spec("P-003")
async def test_the_share_of_the_oldest_mail_is_a_setting_that_acts_at_once(far_dns):
    await in_thread(domain)()
    async with running_manager(far_dns, port=1) as manager:
        await until(lambda: manager._outbound.oldest_share_percent == 10)
        await in_thread(SPOOL.change)({"oldest_share_percent": 0}, by=None)
        outgoing.forget_everything()
        await submit_async("bob@none.test")  # whatever comes wakes the manager
        await until(lambda: manager._outbound.oldest_share_percent == 0)
    with pytest.raises(ValuesRefused):
        await in_thread(SPOOL.change)({"oldest_share_percent": 51}, by=None)
