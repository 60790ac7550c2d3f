"""Names of clients: only such as lead back to the address, and never waited for long (N-024)."""

from __future__ import annotations

import asyncio
import time

import pytest

from listeners import clientnames
from listeners.clientnames import ClientNames
from spool.resolver import Resolver
from tests.dns_server import DnsServer

HERE = "192.0.2.7"
PTR = ("7.2.0.192.in-addr.arpa", "PTR")


async def ask(records, address=HERE, silent=()):
    async with DnsServer(records) as dns:
        dns.silent = set(silent)
        resolver = Resolver([dns.address])
        names = ClientNames(resolver)
        names.begin(address)
        names.begin(address)
        found = await names.name(address), await names.name(address)
        await resolver.close()
        assert found[0] == found[1]
        assert all(count == 1 for count in dns.asked.values()) or silent
        return found[0]


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ({PTR: ["mx.far.test."], ("mx.far.test", "A"): [HERE]}, "mx.far.test"),
        ({PTR: ["mx.far.test."], ("mx.far.test", "A"): ["192.0.2.8"]}, None),
        ({PTR: ["bank.example."]}, None),
        ({PTR: ["bank.example.", "mx.far.test."], ("mx.far.test", "A"): [HERE]}, "mx.far.test"),
        ({}, None),
    ],
)
async def test_a_name_counts_when_it_leads_back_to_the_address(records, name):
    assert await ask(records) == name


async def test_ipv6_addresses_have_names_too():
    reverse = "1.0.0.0." + "0." * 20 + "8.b.d.0.1.0.0.2.ip6.arpa"
    records = {(reverse, "PTR"): ["six.test."], ("six.test", "AAAA"): ["2001:db8:0::1"]}
    assert await ask(records, "2001:db8::1") == "six.test"


async def test_dns_without_an_answer_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(clientnames, "BOUND_SECONDS", 0.2)
    began = time.monotonic()
    assert await ask({PTR: ["x.test."]}, silent=[PTR[0]]) is None
    assert time.monotonic() - began < 2


async def test_this_machine_is_not_asked_for():
    async with DnsServer({}) as dns:
        names = ClientNames(Resolver([dns.address]))
        names.begin("127.0.0.1")
        assert await names.name("127.0.0.1") is None
        await asyncio.sleep(0)
        assert not dns.asked
