"""Gateways at work: whose turn it is, trying one out, how they are doing, and by which name."""

import asyncio
import contextlib
import json
import ssl
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clock.moments import utc_now
from domains.errors import NameTaken, ValuesRefused
from domains.models import DomainTechnical
from operations.services import RESOLVER
from spool import gatewayhealth, gateways, relaydomains
from spool.agents.tls import ResumingContext
from spool.gatewaytest import test_gateway as try_out
from spool.models import Gateway, GatewayState
from spool.resolver import Resolver
from tests.dns_server import DnsServer
from tests.sinks import HANG, Sink
from tests.spool.outgoing import in_thread, running_manager, settled, submit_async, until
from tests.spool.test_gateways_and_tls import make_gateway

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("one")]


@pytest.mark.spec("G-006")
async def test_gateways_that_fit_equally_well_share_the_mail_in_turn(far_dns):
    async with Sink() as first, Sink() as second:
        await in_thread(make_gateway)(first, name="first")
        await in_thread(make_gateway)(second, name="second")
        async with running_manager(far_dns, port=1):
            for number in range(10):
                spool_id = await submit_async(f"r{number}@far.test", f"s{number}@other.test")
                assert set((await settled(spool_id)).values()) == {"RELAYED"}
    assert len(first.taken) == len(second.taken) == 5


@pytest.mark.spec("G-006")
async def test_a_gateway_with_a_queue_gets_less_and_one_that_hangs_gets_nothing(
    far_dns, monkeypatch
):
    monkeypatch.setattr("spool.slots.HANGING_SECONDS", 0.3)
    monkeypatch.setattr("spool.slots.LOOK_SECONDS", 0.1)
    async with Sink(answers={"MAIL": HANG}) as stuck, Sink() as good:
        await in_thread(make_gateway)(stuck, name="a stuck one")
        await in_thread(make_gateway)(good, name="a good one")
        async with running_manager(far_dns, port=1) as manager:
            first = await submit_async("a@far.test")
            await until(lambda: stuck.sessions + len(good.taken) == 1)
            second = await submit_async("b@far.test")
            await until(lambda: stuck.sessions == 1 and len(good.taken) >= 1)
            for _ in range(200):
                if manager._outbound.gateways_down():
                    break
                await asyncio.sleep(0.02)
            for number in range(6):
                spool_id = await submit_async(f"r{number}@far.test")
                assert set((await settled(spool_id)).values()) == {"RELAYED"}
            assert stuck.sessions == 1
    assert first != second


@pytest.mark.spec("G-001")
async def test_mail_that_waits_for_a_deleted_gateway_goes_another_way(far_dns, monkeypatch):
    async with Sink(answers={"MAIL": HANG}) as stuck, Sink() as sink:
        gateway = await in_thread(make_gateway)(stuck)
        async with running_manager(far_dns, port=sink.port):
            ids = [await submit_async(f"r{number}@far.test") for number in range(6)]
            await until(lambda: stuck.sessions == 2)
            await in_thread(gateways.delete)(gateway=gateway, by=None)
            await until(lambda: len(sink.taken) == 4)
        assert len(ids) == 6


@pytest.mark.spec("G-001", "G-003", "G-004")
def test_trying_a_gateway_out_shows_the_dialogue_without_its_secrets(server_tls):
    async def serve():
        extensions = ("PIPELINING", "AUTH PLAIN LOGIN")
        sink = Sink(extensions=extensions, tls=server_tls)
        sink.answers = {"AUTH PLAIN AHVzZXIAc2VjcmV0": b"235 2.7.0 in"}
        async with sink:
            gateway = await in_thread(make_gateway)(sink, username="user", password="secret")
            found = await in_thread(try_out)(gateway)
            wrong = await in_thread(gateways.change)(
                gateway=gateway, values={}, password="wrong", by=None
            )
            sink.answers = {"AUTH": b"535 5.7.8 no"}
            return found, await in_thread(try_out)(wrong), await in_thread(_command)("test")

    found, wrong, told = asyncio.run(serve())
    assert (found.is_ok, found.reply) == (True, "250 2.0.0 ok")
    assert found.tls.startswith("TLSv1.")
    text = "\n".join(found.dialogue)
    assert "> AUTH PLAIN ********" in text
    assert "> STARTTLS" in text
    assert "> NOOP" in text
    assert "AHVzZXIAc2VjcmV0" not in text
    assert (wrong.is_ok, wrong.reply) == (False, "535 5.7.8 no")
    assert not json.loads(told)["is_ok"]


