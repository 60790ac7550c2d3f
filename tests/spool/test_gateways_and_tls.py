"""Other ways out than the MX in clear: gateways, logins, encryption."""

import asyncio

import pytest

from domains.models import DomainTechnical
from spool import gatewaychoice, gateways
from spool.gatewaychoice import GatewayPolicy
from spool.models import Encryption, SpooledRecipient
from tests.sinks import CLOSE, Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, running_manager, settled, submit_async

needs_rows = pytest.mark.django_db(transaction=True)
pytestmark = pytest.mark.usefixtures("fresh_spool")


@pytest.fixture
def trusted(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def make_gateway(sink, **given):
    scope = {
        name: given.pop(name)
        for name in ("destinations", "sending_domains", "password")
        if name in given
    }
    values = {"name": "gate", "host": sink.host, "port": sink.port, **given}
    return gateways.add(values=values, by=None, **scope)


def gateway(number, **given):
    values = {
        "gateway_id": number, "name": str(number), "host": "h", "port": 25, "use_mx": False,
        "username": "", "password": b"", "encryption": Encryption.NONE,
        "verify_certificate": False, "allow_clear_text_login": False, "priorities": range(1, 11),
        "sending_domain_ids": frozenset(), "destinations": frozenset(),
        "fall_back_to_direct": False,
    }  # fmt: skip
    return GatewayPolicy(**{**values, **given})


def chosen(*policies, priority=5, domain_id=1, destination="a.far.test"):
    found = gatewaychoice.choose(
        policies, priority=priority, domain_id=domain_id, destination=destination
    )
    return [policy.gateway_id for policy in found]


@pytest.mark.spec("G-005", "G-006")
def test_the_narrowest_gateway_that_fits_takes_the_mail():
    everything = gateway(1)
    ours = gateway(2, sending_domain_ids=frozenset({1}))
    theirs = gateway(3, destinations=frozenset({"a.far.test"}))
    below = gateway(4, destinations=frozenset({".far.test"}))
    lists = gateway(5, priorities=range(1, 2), destinations=frozenset({"a.far.test"}))
    assert chosen() == []
    assert chosen(everything) == [1]
    assert chosen(everything, ours) == [2]
    assert chosen(everything, ours, theirs, below, lists) == [3, 4]
    assert chosen(everything, ours, domain_id=None) == [1]
    assert chosen(theirs, below, destination="far.test") == []
    assert chosen(lists) == []
    assert chosen(lists, priority=1) == [5]


@needs_rows
@pytest.mark.spec("G-007", "G-003", "G-004")
async def test_a_smart_host_takes_everything_after_login_over_tls(
    one, far_dns, server_tls, trusted
):
    far_dns.records["gateway.test", "A"] = ["127.0.0.1"]
    sink = Sink(extensions=("PIPELINING", "AUTH PLAIN"), tls=server_tls)
    sink.answers = {"AUTH PLAIN AHVzZXIAc2VjcmV0": b"235 2.7.0 in"}
    async with sink:
        await in_thread(make_gateway)(
            sink,
            host="gateway.test",
            username="user",
            password="secret",
            encryption="required",
            verify_certificate=True,
        )
        async with running_manager(far_dns, port=1, certificate_authorities=trusted):
            spool_id = await submit_async("bob@far.test", "eve@other.test")
            assert set((await settled(spool_id)).values()) == {"RELAYED"}
    (taken,) = sink.taken
    assert (len(taken.rcpts), taken.is_encrypted) == (2, True)
    (attempt, _) = await in_thread(outgoing.attempts)(spool_id)
    assert attempt.tls.startswith("TLSv1.")


@needs_rows
@pytest.mark.spec("G-006")
@pytest.mark.parametrize(("fall_back", "state"), [(False, "RETRYING"), (True, "RELAYED")])
async def test_mail_waits_for_a_gateway_that_is_down_unless_it_may_go_direct(
    one, far_dns, fall_back, state
):
    async with Sink() as sink:
        dead = Sink(port=1)
        await in_thread(make_gateway)(dead, fall_back_to_direct=fall_back)
        async with running_manager(far_dns, port=sink.port):
            first = await submit_async("bob@far.test")
            assert await settled(first) == {"bob@far.test": "RETRYING"}
            second = await submit_async("bob@far.test")
            assert await settled(second) == {"bob@far.test": state}


@needs_rows
@pytest.mark.spec("G-003")
async def test_a_login_that_is_refused_defers_the_mail(one, far_dns):
    sink = Sink(extensions=("AUTH PLAIN",), answers={"AUTH": b"535 5.7.8 wrong"})
    async with sink:
        await in_thread(make_gateway)(
            sink,
            username="user",
            password="x",
            encryption="none",
            allow_clear_text_login=True,
        )
        async with running_manager(far_dns, port=1):
            spool_id = await submit_async("bob@far.test")
            assert await settled(spool_id) == {"bob@far.test": "RETRYING"}
    row = await SpooledRecipient.objects.aget(message=spool_id)
    assert row.reply == "535 5.7.8 wrong"


@needs_rows
@pytest.mark.spec("S-055")
async def test_tls_is_used_when_offered_whatever_the_certificate(one, far_dns, server_tls):
    async with Sink(tls=server_tls) as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    assert sink.taken[0].is_encrypted


@needs_rows
@pytest.mark.spec("S-055")
@pytest.mark.parametrize("answer", [b"220 go", b"454 4.7.0 not now", CLOSE])
async def test_broken_opportunistic_tls_falls_back_to_clear(one, far_dns, answer):
    sink = Sink(extensions=("PIPELINING", "STARTTLS"), answers={"STARTTLS": answer})
    async with sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    assert not sink.taken[0].is_encrypted


@needs_rows
@pytest.mark.spec("S-055", "G-004")
async def test_required_tls_never_falls_back_and_a_wrong_certificate_is_refused(
    one, far_dns, server_tls
):
    far_dns.records["gateway.test", "A"] = ["127.0.0.1"]
    async with Sink(tls=server_tls) as sink:
        await in_thread(make_gateway)(
            sink, host="gateway.test", encryption="required", verify_certificate=True
        )
        async with running_manager(far_dns, port=1):
            spool_id = await submit_async("bob@far.test")
            assert await settled(spool_id) == {"bob@far.test": "RETRYING"}
    assert sink.taken == []
    row = await SpooledRecipient.objects.aget(message=spool_id)
    assert row.reply.startswith("454 4.7.5")


@needs_rows
@pytest.mark.spec("G-004")
async def test_a_gateway_with_tls_from_the_start(one, far_dns, server_tls):
    class TlsSink(Sink):
        async def open(self):

            self._writers, self._end = set(), asyncio.Event()
            self._server = await asyncio.start_server(self._serve, self.host, 0, ssl=server_tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async with TlsSink() as sink:
        await in_thread(make_gateway)(sink, encryption="implicit")
        async with running_manager(far_dns, port=1):
            spool_id = await submit_async("bob@far.test")
            assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    assert sink.commands.count("STARTTLS") == 0


@needs_rows
@pytest.mark.spec("G-015")
async def test_mail_leaves_from_the_address_chosen_for_its_domain(one, far_dns):
    await DomainTechnical.objects.aupdate(
        source_address_ipv4="chosen", chosen_source_ipv4="127.0.0.5"
    )
    async with Sink() as sink, running_manager(far_dns, port=sink.port):
        spool_id = await submit_async("bob@far.test")
        assert await settled(spool_id) == {"bob@far.test": "RELAYED"}
    assert sink.clients == {"127.0.0.5"}
