"""What DNS says of a client: its name in Received, and whether it may do without logging in."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
import time
from pathlib import Path

import pytest

from tests.dns_server import DnsServer
from tests.running import RunningServer

PASSWORD = "correct horse battery"
FILE = f"""
domains:
  - name: home.example
    admin: {{username: admin, password: {PASSWORD}}}
    users: [{{username: alice, password: {PASSWORD}}}]
    domain_aliases: [alias.example]
    technical:
      accept_spf_pass_without_authentication: true
      require_smtp_authentication_for_author: true
  - name: strict.example
    admin: {{username: admin, password: {PASSWORD}}}
"""
RECORDS = {
    ("2.0.0.127.in-addr.arpa", "PTR"): ["wrong.test.", "news.test."],
    ("3.0.0.127.in-addr.arpa", "PTR"): ["bank.test."],
    ("news.test", "A"): ["127.0.0.2"],
    ("bank.test", "A"): ["192.0.2.1"],
    ("home.example", "TXT"): ['"v=spf1 include:news.test -all"'],
    ("alias.example", "TXT"): ['"v=spf1 include:down.test -all"'],
    ("strict.example", "TXT"): ['"v=spf1 +all"'],
    ("news.test", "TXT"): ['"v=spf1 ip4:127.0.0.2 -all"'],
    ("down.test", "TXT"): ['"v=spf1 +all"'],
}


@pytest.mark.spec("N-024", "D-052")
async def test_clients_are_named_and_judged_by_what_dns_says(tmp_path: Path) -> None:
    async with DnsServer(RECORDS) as dns:
        dns.failing = {"down.test"}
        dns.silent = {"4.0.0.127.in-addr.arpa"}
        server = RunningServer(tmp_path / "data", dns_servers=dns.address)
        await asyncio.to_thread(server.start)
        try:
            await asyncio.to_thread(_talk, server)
        finally:
            await asyncio.to_thread(server.stop)


def _talk(server: RunningServer) -> None:
    server.manage("apply", "-", text=FILE)
    _exempt_who_passes(server)
    _name_the_client(server)


def _exempt_who_passes(server: RunningServer) -> None:
    with _client(server, "127.0.0.2") as news:
        assert news.mail("letter@home.example")[0] == 250
        assert news.rcpt("far@away.test")[0] == 550, "a pass is no leave to relay"
        assert news.rcpt("alice@home.example")[0] == 250
        assert news.data(b"From: x@home.example\r\nSubject: named\r\n\r\n")[0] == 250
        # Of the author, too, only the domain that gave leave.
        news.mail("letter@home.example")
        news.rcpt("alice@home.example")
        assert news.data(b"From: admin@strict.example\r\nSubject: no\r\n\r\n")[0] == 250
        assert news.mail("x@strict.example")[0] == 530, "the domain has not asked for it"
        assert news.mail("x@alias.example") == (
            451, b"4.4.3 The sender's SPF record cannot be read now"
        )  # fmt: skip
    with _client(server, "127.0.0.3") as stranger:
        assert stranger.mail("letter@home.example")[0] == 530
        stranger.mail("eve@far.test")
        stranger.rcpt("alice@home.example")
        assert stranger.data(b"From: x@home.example\r\nSubject: no\r\n\r\n")[0] == 550


def _name_the_client(server: RunningServer) -> None:
    for address in ("127.0.0.3", "127.0.0.4"):
        with _client(server, address) as one:
            began = time.monotonic()
            assert one.noop()[0] == 250
            one.mail("eve@far.test")
            one.rcpt("alice@home.example")
            assert time.monotonic() - began < 1, "no reply waits for DNS"
            one.data(b"Subject: unnamed\r\n\r\n")
            assert time.monotonic() - began < 5
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        client.login("alice@home.example", PASSWORD)
        client.select()
        heads = [head for head, _ in _received(client)]
    assert any("from [127.0.0.2] (news.test [127.0.0.2])" in head for head in heads)
    for address in ("127.0.0.3", "127.0.0.4"):
        assert any(f"(unknown [{address}])" in head for head in heads)
    assert "bank.test" not in "".join(heads)


def _received(client: imaplib.IMAP4) -> list[tuple[str, bytes]]:
    items = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (RECEIVED)])")[1]
    return [(item[1].decode(), item[0]) for item in items if isinstance(item, tuple)]


def _client(server: RunningServer, address: str) -> smtplib.SMTP:
    client = smtplib.SMTP(
        "127.0.0.1", server.port("smtp"), local_hostname=f"[{address}]", timeout=20,
        source_address=(address, 0),
    )  # fmt: skip
    client.ehlo()
    return client
