"""Backup MX: mail for somebody else's domain is taken for those only whom its server knows."""

from __future__ import annotations

import asyncio
import threading

import pytest

from spool import callouts, relaydomains
from spool.models import SpooledRecipient
from tests.sinks import CLOSE, Sink

ANSWERS = {"RCPT TO:<unknown@": b"550 5.1.1 no such user", "RCPT TO:<later@": b"450 4.2.1 later"}


@pytest.fixture
def primary():
    """The server of the relayed domain, in a thread of its own."""
    loop, sink = asyncio.new_event_loop(), Sink(answers=dict(ANSWERS))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(sink.open(), loop).result(5)
    callouts._process = None
    yield sink
    asyncio.run_coroutine_threadsafe(sink.shut(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    callouts._process = None


@pytest.fixture
def kept(primary, world):
    values = {"host": "127.0.0.1", "port": primary.port}
    row = relaydomains.add(name="kept.test", values=values, by=None)
    relaydomains.forget()
    yield row
    relaydomains.forget()


def rcpt(one, address):
    one.say("RSET")
    assert one.say("MAIL FROM:<stranger@elsewhere.test>").startswith("250")
    return one.say(f"RCPT TO:<{address}>")


@pytest.mark.spec("G-016")
def test_recipients_are_asked_for_before_they_are_accepted(talk, kept, primary):
    one = talk()
    one.hello()
    assert rcpt(one, "unknown@kept.test").startswith("550 5.1.1")
    assert rcpt(one, "later@kept.test").startswith("451 4.4.1")
    assert rcpt(one, "known@kept.test").startswith("250 2.1.5")
    assert one.submit().startswith("250")
    row = SpooledRecipient.objects.get()
    assert (row.address, row.destination) == ("known@kept.test", "kept.test")
    assert primary.commands.count("MAIL FROM:<>") == 3
    assert primary.taken == []


@pytest.mark.spec("G-016")
def test_an_answer_is_remembered_and_a_temporary_one_is_not(talk, kept, primary):
    one = talk()
    one.hello()
    for address in ("known@kept.test", "unknown@kept.test", "later@kept.test"):
        for _ in range(2):
            rcpt(one, address)
    asked = [line for line in primary.commands if line.startswith("RCPT")]
    assert asked.count("RCPT TO:<known@kept.test>") == 1
    assert asked.count("RCPT TO:<unknown@kept.test>") == 1
    assert asked.count("RCPT TO:<later@kept.test>") == 2


@pytest.mark.spec("G-016")
@pytest.mark.parametrize(
    "broken", [{"EHLO": CLOSE}, {"MAIL": b"550 5.7.1 go away"}, {"RCPT": b"\xff garbage"}]
)
def test_who_cannot_be_verified_is_told_to_come_again(talk, kept, primary, broken):
    primary.answers = broken
    one = talk()
    one.hello()
    assert rcpt(one, "known@kept.test").startswith("451 4.4.1")


@pytest.mark.spec("G-016", "G-041")
def test_a_route_through_a_relayed_domain_is_no_way_out(talk, kept, primary):
    one = talk()
    one.hello()
    for address in ("x%target.test@kept.test", '"x@target.test"@kept.test', "x@sub.kept.test"):
        assert rcpt(one, address).startswith("55")
    relaydomains.change(row=kept, values={"is_enabled": False}, by=None)
    relaydomains.forget()
    assert rcpt(one, "known@kept.test").startswith("550 5.7.1")
    assert not any(line.startswith("RCPT") for line in primary.commands)


@pytest.mark.spec("G-016")
def test_verification_can_be_left_out(talk, kept, primary):
    relaydomains.change(row=kept, values={"verify_recipients": False}, by=None)
    relaydomains.forget()
    one = talk()
    one.hello()
    assert rcpt(one, "anybody@kept.test").startswith("250 2.1.5")
    assert primary.sessions == 0
