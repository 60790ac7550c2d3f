from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.message import dsn, dsn_reader, facts
from protocols.message.reports import Action, RecipientReport, Return, StatusReport

NOW = datetime(2026, 11, 21, 22, 28, 7, tzinfo=UTC)
MESSAGE = (
    b"From: alice@example.com\r\nTo: bob@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <m1@example.com>\r\n\r\nHello\r\n"
)
BOB = RecipientReport(
    recipient="bob@mx.example.net",
    action=Action.FAILED,
    status="5.1.1",
    original_recipient="rfc822;bob@example.net",
    remote_mta="mx.example.net",
    diagnostic="550 5.1.1 No such user here",
    last_attempt_at=NOW,
)
REPORT = StatusReport(
    reporting_mta="mail.example.com", recipients=(BOB,), envelope_id="Q1+x", arrived_at=NOW
)


def built(report: StatusReport = REPORT, **changes: object) -> bytes:
    values = {
        "to": "alice@example.com", "author": "mailer-daemon@mail.example.com", "message": MESSAGE,
        "returned": Return.FULL, "message_id": "r1@mail.example.com", "now": NOW,
    }  # fmt: skip
    return dsn.build(report, **(values | changes))


def test_a_failure_is_a_report_of_three_parts_that_any_parser_reads():
    report = email.message_from_bytes(built(), policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report["Subject"] == "Not delivered: Grüße"
    assert report["In-Reply-To"] == "<m1@example.com>"
    human, status, original = report.iter_parts()
    text = human.get_content().replace("\r\n", "\n")
    assert "bob@mx.example.net\n    (you wrote to bob@example.net)" in text
    assert "The server mx.example.net said:\n    550 5.1.1 No such user here" in text
    assert "Check the address for typing mistakes" in text
    about, recipient = status.get_payload()
    assert dict(about.items()) == {
        "Reporting-MTA": "dns; mail.example.com",
        "Original-Envelope-Id": "Q1+x",
        "Arrival-Date": "Sat, 21 Nov 2026 22:28:07 +0000",
    }
    assert dict(recipient.items()) == {
        "Original-Recipient": "rfc822; bob@example.net",
        "Final-Recipient": "rfc822; bob@mx.example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.net",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user here",
        "Last-Attempt-Date": "Sat, 21 Nov 2026 22:28:07 +0000",
    }
    assert original.get_content_type() == "message/rfc822"
    assert original.get_payload()[0]["Message-ID"] == "<m1@example.com>"


@pytest.mark.parametrize(
    ("action", "returned", "limit", "kind"),
    [
        (Action.FAILED, Return.FULL, 10_000, b"message/rfc822"),
        (Action.FAILED, Return.HEADERS, 10_000, b"text/rfc822-headers"),
        (Action.FAILED, Return.FULL, 10, b"text/rfc822-headers"),
        (Action.DELAYED, Return.FULL, 10_000, b"text/rfc822-headers"),
        (Action.DELIVERED, Return.FULL, 10_000, b"text/rfc822-headers"),
    ],
)
def test_only_failures_return_the_whole_message_if_wanted_and_small(action, returned, limit, kind):
    report = replace(REPORT, recipients=(replace(BOB, action=action),))
    message = built(report, returned=returned, most_returned_bytes=limit)
    assert b"Content-Type: " + kind + b"\r\n" in message
    assert (b"Hello" in message) == (kind == b"message/rfc822")


def test_a_delay_says_until_when_it_is_tried():
    recipient = replace(
        BOB, action=Action.DELAYED, status="4.4.1", diagnostic=None, retry_until=NOW
    )
    message = built(replace(REPORT, recipients=(recipient,)))
    assert b"Will-Retry-Until: Sat, 21 Nov 2026 22:28:07 +0000" in message
    assert b"It is tried until Saturday, 21 November 2026 at 22:28 UTC." in message
    assert b"you need not send it again" in message.replace(b"\r\n", b" ")


def test_addresses_beyond_ascii_make_an_internationalized_report():
    recipient = replace(BOB, recipient="jörg@example.net", original_recipient=None)
    message = built(replace(REPORT, recipients=(recipient,)))
    assert "Final-Recipient: utf-8; jörg@example.net\r\n".encode() in message
    assert b"Content-Type: message/global-delivery-status\r\n" in message
    assert b"Content-Type: message/global\r\n" in message


def test_no_value_adds_a_line():
    recipient = replace(
        BOB, diagnostic="550 a\r\nAction: delivered\r\n\r\nx", recipient="b\r\nAction: relayed"
    )
    message = built(
        replace(REPORT, recipients=(recipient,), envelope_id="a\r\nX-Evil: yes"),
        to="x@y\r\nBcc: z",
    )
    lines = message.split(b"\r\n")
    assert not [line for line in lines if line.startswith((b"X-Evil", b"Bcc", b"Action: del"))]


def test_a_report_is_read_back():
    report = dsn_reader.parse(built())
    assert report == replace(
        REPORT,
        recipients=(replace(BOB, original_recipient="rfc822; bob@example.net"),),
    )
    assert dsn_reader.returned_message_id(built()) == "<m1@example.com>"
    assert dsn_reader.returned_message_id(built(returned=Return.HEADERS)) == "<m1@example.com>"


def test_what_is_no_report_is_none():
    assert dsn_reader.parse(MESSAGE) is None
    assert dsn_reader.returned_message_id(MESSAGE) is None


texts = st.text(max_size=60)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=300),
    st.builds(
        RecipientReport,
        recipient=st.text(min_size=1, max_size=40).filter(lambda text: text.strip()),
        action=st.sampled_from(Action),
        status=st.sampled_from(["5.1.1", "4.2.2", "5.7.26", "2.0.0"]),
        original_recipient=st.none() | texts,
        diagnostic=st.none() | texts,
        reason=st.none() | texts,
    ),
)
def test_any_message_and_any_words_make_a_report(message, recipient):
    whole = built(replace(REPORT, recipients=(recipient,)), message=message)
    record = facts.Facts.decode(facts.facts(whole))
    assert [record.find((number,)) is not None for number in (1, 2, 3, 4)] == [True] * 3 + [False]
    read = dsn_reader.parse(whole)
    assert read is not None
    assert [one.action for one in read.recipients] in ([recipient.action], [])


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(body):
    head = b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
    for message in (
        body,
        head + body,
        head + b"Final-Recipient: rfc822; x\r\nAction: failed" + body,
    ):
        dsn_reader.parse(message)
        dsn_reader.returned_message_id(message)
