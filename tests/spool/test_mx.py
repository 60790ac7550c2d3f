"""Who receives for a domain, asked of a real DNS server on loopback."""

import random

import pytest

from protocols.smtp.outgoing import Verdict
from spool import mx
from spool.mx import Host, NoHost, Ourselves
from spool.resolver import Resolver
from tests.dns_server import DnsServer

RECORDS = {
    ("two.test", "MX"): ["20 backup.two.test.", "10 mx.two.test."],
    ("mx.two.test", "A"): ["192.0.2.1"],
    ("mx.two.test", "AAAA"): ["2001:db8::1"],
    ("backup.two.test", "A"): ["192.0.2.2"],
    ("equal.test", "MX"): [f"10 mx{n}.equal.test." for n in range(4)],
    **{(f"mx{n}.equal.test", "A"): [f"192.0.2.{n + 10}"] for n in range(4)},
    ("none.test", "MX"): ["0 ."],
    ("plain.test", "A"): ["192.0.2.3"],
    ("empty.test", "TXT"): ['"nothing here"'],
    ("broken.test", "MX"): ["10 gone.broken.test."],
    ("half.test", "MX"): ["10 gone.half.test.", "20 mx.two.test."],
    ("waiting.test", "MX"): ["10 failing.test."],
    ("alias.test", "MX"): ["10 mx.two.test.", "20 us.example.com.", "30 backup.two.test."],
    ("us.example.com", "A"): ["192.0.2.99"],
    ("ours.test", "MX"): ["10 us.example.com."],
    ("address.test", "MX"): ["10 other-name.test."],
    ("other-name.test", "A"): ["192.0.2.99"],
}
US = Ourselves(frozenset({"us.example.com"}), frozenset({"192.0.2.99"}))


@pytest.fixture
async def dns():
    async with DnsServer(RECORDS) as server:
        server.failing = {"failing.test"}
        yield server


@pytest.fixture
async def resolver(dns):
    resolver = Resolver([dns.address])
    yield resolver
    await resolver.close()


async def hosts(resolver, domain):
    return await mx.hosts_for_domain(domain, resolver=resolver, ourselves=US)


@pytest.mark.spec("S-053")
async def test_servers_are_tried_by_preference_and_ipv6_first(resolver):
    assert await hosts(resolver, "two.test") == (
        Host("mx.two.test", "2001:db8::1"),
        Host("mx.two.test", "192.0.2.1"),
        Host("backup.two.test", "192.0.2.2"),
    )


async def test_equal_preferences_are_shuffled(resolver):
    orders = {
        await mx.hosts_for_domain("equal.test", resolver=resolver, randomness=random.Random(seed))
        for seed in range(20)
    }
    assert len(orders) > 5
    assert {frozenset(order) for order in orders} == {frozenset(next(iter(orders)))}


async def test_a_domain_without_mx_receives_at_its_own_address(resolver):
    assert await hosts(resolver, "plain.test") == (Host("plain.test", "192.0.2.3"),)


async def test_an_address_literal_is_its_own_host(resolver):
    assert await hosts(resolver, "[192.0.2.7]") == (Host("[192.0.2.7]", "192.0.2.7"),)
    assert await hosts(resolver, "[IPv6:2001:DB8::7]") == (
        Host("[IPv6:2001:DB8::7]", "2001:db8::7"),
    )


async def test_a_server_that_does_not_exist_is_left_out(resolver):
    assert [host.address for host in await hosts(resolver, "half.test")] == [
        "2001:db8::1",
        "192.0.2.1",
    ]


async def test_servers_less_preferred_than_ourselves_are_not_tried(resolver):
    assert {host.name for host in await hosts(resolver, "alias.test")} == {"mx.two.test"}


@pytest.mark.spec("S-053")
@pytest.mark.parametrize(
    ("domain", "verdict", "enhanced"),
    [
        ("none.test", Verdict.FAILED, "5.1.10"),
        ("nowhere.test", Verdict.FAILED, "5.1.2"),
        ("empty.test", Verdict.FAILED, "5.4.4"),
        ("broken.test", Verdict.FAILED, "5.4.4"),
        ("failing.test", Verdict.DEFERRED, "4.4.3"),
        ("waiting.test", Verdict.DEFERRED, "4.4.3"),
        ("ours.test", Verdict.FAILED, "5.4.6"),
        ("address.test", Verdict.FAILED, "5.4.6"),
        ("[not an address]", Verdict.FAILED, "5.1.2"),
        ("bad..name.test", Verdict.FAILED, "5.1.2"),
    ],
)
async def test_domains_that_nobody_receives_for(resolver, domain, verdict, enhanced):
    with pytest.raises(NoHost) as refused:
        await hosts(resolver, domain)
    assert (refused.value.verdict, refused.value.reply.enhanced) == (verdict, enhanced)


async def test_a_silent_name_server_is_a_temporary_failure(dns, monkeypatch):
    monkeypatch.setattr("spool.resolver.QUESTION_SECONDS", 0.1)
    dns.silent = {"quiet.test"}
    resolver = Resolver([dns.address])
    with pytest.raises(NoHost) as refused:
        await hosts(resolver, "quiet.test")
    assert refused.value.verdict is Verdict.DEFERRED
    await resolver.close()


async def test_answers_are_kept_for_their_time_to_live_but_five_seconds_at_least(dns):
    now, dns.ttl = 0.0, 0
    resolver = Resolver([dns.address], clock=lambda: now)
    for _ in range(3):
        await hosts(resolver, "two.test")
        with pytest.raises(NoHost):
            await hosts(resolver, "nowhere.test")
    assert dns.asked["two.test", "MX"] == dns.asked["nowhere.test", "MX"] == 1
    now = 6.0
    await hosts(resolver, "two.test")
    assert dns.asked["two.test", "MX"] == 2
    await resolver.close()


async def test_an_operators_server_is_given_by_name_or_address(resolver):
    assert await mx.hosts_by_name("192.0.2.5", resolver=resolver) == (
        Host("192.0.2.5", "192.0.2.5"),
    )
    assert len(await mx.hosts_by_name("mx.two.test", resolver=resolver)) == 2
