"""A domain whose records are all as they should be, on a DNS server of the test's own."""

from __future__ import annotations

import pytest
from django.conf import settings as conf

from tests import factories
from tests.dns_server import ThreadedDnsServer

HOST = "mx.host.test"
ADDRESS = "192.0.2.1"
GOOD = {
    ("one.example", "SOA"): ["ns.one.example. hostmaster.one.example. 1 2 3 4 5"],
    ("one.example", "MX"): [f"10 {HOST}."],
    (HOST, "A"): [ADDRESS],
    ("1.2.0.192.in-addr.arpa", "PTR"): [f"{HOST}."],
    ("one.example", "TXT"): ['"v=spf1 mx ~all"'],
    ("_dmarc.one.example", "TXT"): ['"v=DMARC1; p=none"'],
}


@pytest.fixture
def zone(monkeypatch):
    with ThreadedDnsServer(dict(GOOD)) as server:
        monkeypatch.setattr(conf, "MAILHOST_HOSTNAME", HOST)
        monkeypatch.setattr(conf, "MAILHOST_DNS_SERVERS", [server.address])
        monkeypatch.setattr("zones.facts.own_addresses", frozenset)
        yield server


@pytest.fixture
def one(db):
    return factories.make_domain("one.example")
