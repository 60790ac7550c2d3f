"""A domain whose IP address has gone from the machine is served on all the others."""

from __future__ import annotations

import imaplib
import smtplib
import socket
import ssl
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from tests.authority import Authority
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


def name_without_sni(server: RunningServer, host: str) -> str:
    """Of the certificate that is shown there to who names no host; empty: nobody listens."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, server.port("imaps")), timeout=10) as plain,
            context.wrap_socket(plain) as encrypted,
        ):
            octets = encrypted.getpeercert(binary_form=True)
    except OSError:
        return ""
    found = x509.load_der_x509_certificate(octets or b"").extensions
    names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)[0]


@pytest.mark.spec("D-033")
def test_mail_comes_in_and_people_log_in_while_the_address_is_gone(
    server: RunningServer, tmp_path: Path
) -> None:
    host = "mail.lost.example"
    files = tmp_path / "chain.pem", tmp_path / "key.pem"
    for path, octets in zip(files, Authority(datetime.now(UTC)).bundle(host), strict=True):
        path.write_bytes(octets)
    server.manage("certificate", "install", host, *map(str, files))
    listen_on(server, "192.0.2.1")
    wait_for(lambda: reply_to_rcpt(server, "ann@lost.example") == 250)
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        assert client.login("ann@lost.example", PASSWORD)[0] == "OK"
    wait_for(lambda: lost_addresses(server) == 1)
    assert "address is gone: its domains listen on all" in server.log
    listen_on(server, "127.0.0.9")
    wait_for(lambda: reply_to_rcpt(server, "ann@lost.example", "127.0.0.9") == 250)
    assert reply_to_rcpt(server, "ann@lost.example") == 550
    # By which name the server is known there.
    wait_for(lambda: name_without_sni(server, "127.0.0.9") == host)
    assert name_without_sni(server, "127.0.0.1") != host
    wait_for(lambda: lost_addresses(server) == 0)
    server.manage("certificate", "remove", host)