def _command(verb):
    out = StringIO()
    with contextlib.suppress(CommandError):
        call_command("gateway", verb, "gate", "--json", stdout=out)
    return out.getvalue()


def test_a_gateway_that_is_not_there_is_said_to_be(settings):
    gateway = make_gateway(Sink(port=1), encryption="none")
    found = try_out(gateway)
    assert not found.is_ok
    assert "connection refused" in found.reply.lower()
    with pytest.raises(CommandError, match="no gateway"):
        call_command("gateway", "enable", "nobody")


@pytest.mark.spec("G-003", "G-004")
async def test_with_a_login_encryption_is_required_unless_somebody_says_otherwise(far_dns):
    sink = Sink(extensions=("AUTH PLAIN",))
    async with sink:
        gateway = await in_thread(make_gateway)(sink, username="user", password="secret")
        assert gateway.encryption == "required"
        async with running_manager(far_dns, port=1):
            assert set((await settled(await submit_async("b@far.test"))).values()) == {"RETRYING"}
    assert not any(command.startswith("AUTH") for command in sink.commands)


@pytest.mark.spec("G-002")
async def test_a_gateway_may_be_looked_up_by_mx(far_dns):
    far_dns.records["gate.test", "MX"] = ["10 mx.far.test."]
    async with Sink() as sink:
        await in_thread(make_gateway)(sink, host="gate.test", use_mx=True)
        async with running_manager(far_dns, port=1):
            spool_id = await submit_async("bob@other.test")
            assert await settled(spool_id) == {"bob@other.test": "RELAYED"}
    assert far_dns.asked["gate.test", "MX"] == 1


@pytest.mark.spec("G-008")
async def test_health_tells_queue_last_error_and_what_was_sent(far_dns, monkeypatch):
    monkeypatch.setattr(gatewayhealth, "WRITE_SECONDS", 0.1)
    answers = {"RCPT TO:<bad@": b"550 5.1.1 nobody", "RCPT TO:<busy@": b"450 4.2.1 later"}
    async with Sink(answers=answers) as sink:
        await in_thread(make_gateway)(sink)
        async with running_manager(far_dns, port=1):
            spool_id = await submit_async("a@far.test", "bad@far.test", "busy@far.test")
            await settled(spool_id)
            await until(lambda: _health().sent_this_hour + _health().sent_last_hour == 1)
            health = await in_thread(_health)()
    assert (health.deferred_this_hour, health.failed_this_hour) == (1, 1)
    assert health.last_error in {"550 5.1.1 nobody", "450 4.2.1 later"}
    assert (health.queued, health.is_down, health.is_enabled) == (0, False, True)
    out = StringIO()
    await in_thread(call_command)("gateway", "health", "--json", stdout=out)
    assert json.loads(out.getvalue())[0]["name"] == "gate"
    await in_thread(call_command)("gateway", "disable", "gate", stdout=out)
    assert not (await Gateway.objects.aget()).is_enabled
    # A process that is gone says nothing any more, but what it saw last is still known.
    await GatewayState.objects.aupdate(queued=7, seen_at=utc_now() - gatewayhealth.FRESH * 2)
    assert (await in_thread(_health)()).queued == 0
    assert (await in_thread(_health)()).last_error


def _health():
    return gatewayhealth.health(now=utc_now())[0]


@pytest.mark.spec("G-015")
@pytest.mark.parametrize(
    ("pointer", "said"), [("out.one.example.", "out.one.example"), (None, "mx.one.example")]
)
async def test_ehlo_says_the_name_of_the_address_that_mail_leaves_from(far_dns, pointer, said):
    if pointer:
        far_dns.records["5.0.0.127.in-addr.arpa", "PTR"] = [pointer]
    await DomainTechnical.objects.aupdate(
        source_address_ipv4="chosen", chosen_source_ipv4="127.0.0.5"
    )
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        await settled(await submit_async("bob@far.test"))
    assert sink.clients == {"127.0.0.5"}
    assert sink.commands[0] == f"EHLO {said}"


@pytest.mark.spec("G-015")
@pytest.mark.spec("D-033")
async def test_mail_leaves_from_elsewhere_when_the_address_chosen_for_it_is_gone(far_dns):
    await DomainTechnical.objects.aupdate(
        source_address_ipv4="chosen", chosen_source_ipv4="192.0.2.1"
    )
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    assert sink.clients == {"127.0.0.1"}


