"""Users of a running server hand in mail as their programs do; alice of home.example is one."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage

from tests.factories import PASSWORD
from tests.running import RunningServer

ALICE = "alice@home.example"
HOME = f"""
domains:
  - name: home.example
    admin: {{username: admin, password: "{PASSWORD}"}}
    users: [{{username: alice, password: "{PASSWORD}"}}]
"""


def submit(
    server: RunningServer,
    sender: str,
    *recipients: str,
    subject: str = "Hello",
    headers: Mapping[str, str] | None = None,
) -> None:
    """By the submission port, with TLS and PASSWORD."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(recipients), subject
    for name, value in (headers or {}).items():
        message[name] = value
    message.set_content("Hello out there.\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=30) as client:
        client.starttls(context=context)
        client.login(sender, PASSWORD)
        client.send_message(message, sender, recipients)
