"""Statistics of a running server: mail by SMTP, log-ins by IMAP, a report by command."""

from __future__ import annotations

import imaplib
import json
import smtplib
import time

import pytest

from tests.factories import PASSWORD
from tests.running import RunningServer

FILE = f"""
domains:
  - name: counted.example
    admin: {{username: admin, password: "{PASSWORD}"}}
"""


@pytest.mark.spec("R-001", lacks="spam by level")
def test_mail_and_log_ins_are_counted_without_a_hand_in_the_delivery(
    server: RunningServer,
) -> None:
    server.manage("apply", "-", text=FILE)
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=20) as smtp:
        text = "From: eve@far.test\r\nTo: admin@counted.example\r\n\r\nbody\r\n"
        smtp.sendmail("eve@far.test", ["admin@counted.example"], text)
        smtp.mail("eve@far.test")
        assert smtp.rcpt("nobody@counted.example")[0] == 550
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=20) as imap:
        imap.login("admin@counted.example", PASSWORD)
    wanted = {"received": 1, "refused": 1, "logins": 1}
    deadline = time.monotonic() + 60
    while (found := _today(server)) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def _today(server: RunningServer) -> dict[str, int]:
    shown = json.loads(
        server.manage("report", "domain-traffic", "--domain=counted.example", "--count", "--json")
    )
    keys = [column["key"] for column in shown["columns"]]
    return {key: sum(row[keys.index(key)] for row in shown["rows"]) for key in
            ("received", "refused", "logins")}  # fmt: skip
