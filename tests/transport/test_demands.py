"""Mail to domains that have a policy about encryption, through the spool itself."""

from __future__ import annotations

from hashlib import sha256

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clock.moments import utc_now
from spool.agents.route import RemoteRoute
from spool.mx import Host
from tests.sinks import Sink
from tests.spool import outgoing
from tests.spool.outgoing import in_thread, settled, submit_async
from transport.models import StsPolicy, TlsResult
from transport.overrides import set_override
from transport.settings import TRANSPORT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("S-055")]

POLICY = ("version: STSv1", "mode: enforce", "mx: *.far.test", "max_age: 86400")


async def send(spool, sink, **given):
    """The state, the last reply and the TLS column of mail to bob@far.test."""
    async with spool(sink.port, **given):
        spool_id = await submit_async("bob@far.test")
        states = await settled(spool_id)
    attempts = await in_thread(outgoing.attempts)(spool_id)
    return states["bob@far.test"], attempts[-1].reply, attempts[-1].tls


async def results():
    rows = await in_thread(list)(TlsResult.objects.order_by("pk"))
    return [(row.policy_type, row.problem, row.sessions) for row in rows]


def announce(far, policy_server, *lines, id_="1"):
    far.records["_mta-sts.far.test", "TXT"] = [f'"v=STSv1; id={id_};"']
    policy_server.serve(*lines)
    return {"https_port": policy_server.port}


# --- MTA-STS ---------------------------------------------------------------------------------


async def test_a_policy_is_found_kept_and_obeyed(one, far, policy_server, spool, certified):
    given = announce(far, policy_server, *POLICY)
    context, _ = certified("mx.far.test")
    async with Sink(tls=context) as sink:
        state, _, tls = await send(spool, sink, **given)
    assert state == "RELAYED"
    assert tls.startswith("TLSv1.")
    assert tls.endswith("(MTA-STS)")
    assert policy_server.asked[0].startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta")
    row = await StsPolicy.objects.aget()
    assert (row.domain, row.policy_id) == ("far.test", "1")
    assert (row.expires_at - utc_now()).total_seconds() > 86000
    assert await results() == [("sts", "", 1)]


@pytest.mark.parametrize(
    ("names", "mx", "words", "problem"),
    [
        (None, "*.far.test", "not offered", "starttls-not-supported"),
        (["other.test"], "*.far.test", "hostname mismatch", "certificate-host-mismatch"),
        (["mx.far.test"], "mx2.far.test", "not among", "validation-failure"),
    ],
)
async def test_what_a_policy_forbids_waits_and_says_why(
    one, far, policy_server, spool, certified, names, mx, words, problem
):
    lines = [line if not line.startswith("mx") else f"mx: {mx}" for line in POLICY]
    given = announce(far, policy_server, *lines)
    async with Sink(tls=certified(*names)[0] if names else None) as sink:
        state, reply, _ = await send(spool, sink, **given)
    assert (state, sink.taken) == ("RETRYING", [])
    assert "MTA-STS" in reply
    assert words in reply.lower()
    assert await results() == [("sts", problem, 1)]


async def test_a_certificate_of_an_unknown_authority_will_not_do(
    one, far, policy_server, spool, certified
):
    given = announce(far, policy_server, *POLICY)
    context, _ = certified("mx.far.test", by=trustme.CA())
    async with Sink(tls=context) as sink:
        state, reply, _ = await send(spool, sink, **given)
    assert (state, sink.taken) == ("RETRYING", [])
    assert "MTA-STS" in reply
    assert await results() == [("sts", "certificate-not-trusted", 1)]


async def test_in_testing_mode_trouble_is_counted_and_mail_goes_out(
    one, far, policy_server, spool, certified
):
    lines = [line.replace("enforce", "testing") for line in POLICY]
    given = announce(far, policy_server, *lines)
    async with Sink(tls=certified("other.test")[0]) as sink:
        state, _, tls = await send(spool, sink, **given)
    assert (state, sink.taken[0].is_encrypted) == ("RELAYED", True)
    assert "MTA-STS" not in tls
    assert await results() == [("sts", "certificate-host-mismatch", 1)]


