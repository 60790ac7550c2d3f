"""What an operator sees when the server is up."""

import io

import msgspec
import pytest
from rich.console import Console

from listeners.readiness import Listening
from mailhost import statusscreen
from mailhost.statusscreen import Facts
from mailhost.supervise import Plan

WORRY = "mail.example.com: expires in 6 days; the proof over HTTP failed"


@pytest.mark.spec("N-005")
def test_certificates_that_need_care_stand_on_the_screen():
    facts = Facts("/data", "mx.test", None, (WORRY,))
    shown = Console(file=io.StringIO(), width=140)
    shown.print(statusscreen.screen(facts, [Listening("imap", "127.0.0.1", 993, True)]))
    assert WORRY in shown.file.getvalue()


def test_a_port_that_could_not_be_opened_is_named_with_the_reason():
    facts = Facts("/data", "mx.test", None)
    closed = Listening("smtp", "127.0.0.1", 25, problem="Address already in use")
    assert Listening.decode(closed.encode().partition("=")[2]) == closed
    shown = Console(file=io.StringIO(), width=140)
    shown.print(statusscreen.screen(facts, [Listening("imap", "127.0.0.1", 143), closed]))
    text = shown.file.getvalue()
    assert "127.0.0.1:25 NOT OPEN: Address already in use" in text
    assert "swaks" not in text


def test_the_supervisor_is_told_of_them():
    facts = Facts("/data", "mx.test", None, (WORRY,))
    plan = Plan(mail_processes=1, drain_seconds=1, logging={}, facts=facts)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan).facts == facts
