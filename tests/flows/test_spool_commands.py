"""An operator commands a whole server's spool while mail comes in by SMTP."""

from __future__ import annotations

import imaplib
import json
import smtplib
import time
from collections.abc import Callable

import pytest

from tests.running import RunningServer

PASSWORD = "correct horse battery"
APPLY = f"""
domains:
  - name: verbs.example
    admin: {{username: admin}}
    users: [{{username: ann, password: {PASSWORD}}}]
"""


def soon(question: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if question():
            return True
        time.sleep(0.2)
    return False


def send(server: RunningServer, subject: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=20) as smtp:
        text = f"From: eve@far.test\r\nTo: ann@verbs.example\r\nSubject: {subject}\r\n\r\nbody\r\n"
        smtp.sendmail("eve@far.test", ["ann@verbs.example"], text)


def subjects(server: RunningServer) -> list[str]:
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=20) as client:
        client.login("ann@verbs.example", PASSWORD)
        client.select("INBOX")
        _, found = client.fetch("1:*", "(BODY[HEADER.FIELDS (SUBJECT)])")
        return [one[1].decode().strip() for one in found if isinstance(one, tuple)]


@pytest.mark.timeout(400)  # a dozen commands, each a process of its own
@pytest.mark.spec("S-038")
@pytest.mark.spec("S-045", lacks="filtering")
def test_mail_is_held_released_deleted_and_brought_back_on_a_running_server(
    server: RunningServer,
) -> None:
    def spool(*words: str) -> str:
        return server.manage("spool", *words)

    server.manage("apply", "-", text=APPLY)

    def waiting() -> list[dict[str, object]]:
        return list(json.loads(spool("list", "--json", "--filter", "to:ann@verbs.example")))

    added = spool("rules", "add", "--recipient", "ann@verbs.example", "--reason", "on leave")
    number = added.split()[1].rstrip(";")
    assert soon(lambda: bool(send(server, "too early?") or waiting()))
    early = subjects(server)
    for name in ("one", "two"):
        send(server, name)
    probe, *listed = waiting()
    assert [one["status"] for one in listed] == ["Held (on leave)"] * 2
    assert subjects(server) == early
    first, second = (str(one["id"]) for one in listed)
    spool("delete", "--undo-seconds", "1", str(probe["id"]))
    undo = spool("delete", "--undo-seconds", "300", first).split()[-1]
    spool("delete", "--undo-seconds", "1", second)
    spool("undo", undo)
    assert "1 done" in spool("rules", "remove", number)
    assert soon(lambda: subjects(server) == [*early, "Subject: one"])
    assert soon(lambda: "An administrator deleted it" in server.manage("trace", second))
    assert "Even" in server.manage("ledger")
