"""The DNS records of a domain: what to make, and what a check finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as conf
from django.test import Client

from accounts.models import User
from tests.dns_server import ThreadedDnsServer
from tests.people import World
from zones.models import ZoneCheck

pytestmark = pytest.mark.django_db

LogIn = Callable[[User], Client]
URL = "/panel/domain/own.example/dns/"
HOST, ADDRESS = "mx.host.test", "192.0.2.1"
GOOD = {
    ("own.example", "SOA"): ["ns.own.example. hostmaster.own.example. 1 2 3 4 5"],
    ("own.example", "MX"): [f"10 {HOST}."],
    (HOST, "A"): [ADDRESS],
    ("1.2.0.192.in-addr.arpa", "PTR"): [f"{HOST}."],
    ("own.example", "TXT"): ['"v=spf1 mx ~all"'],
    ("_dmarc.own.example", "TXT"): ['"v=DMARC1; p=none"'],
}


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedDnsServer]:
    with ThreadedDnsServer(dict(GOOD)) as server:
        monkeypatch.setattr(conf, "MAILHOST_HOSTNAME", HOST)
        monkeypatch.setattr(conf, "MAILHOST_DNS_SERVERS", [server.address])
        monkeypatch.setattr("zones.facts.own_addresses", frozenset)
        yield server


def text_of(response: Any) -> str:
    content: bytes = response.content
    return content.decode()


@pytest.mark.spec("D-028", "G-030")
def test_the_records_are_shown_to_be_copied_after_opening_and_later(
    world: World, log_in: LogIn, dns: ThreadedDnsServer
) -> None:
    for who, url in (
        (world.root, URL), (world.admin, URL), (world.reseller, "/panel/domain/own.example/opened/")
    ):  # fmt: skip
        text = text_of(log_in(who).get(url))
        assert f"own.example. 3600 IN MX 10 {HOST}." in text
        assert f"<code>v=spf1 mx ip4:{ADDRESS} ~all" in text.replace("&quot;", "")
        assert "Without these no mail flows." in text
    zone = log_in(world.admin).get(URL, {"format": "zone"})
    assert f"own.example. 3600 IN MX 10 {HOST}." in text_of(zone)
    assert zone["Content-Disposition"] == 'attachment; filename="own.example.zone"'


@pytest.mark.spec("G-031")
def test_a_check_says_of_each_record_how_it_is(
    world: World, log_in: LogIn, dns: ThreadedDnsServer
) -> None:
    client = log_in(world.admin)
    assert "never checked" in text_of(client.get(URL))
    dns.records["own.example", "MX"] = ["10 mx.elsewhere.test."]
    page = client.post(URL, follow=True)
    assert "Something is wrong: mail may not flow." in text_of(page)
    assert "No MX record leads to this server, but to mx.elsewhere.test." in text_of(page)
    assert ZoneCheck.objects.get(domain=world.own).level == "error"
    dns.records.update(GOOD)
    page = client.post(URL, follow=True)
    assert "Mail is brought to mx.host.test." in text_of(page)


def test_what_dns_says_is_only_text(world: World, log_in: LogIn, dns: ThreadedDnsServer) -> None:
    findings = [{"check": "mx", "level": "error", "text": "<script>alert(1)</script>"}]
    ZoneCheck.objects.create(
        domain=world.own, checked_at=world.own.created_at, level="error", findings=findings
    )
    assert "<script>alert(1)" not in text_of(log_in(world.admin).get(URL))


def test_a_check_from_elsewhere_is_refused(world: World, dns: ThreadedDnsServer) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.admin)
    assert client.post(URL).status_code == 403
    assert not dns.asked
