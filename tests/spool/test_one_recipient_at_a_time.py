"""Some want each message once for every recipient: by destination, gateway or relay domain."""

import json
from collections import Counter
from io import StringIO
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from domains.errors import NameMalformed, NameTaken, ValuesRefused
from events.models import AuditEntry
from spool import gatewaychoice, gateways, planning, relaydomains, singly
from spool.models import Gateway, LedgerHour, SpoolSettings
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, running_manager, settled, submit_async
from tests.spool.test_gateways_and_tls import make_gateway

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("one"),
    pytest.mark.spec("S-040"),
]
EVERYBODY = ("a@far.test", "b@far.test", "c@far.test", "d@other.test", "e@other.test")


@pytest.fixture
def one_connection(one):
    """To each destination, so that what is sent there shows whether it is used again."""
    SpoolSettings.objects.update_or_create(pk=1, defaults={"connections_per_destination": 1})
    outgoing.forget_everything()


def transactions(sink):
    """How many messages had how many recipients, by the domain of these."""
    found = Counter()
    for taken in sink.taken:
        domains = {rcpt.partition("@")[2].partition(">")[0] for rcpt in taken.rcpts}
        found[",".join(sorted(domains)), len(taken.rcpts)] += 1
    return found


async def deliver(far_dns, sink, *, direct=True):
    async with running_manager(far_dns, port=sink.port if direct else 1):
        return await relayed()


async def relayed():
    spool_id = await submit_async(*EVERYBODY)
    assert set((await settled(spool_id)).values()) == {"RELAYED"}
    return spool_id


async def test_a_listed_destination_gets_a_transaction_for_each_on_one_connection(
    far_dns, one_connection
):
    await in_thread(singly.add)(name="far.test", by=None)
    async with Sink() as sink:
        spool_id = await deliver(far_dns, sink)
    assert transactions(sink) == {("far.test", 1): 3, ("other.test", 2): 1}
    assert sum(line.startswith("MAIL") for line in sink.commands) == 4
    assert sink.sessions == 2
    assert len({taken.body for taken in sink.taken}) == 1
    tries = await in_thread(outgoing.attempts)(spool_id)
    assert [one.outcome for one in tries] == ["delivered"] * 5
    assert (await LedgerHour.objects.aget()).relayed == 5


async def test_a_manager_that_runs_is_told_of_what_is_listed_and_of_what_is_not_any_more(
    far_dns, one_connection
):
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await relayed()
        row = await in_thread(singly.add)(name="far.test", by=None)
        await outgoing.until(lambda: singly.is_listed("far.test"), seconds=10)
        await relayed()
        await in_thread(singly.remove)(row=row, by=None)
        await outgoing.until(lambda: not singly.is_listed("far.test"), seconds=10)
        await relayed()
    assert transactions(sink) == {("far.test", 3): 2, ("far.test", 1): 3, ("other.test", 2): 3}


async def test_the_switch_of_a_gateway_is_for_all_that_it_takes(far_dns, one_connection):
    async with Sink() as sink:
        gateway = await in_thread(make_gateway)(sink, one_recipient_at_a_time=True)
        await deliver(far_dns, sink, direct=False)
        assert transactions(sink) == {("far.test", 1): 3, ("other.test", 1): 2}
        sink.taken.clear()
        values = {"one_recipient_at_a_time": False}
        await in_thread(gateways.change)(gateway=gateway, values=values, by=None)
        await in_thread(outgoing.forget_everything)()
        await deliver(far_dns, sink, direct=False)
        assert transactions(sink) == {("far.test,other.test", 5): 1}
    assert sink.sessions == 2


async def test_through_a_gateway_without_it_the_destination_decides(far_dns, one_connection):
    await in_thread(singly.add)(name=".test", by=None)
    async with Sink() as sink:
        await in_thread(make_gateway)(sink, destinations=["far.test"])
        await deliver(far_dns, sink)
    assert transactions(sink) == {("far.test", 1): 3, ("other.test", 1): 2}


async def test_a_relay_domain_has_the_switch_too(far_dns, one_connection):
    async with Sink() as sink:
        values = {"host": "127.0.0.1", "port": sink.port, "one_recipient_at_a_time": True}
        await in_thread(relaydomains.add)(name="far.test", values=values, by=None)
        await in_thread(outgoing.forget_everything)()
        await deliver(far_dns, sink)
    assert transactions(sink) == {("far.test", 1): 3, ("other.test", 2): 1}


async def test_one_that_is_refused_does_not_touch_the_others(far_dns, one_connection):
    await in_thread(singly.add)(name="far.test", by=None)
    answers = {"RCPT TO:<b@": b"550 5.1.1 nobody"}
    async with Sink(answers=answers) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("a@far.test", "b@far.test", "c@far.test")
        assert await settled(spool_id) == {
            "a@far.test": "RELAYED", "b@far.test": "BOUNCED", "c@far.test": "RELAYED",
        }  # fmt: skip
    assert transactions(sink) == {("far.test", 1): 2}


def test_gateways_of_one_claim_have_each_their_own_switch():
    on, off = (
        gateways.add(
            values={"name": str(is_on), "host": "127.0.0.1", "one_recipient_at_a_time": is_on},
            by=None,
        )
        for is_on in (True, False)
    )
    outgoing.forget_everything()
    choice = planning._Choice(frozenset(), gatewaychoice.Loads())
    recipient = SimpleNamespace(destination="far.test")
    routes = [SimpleNamespace(gateway_id=one and one.pk) for one in (off, on, None, on)]
    found = [choice.goes_singly(recipient, route) for route in routes]
    assert found == [False, True, False, True]


def test_names_are_domains_and_come_once():
    singly.add(name="Far.Test", by=None, note="picky")
    singly.forget()
    assert [singly.is_listed(name) for name in ("far.test", "a.far.test")] == [True, False]
    row = singly.add(name=".far.test", by=None)
    singly.forget()
    assert singly.is_listed("a.far.test")
    with pytest.raises(NameTaken):
        singly.add(name="far.test", by=None)
    with pytest.raises(NameMalformed):
        singly.add(name="no domain", by=None)
    with pytest.raises(ValuesRefused):
        singly.add(name="near.test", by=None, note="a\nb")
    singly.add(name=".below.test", by=None)
    singly.forget()
    assert [singly.is_listed(name) for name in ("below.test", "a.below.test")] == [False, True]
    singly.change(row=row, values={"note": "VERP"}, by=None)
    singly.remove(row=row, by=None)
    verbs = AuditEntry.objects.order_by("-pk").values_list("verb", flat=True)[:2]
    assert [verb.partition(" ")[0] for verb in verbs] == ["removed", "changed"]


def command(*words):
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_the_commands_list_add_and_remove():
    command("singledestination", "add", ".lists.test", "--note", "VERP")
    shown = json.loads(command("singledestination", "list", "--json"))
    assert shown == [{"name": ".lists.test", "note": "VERP"}]
    assert command("singledestination", "list").split() == [".lists.test", "VERP"]
    command("singledestination", "remove", ".lists.test")
    with pytest.raises(CommandError, match=r"\.lists\.test is not listed"):
        command("singledestination", "remove", ".lists.test")
    command("relaydomain", "add", "kept.test", "--one-recipient-at-a-time")
    (relayed,) = json.loads(command("relaydomain", "list", "--json"))
    assert relayed["one_recipient_at_a_time"] is True
    gateways.add(values={"name": "out", "host": "127.0.0.1"}, by=None)
    (listed,) = json.loads(command("gateway", "list", "--json"))
    assert listed["one_recipient_at_a_time"] is Gateway.objects.get().one_recipient_at_a_time
