"""A domain with real mail is deleted and restored in the panel of a running server."""

from __future__ import annotations

import re
import smtplib

import pytest
import requests

from tests.factories import PASSWORD
from tests.reading import may_log_in, open_mailbox, read_folder, wait_for
from tests.running import RunningServer

ROOT_PASSWORD = "a strong enough battery"
DOMAIN, ADDRESS = "binned.example", "ann@binned.example"


class Panel:
    """A system administrator's browser, without scripts."""

    def __init__(self, server: RunningServer) -> None:
        self.session = requests.Session()
        self.base = f"http://127.0.0.1:{server.port('http')}/panel/"

    def post(self, path: str, **data: str) -> str:
        page = self.session.get(f"{self.base}login/", timeout=30).text
        if "csrfmiddlewaretoken" not in page:
            page = self.session.get(self.base, timeout=30).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None, page
        data["csrfmiddlewaretoken"] = token[1]
        answer = self.session.post(self.base + path, data, timeout=30)
        assert answer.status_code == 200, (answer.status_code, answer.text[:2000])
        return answer.text

    def get(self, path: str) -> str:
        return self.session.get(self.base + path, timeout=30).text


def contents(server: RunningServer) -> dict[str, object]:
    """Everything that IMAP tells of the folders with mail: numbers, flags and bytes."""
    client = open_mailbox(server, ADDRESS)
    found: dict[str, object] = {name: read_folder(client, name) for name in ("INBOX", "Kept")}
    client.logout()
    return found


def send(server: RunningServer, subject: str) -> int:
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=30) as client:
        client.ehlo()
        client.mail("writer@elsewhere.example")
        code, _ = client.rcpt(ADDRESS)
        if code == 250:
            text = f"Subject: {subject}\r\n\r\n{subject} {'x' * 3000}\r\n"
            code, _ = client.data(text.encode())
    return code


def messages(server: RunningServer) -> int:
    client = open_mailbox(server, ADDRESS)
    _, [number] = client.select("INBOX", readonly=True)
    client.logout()
    return int(number or b"0")


@pytest.mark.spec("D-008")
def test_mail_of_a_restored_domain_is_read_by_imap_as_it_was(server: RunningServer) -> None:
    server.manage("createadmin", "binman", "--ask", text=f"{ROOT_PASSWORD}\n")
    people = f"users: [{{username: ann, password: {PASSWORD}}}]"
    text = f"domains: [{{name: {DOMAIN}, admin: {{username: admin}}, {people}}}]"
    server.manage("apply", "-", text=text)
    wait_for(lambda: may_log_in(server, ADDRESS))
    for subject in ("first", "second", "third"):
        assert send(server, subject) == 250
    wait_for(lambda: messages(server) == 3)
    client = open_mailbox(server, ADDRESS)
    client.create("Kept")
    client.select("INBOX")
    client.store("1", "+FLAGS", r"(\Seen \Flagged colour)")
    client.uid("MOVE", "2", "Kept")
    client.logout()
    before = contents(server)

    panel = Panel(server)
    assert "Overview" in panel.post("login/", username="binman", password=ROOT_PASSWORD)
    page = panel.post("domains/delete/", selected=DOMAIN, confirmation=DOMAIN)
    assert f"Deleted {DOMAIN}" in page
    wait_for(lambda: not may_log_in(server, ADDRESS))
    wait_for(lambda: send(server, "in vain") == 550)
    page = panel.get(f"recycle-bin/?q={DOMAIN}")
    way = re.search(r'"/panel/(recycle-bin/\d+/restore/)"', page)
    assert way is not None, page
    assert f"Restored {DOMAIN}" in panel.post(way[1])
    wait_for(lambda: may_log_in(server, ADDRESS))
    assert contents(server) == before
    wait_for(lambda: send(server, "fourth") == 250)
    wait_for(lambda: messages(server) == 3)