async def test_a_kept_policy_outlives_its_record_and_its_server(
    one, far, policy_server, spool, certified
):
    given = announce(far, policy_server, *POLICY)
    async with Sink(tls=certified("mx.far.test")[0]) as sink:
        assert (await send(spool, sink, **given))[0] == "RELAYED"
    del far.records["_mta-sts.far.test", "TXT"]
    async with Sink() as sink:
        assert (await send(spool, sink))[0] == "RETRYING"
    far.records["_mta-sts.far.test", "TXT"] = ['"v=STSv1; id=2;"']
    async with Sink() as sink:
        assert (await send(spool, sink))[0] == "RETRYING"
    assert len(policy_server.asked) == 1


async def test_a_new_id_brings_the_new_policy(one, far, policy_server, spool):
    given = announce(far, policy_server, *POLICY)
    async with Sink() as sink:
        assert (await send(spool, sink, **given))[0] == "RETRYING"
        given = announce(far, policy_server, "version: STSv1", "mode: none", "max_age: 60", id_="2")
        assert (await send(spool, sink, **given))[0] == "RELAYED"


@pytest.mark.parametrize(
    "served",
    [
        {"status": "404 Not Found"},
        {"status": "302 Found"},
        {"kind": "text/html"},
    ],
)
async def test_a_policy_that_cannot_be_had_is_none(one, far, policy_server, spool, served):
    given = announce(far, policy_server)
    policy_server.serve(*POLICY, **served)
    async with Sink() as sink:
        assert (await send(spool, sink, **given))[0] == "RELAYED"
    assert ("sts", "sts-policy-fetch-error", 1) in await results()


async def test_a_policy_server_without_a_valid_certificate_is_not_believed(
    one, far, policy_server, spool, certified
):
    given = announce(far, policy_server, *POLICY)
    certified("other.test")[1].configure_cert(policy_server.tls)
    async with Sink() as sink:
        assert (await send(spool, sink, **given))[0] == "RELAYED"
    assert policy_server.asked == []


# --- DANE ------------------------------------------------------------------------------------


def tlsa(certificate, usage=3, selector=1):
    shown = x509.load_pem_x509_certificate(certificate)
    data = shown.public_bytes(Encoding.DER)
    if selector:
        public = shown.public_key()
        data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"{usage} {selector} 1 {sha256(data).hexdigest()}"


def prove(far, port, *values):
    name = f"_{port}._tcp.mx.far.test"
    far.records[name, "TLSA"] = list(values)
    far.authentic |= {"far.test", "mx.far.test", name}


@pytest.mark.parametrize("selector", [0, 1])
async def test_a_certificate_that_a_record_pins_will_do_whoever_made_it(
    one, far, spool, certified, selector
):
    context, certificate = certified("whatever.test", by=trustme.CA())
    async with Sink(tls=context) as sink:
        prove(far, sink.port, tlsa(certificate.cert_chain_pems[0].bytes(), selector=selector))
        state, _, tls = await send(spool, sink)
    assert state == "RELAYED"
    assert tls.endswith("(DANE)")
    assert await results() == [("tlsa", "", 1)]


async def test_another_certificate_than_the_pinned_one_waits(one, far, spool, certified):
    async with Sink(tls=certified("mx.far.test")[0]) as sink:
        prove(far, sink.port, "3 1 1 " + "00" * 32)
        state, reply, _ = await send(spool, sink)
    assert (state, sink.taken) == ("RETRYING", [])
    assert "DANE: no TLSA record fits" in reply
    assert await results() == [("tlsa", "validation-failure", 1)]


async def test_a_pinned_server_without_starttls_waits(one, far, spool):
    async with Sink() as sink:
        prove(far, sink.port, "3 1 1 " + "00" * 32)
        state, reply, _ = await send(spool, sink)
    assert (state, sink.taken) == ("RETRYING", [])
    assert "not offered (demanded by DANE)" in reply


