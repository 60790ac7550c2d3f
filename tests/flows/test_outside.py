"""Alice writes to another domain: delivery, a bad address, an outage, and the words for each."""

from __future__ import annotations

import asyncio
import imaplib
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.dns_server import DnsServer
from tests.factories import PASSWORD
from tests.running import RunningServer
from tests.sinks import Sink
from tests.submitting import ALICE, HOME, submit

PATIENCE_SECONDS = 60


@pytest.mark.spec("S-053", "S-054", "S-065", "S-047", "S-033", "X-030")
async def test_mail_to_another_domain_arrives_bounces_and_waits(tmp_path: Path) -> None:
    records = {
        ("outside.test", "MX"): ["10 mx.outside.test."],
        ("mx.outside.test", "A"): ["127.0.0.1"],
    }
    refusal = b"550 5.1.1 <bad@outside.test>: no such user"
    async with (
        DnsServer(records) as dns,
        Sink(answers={"RCPT TO:<bad@": refusal}, host="127.0.0.1") as sink,
    ):
        server = RunningServer(tmp_path / "data", dns_servers=dns.address, outgoing_port=sink.port)
        await asyncio.to_thread(server.start)
        try:
            await asyncio.to_thread(server.manage, "apply", "-", text=HOME)
            await _deliver_and_bounce(server, sink)
            await _wait_out_an_outage(server, sink)
            ledger = await asyncio.to_thread(server.manage, "ledger")
            assert "Even" in ledger
        finally:
            await asyncio.to_thread(server.stop)


async def _deliver_and_bounce(server: RunningServer, sink: Sink) -> None:
    recipients = "good@outside.test", "bad@outside.test"
    await asyncio.to_thread(submit, server, ALICE, *recipients, subject="first")
    await _until(lambda: sink.taken)
    [taken] = sink.taken
    assert taken.rcpts == ["<good@outside.test>"] or "good@outside.test" in taken.rcpts[0]
    assert b"Subject: first" in taken.body
    bounce = await asyncio.to_thread(_fetch_bounce, server)
    assert bounce.get_content_type() == "multipart/report"
    assert bounce["Return-Path"] == "<>"
    text, status, original = bounce.iter_parts()
    assert "bad@outside.test" in text.get_content()
    [_, per_recipient] = status.get_payload()
    assert per_recipient["Final-Recipient"] == "rfc822; bad@outside.test"
    assert per_recipient["Action"] == "failed"
    assert per_recipient["Status"] == "5.1.1"
    assert "no such user" in per_recipient["Diagnostic-Code"]
    assert "Subject: first" in original.as_string()
    told = await asyncio.to_thread(server.manage, "trace", "bad@outside.test")
    assert "no such user" in told
    told = await asyncio.to_thread(server.manage, "trace", "good@outside.test")
    assert "handed over" in told


async def _wait_out_an_outage(server: RunningServer, sink: Sink) -> None:
    await sink.shut()
    await asyncio.to_thread(submit, server, ALICE, "later@outside.test", subject="second")
    await _until_told(server, "later@outside.test", "Try 1")
    told = await asyncio.to_thread(server.manage, "trace", "later@outside.test")
    assert "next" in told.lower()
    await sink.open()
    await asyncio.to_thread(server.manage, "spool", "force", "--all")
    await _until(lambda: any(b"Subject: second" in message.body for message in sink.taken))
    await _until_told(server, "later@outside.test", "Try 2")


def _fetch_bounce(server: RunningServer) -> EmailMessage:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=20) as client:
        client.login(ALICE, PASSWORD)
        while client.select("INBOX")[1] == [b"0"]:
            assert time.monotonic() < deadline, "no bounce came"
            time.sleep(0.2)
        [(_, octets), _] = client.fetch("1", "BODY.PEEK[]")[1]
    found = message_from_bytes(octets, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


async def _until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < deadline, "it never came"
        await asyncio.sleep(0.1)


async def _until_told(server: RunningServer, address: str, words: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while words not in (told := await asyncio.to_thread(server.manage, "trace", address)):
        assert time.monotonic() < deadline, told
        await asyncio.sleep(0.2)
