"""A domain whose IP address has gone from the machine is served on all the others."""

from __future__ import annotations

import imaplib
import smtplib
import urllib.request

import pytest

from tests.operations.outside import wait_for
from tests.running import RunningServer

PASSWORD = "correct horse battery"


def reply_to_rcpt(server: RunningServer, address: str, host: str = "127.0.0.1") -> int:
    """0: nobody listens there."""
    try:
        with smtplib.SMTP(host, server.port("smtp"), timeout=10) as client:
            client.helo("client.test")
            client.mail("stranger@elsewhere.example")
            return client.rcpt(address)[0]
    except ConnectionRefusedError:
        return 0


def lost_addresses(server: RunningServer) -> float:
    url = f"http://127.0.0.1:{server.port('http')}/metrics"
    with urllib.request.urlopen(url, timeout=10) as page:  # noqa: S310
        lines = page.read().decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("mailhost_lost_ad"))


def listen_on(server: RunningServer, address: str) -> None:
    users = f"users: [{{username: ann, password: {PASSWORD}}}]"
    text = f"domains: [{{name: lost.example, admin: {{username: admin}}, {users}"
    server.manage("apply", "-", text=f"{text}, listen_ip: {address}}}]")


@pytest.mark.spec("D-033")
def test_mail_comes_in_and_people_log_in_while_the_address_is_gone(server: RunningServer) -> None:
    listen_on(server, "192.0.2.1")
    wait_for(lambda: reply_to_rcpt(server, "ann@lost.example") == 250)
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        assert client.login("ann@lost.example", PASSWORD)[0] == "OK"
    wait_for(lambda: lost_addresses(server) == 1)
    assert "address is gone: its domains listen on all" in server.log
    listen_on(server, "127.0.0.9")
    wait_for(lambda: reply_to_rcpt(server, "ann@lost.example", "127.0.0.9") == 250)
    assert reply_to_rcpt(server, "ann@lost.example") == 550
    wait_for(lambda: lost_addresses(server) == 0)
