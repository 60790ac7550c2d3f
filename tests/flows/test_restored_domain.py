"""A domain with real mail is deleted and restored in the panel of a running server."""

from __future__ import annotations

import imaplib
import re
import smtplib
import time
from collections.abc import Callable

import pytest
import requests

from tests.running import RunningServer

PASSWORD = "correct horse battery"
ROOT_PASSWORD = "a strong enough battery"
DOMAIN, ADDRESS = "binned.example", "ann@binned.example"
WITHIN_SECONDS = 30.0


def wait_for(question: Callable[[], object]) -> None:
    """Raises AssertionError when the answer does not become yes."""
    end = time.monotonic() + WITHIN_SECONDS
    while not question():
        assert time.monotonic() < end, question
        time.sleep(0.1)


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


def open_mailbox(server: RunningServer) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=30)
    try:
        client.login(ADDRESS, PASSWORD)
    except imaplib.IMAP4.error:
        client.shutdown()
        raise
    return client


def may_log_in(server: RunningServer) -> bool:
    try:
        open_mailbox(server).logout()
    except imaplib.IMAP4.error:
        return False
    return True


def contents(server: RunningServer) -> dict[str, object]:
    """Everything that IMAP tells of the folders with mail: numbers, flags and bytes."""
    found: dict[str, object] = {}
    client = open_mailbox(server)
    for folder in ("INBOX", "Kept"):
        client.select(folder, readonly=True)
        _, rows = client.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])")
        found[folder] = (client.response("UIDVALIDITY")[1], rows)
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
    client = open_mailbox(server)
    _, [number] = client.select("INBOX", readonly=True)
    client.logout()
    return int(number or b"0")


@pytest.mark.spec("D-008")
def test_mail_of_a_restored_domain_is_read_by_imap_as_it_was(server: RunningServer) -> None:
    server.manage("createadmin", "binman", "--ask", text=f"{ROOT_PASSWORD}\n")
    people = f"users: [{{username: ann, password: {PASSWORD}}}]"
    text = f"domains: [{{name: {DOMAIN}, admin: {{username: admin}}, {people}}}]"
    server.manage("apply", "-", text=text)
    wait_for(lambda: may_log_in(server))
    for subject in ("first", "second", "third"):
        assert send(server, subject) == 250
    wait_for(lambda: messages(server) == 3)
    client = open_mailbox(server)
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
    wait_for(lambda: not may_log_in(server))
    wait_for(lambda: send(server, "in vain") == 550)
    page = panel.get(f"recycle-bin/?q={DOMAIN}")
    way = re.search(r'"/panel/(recycle-bin/\d+/restore/)"', page)
    assert way is not None, page
    assert f"Restored {DOMAIN}" in panel.post(way[1])
    wait_for(lambda: may_log_in(server))
    assert contents(server) == before
    wait_for(lambda: send(server, "fourth") == 250)
    wait_for(lambda: messages(server) == 3)
