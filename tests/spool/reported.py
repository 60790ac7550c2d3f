"""Delivery reports as other servers send and offer them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from protocols.message import dsn
from protocols.message.reports import Action, RecipientReport, Return, StatusReport


def report_about(message_id: str, *, to: str, action: Action = Action.FAILED) -> bytes:
    """A report by mx.far.test about the message of that Message-ID (without brackets)."""
    about = RecipientReport(recipient="bob@far.test", action=action, status="5.1.1")
    original = f"From: {to}\r\nMessage-ID: <{message_id}>\r\nSubject: x\r\n\r\nx\r\n"
    return dsn.build(
        StatusReport(reporting_mta="mx.far.test", recipients=(about,)),
        to=to,
        author="mailer-daemon@far.test",
        message=original.encode(),
        returned=Return.HEADERS,
        message_id="report@far.test",
        now=datetime(2026, 3, 1, tzinfo=UTC),
    )


def offer_report(one: Any, to: str, *, about: str = "unknown@elsewhere.test") -> str:
    """The reply to a report for that address: to RCPT if that is refused, else to the message.

    `one` is a client that talks SMTP, `about` the Message-ID of the mail that came back.
    """
    assert one.say("MAIL FROM:<>").startswith("250")
    reply: str = one.say(f"RCPT TO:<{to}>")
    if reply.startswith("250"):
        reply = one.submit(report_about(about, to=to))
    else:
        one.say("RSET")
    return reply