@pytest.mark.spec("S-054")
async def test_a_second_connection_takes_the_tls_session_up_again(far_dns, server_tls):
    resumed = []

    class WatchingSink(Sink):
        async def _converse(self, reader, writer, session):
            try:
                await super()._converse(reader, writer, session)
            finally:
                details = writer.get_extra_info("ssl_object")
                resumed.append(details is not None and details.session_reused)

    async with WatchingSink(tls=server_tls) as sink:
        for _ in range(2):
            async with running_manager(far_dns, port=sink.port):
                spool_id = await submit_async("bob@far.test")
                assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
        await until(lambda: len(resumed) == 2)
    assert resumed == [False, True]


def test_sessions_of_one_name_are_never_used_for_another():
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    given = []
    context._sessions["a.test"] = "the session of a"

    original = ssl.SSLContext.wrap_bio
    try:
        ssl.SSLContext.wrap_bio = lambda self, *args, **kwargs: given.append(kwargs["session"])
        for name in ("a.test", "b.test"):
            context.wrap_bio(None, None, server_hostname=name)
    finally:
        ssl.SSLContext.wrap_bio = original
    assert given == ["the session of a", None]


@pytest.mark.spec("G-025")
async def test_name_servers_can_be_changed_while_the_server_runs(far_dns):
    async with DnsServer({("far.test", "A"): ["127.0.0.3"]}) as other:
        async with Sink() as sink, Sink(host="127.0.0.3", port=sink.port) as elsewhere:
            async with running_manager(far_dns, port=sink.port):
                await settled(await submit_async("a@far.test"))
                await in_thread(RESOLVER.change)({"primary": other.address}, by=None)
                await in_thread(RESOLVER.forget)()
                await settled(await submit_async("b@other.test"))
                await in_thread(RESOLVER.change)({"primary": ""}, by=None)
            assert (len(sink.taken), len(elsewhere.taken)) == (1, 0)
        assert other.asked["other.test", "MX"] == 1


@pytest.mark.spec("G-025")
@pytest.mark.parametrize(
    "values",
    [
        {"primary": "ns.example"},
        {"primary": "192.0.2.1:0"},
        {"primary": "192.0.2.1:99999"},
        {"primary": "[2001:db8::1"},
        {"secondary": "192.0.2.1"},
    ],
)
def test_name_servers_are_ip_addresses(values):
    with pytest.raises(ValuesRefused):
        RESOLVER.change(values, by=None)


@pytest.mark.spec("G-025")
def test_name_servers_may_have_ports_and_be_of_both_families():
    for text in ("192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353"):
        RESOLVER.change({"primary": text}, by=None)


@pytest.mark.spec("G-016")
async def test_mail_for_a_relayed_domain_goes_to_its_server_and_no_gateway(far_dns):
    async with Sink() as primary, Sink() as gate:
        await in_thread(make_gateway)(gate)
        await in_thread(relaydomains.add)(
            name="Kept.test", values={"host": "127.0.0.1", "port": primary.port}, by=None
        )
        async with running_manager(far_dns, port=1):
            assert set((await settled(await submit_async("a@kept.test"))).values()) == {"RELAYED"}
    assert (len(primary.taken), len(gate.taken)) == (1, 0)


def test_a_domain_of_ours_cannot_be_relayed():
    with pytest.raises(NameTaken):
        relaydomains.add(name="one.example", by=None)
    relaydomains.add(name="kept.test", by=None)
    with pytest.raises(NameTaken):
        relaydomains.add(name="kept.test", by=None)
    with pytest.raises(ValuesRefused):
        relaydomains.add(name="other.test", values={"host": "a b"}, by=None)


async def test_a_resolver_with_other_servers_forgets_what_the_old_ones_said():
    first, second = {("x.test", "A"): ["127.0.0.1"]}, {("x.test", "A"): ["127.0.0.2"]}
    async with DnsServer(first) as one, DnsServer(second) as two:
        resolver = Resolver([one.address])
        assert await resolver.addresses("x.test") == ("127.0.0.1",)
        resolver.use([two.address])
        assert await resolver.addresses("x.test") == ("127.0.0.2",)
        resolver.use([])
        assert await resolver.addresses("x.test") == ("127.0.0.1",)
        await resolver.close()
