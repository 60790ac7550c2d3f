"""SPF as the library evaluates it and our resolver answers it (D-052)."""

from __future__ import annotations

import time

import pytest

from spool import senderpolicy
from spool.resolver import Resolver
from spool.senderpolicy import Verdict, verdict
from tests.dns_server import DnsServer

HERE = "192.0.2.7"
TXT = ("far.test", "TXT")


async def judge(records, client_ip=HERE, *, failing=(), silent=(), sender="eve@far.test"):
    async with DnsServer(records) as dns:
        dns.failing, dns.silent = set(failing), set(silent)
        resolver = Resolver([dns.address])
        try:
            return await verdict(resolver, client_ip=client_ip, sender=sender, greeting="x.test")
        finally:
            await resolver.close()


MX = {("far.test", "MX"): ["10 mx.far.test."], ("mx.far.test", "A"): [HERE]}
PTR = {("7.2.0.192.in-addr.arpa", "PTR"): ["out.far.test."], ("out.far.test", "A"): [HERE]}
LONG = '"v=spf1 ip4:198.51.100.0/24 " "ip4:192.0.2.0/24 -all"'


@pytest.mark.parametrize(
    ("record", "others", "expected"),
    [
        (f'"v=spf1 ip4:{HERE} -all"', {}, Verdict.PASS),
        ('"v=spf1 ip4:192.0.2.8 -all"', {}, Verdict.FAIL),
        ('"v=spf1 ~all"', {}, Verdict.SOFTFAIL),
        ('"v=spf1 ?all"', {}, Verdict.NEUTRAL),
        ('"not spf"', {}, Verdict.NONE),
        ('"v=spf1 mx -all"', MX, Verdict.PASS),
        ('"v=spf1 a -all"', {("far.test", "A"): [HERE]}, Verdict.PASS),
        ('"v=spf1 a:%{l}.far.test -all"', {("eve.far.test", "A"): [HERE]}, Verdict.PASS),
        ('"v=spf1 ptr -all"', PTR, Verdict.PASS),
        ('"v=spf1 include:o.test -all"', {("o.test", "TXT"): ['"v=spf1 ip4:192.0.2.0/24"']},
         Verdict.PASS),
        ('"v=spf1 redirect=far.test"', {}, Verdict.PERMERROR),
        ('"v=spf1 ip4:nonsense -all"', {}, Verdict.PERMERROR),
        ('"v=spf1 a:a.test a:b.test a:c.test a:d.test ip4:192.0.2.7"', {}, Verdict.PERMERROR),
        (LONG, {}, Verdict.PASS),
    ],
)  # fmt: skip
async def test_a_domain_says_who_may_send_for_it(record, others, expected):
    assert await judge({TXT: [record], **others}) == expected


async def test_ipv6_clients_are_judged():
    records = {TXT: ['"v=spf1 a -all"'], ("far.test", "AAAA"): ["2001:db8::7"]}
    assert await judge(records, "2001:db8:0::7") == Verdict.PASS
    assert await judge(records, "2001:db8::8") == Verdict.FAIL


async def test_dns_out_of_order_is_a_matter_for_later(monkeypatch):
    record = {TXT: ['"v=spf1 include:gone.test -all"'], ("gone.test", "TXT"): ['"v=spf1 +all"']}
    assert await judge(record, failing=["gone.test"]) == Verdict.TEMPERROR
    monkeypatch.setattr(senderpolicy, "PATIENCE_SECONDS", 0.3)
    began = time.monotonic()
    assert await judge(record, silent=["gone.test"]) == Verdict.TEMPERROR
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("sender", ["", "@", "x@", "a" * 300 + "@far.test", "ü@far.test", "%{x}@f"])
async def test_strange_senders_do_no_harm(sender):
    assert await judge({TXT: ['"v=spf1 exists:%{l}.%{o}.x -all"']}, sender=sender) in Verdict