@pytest.mark.parametrize(("name", "state"), [("mx.far.test", "RELAYED"), ("x.test", "RETRYING")])
async def test_a_pinned_authority_wants_the_name_to_be_right(
    one, far, spool, certified, name, state
):
    authority = trustme.CA()
    context, certificate = certified(name, by=authority)
    chain = certificate.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes()
    with trustme.Blob(chain).tempfile() as path:
        context.load_cert_chain(path)
    async with Sink(tls=context) as sink:
        prove(far, sink.port, tlsa(authority.cert_pem.bytes(), usage=2))
        assert (await send(spool, sink))[0] == state


async def test_records_of_no_use_still_demand_encryption(one, far, spool, certified):
    async with Sink(tls=certified("x.test")[0]) as sink:
        prove(far, sink.port, "1 1 1 " + "00" * 32)
        assert (await send(spool, sink))[0] == "RELAYED"
    async with Sink() as sink:
        prove(far, sink.port, "1 1 1 " + "00" * 32)
        assert (await send(spool, sink))[0] == "RETRYING"


async def test_records_that_nobody_proves_say_nothing(one, far, spool):
    async with Sink() as sink:
        prove(far, sink.port, "3 1 1 " + "00" * 32)
        far.authentic.discard("far.test")
        assert (await send(spool, sink))[0] == "RELAYED"
        prove(far, sink.port, "3 1 1 " + "00" * 32)
        await in_thread(TRANSPORT.change)({"use_dane": "never"}, by=None)
        assert (await send(spool, sink))[0] == "RELAYED"


async def test_proven_servers_whose_records_cannot_be_had_wait(one, far, spool):
    async with Sink() as sink:
        prove(far, sink.port)
        far.failing.add(f"_{sink.port}._tcp.mx.far.test")
        state, reply, _ = await send(spool, sink)
    assert (state, sink.taken) == ("RETRYING", [])
    assert "TLSA records of mx.far.test cannot be looked up" in reply


@pytest.mark.parametrize("name", ["far.test", "mx.far.test"])
async def test_silence_about_proofs_is_no_reason_to_be_careless(one, far, spool, name):
    """The spool still knows the servers; whoever blocks the proofs gains nothing."""
    far.authentic.add("far.test")
    async with Sink() as sink, spool(sink.port) as manager:
        first = await submit_async("bob@far.test")
        assert (await settled(first))["bob@far.test"] == "RELAYED"
        far.failing.add(name)
        office = manager.office
        office._authentic._cache.clear()
        demand = await office.ask_demand(
            RemoteRoute("far.test", port=sink.port), Host("mx.far.test", "127.0.0.1")
        )
    assert "cannot be looked up" in demand.refused


async def test_dane_comes_before_mta_sts(one, far, policy_server, spool, certified):
    given = announce(far, policy_server, *POLICY)
    context, certificate = certified("whatever.test", by=trustme.CA())
    async with Sink(tls=context) as sink:
        prove(far, sink.port, tlsa(certificate.cert_chain_pems[0].bytes()))
        state, _, tls = await send(spool, sink, **given)
    assert (state, tls.endswith("(DANE)")) == ("RELAYED", True)


# --- the operator's exceptions -----------------------------------------------------------------


async def override(level, destination="far.test"):
    await in_thread(set_override)(destination=destination, level=level, by=None)


async def test_an_exception_comes_before_every_policy(one, far, policy_server, spool):
    given = announce(far, policy_server, *POLICY)
    await override("none")
    async with Sink() as sink:
        prove(far, sink.port, "3 1 1 " + "00" * 32)
        assert (await send(spool, sink, **given))[0] == "RELAYED"


@pytest.mark.parametrize(
    ("level", "names", "state"),
    [
        ("required", None, "RETRYING"),
        ("required", ["x.test"], "RELAYED"),
        ("verified", ["x.test"], "RETRYING"),
        ("verified", ["mx.far.test"], "RELAYED"),
        ("opportunistic", None, "RELAYED"),
    ],
)
async def test_an_exception_says_how_careful_to_be(one, far, spool, certified, level, names, state):
    await override(level, ".test")
    async with Sink(tls=certified(*names)[0] if names else None) as sink:
        assert (await send(spool, sink))[0] == state
