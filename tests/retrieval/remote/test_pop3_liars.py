"""POP3 servers that refuse, lie, babble and hang: said in plain words, and never lost mail."""

from __future__ import annotations

import asyncio
import time

import pytest

from retrieval.remote import pop3 as pop3_session
from retrieval.remote.errors import LoginRefused, MessageTooBig, RemoteFailed
from retrieval.remote.pop3 import Pop3Item, Pop3Session
from retrieval.remote.server import Limits, Security
from tests.retrieval.remote.conftest import LOOPBACK
from tests.retrieval.remote.liar import Close, Drip, Endless, Hang, pop3

pytestmark = pytest.mark.spec("N-060", lacks="filters of fetched mail")
LIMITS = Limits(connect_seconds=5, reply_seconds=5)
IMPATIENT = Limits(connect_seconds=5, reply_seconds=0.7)
ITEM = Pop3Item(1, "one", 12)


async def fetch(liar, limits=LIMITS, **remote) -> bytes:
    """The one message, fetched and deleted."""
    async with Pop3Session.open(liar.remote(**remote), limits, LOOPBACK) as session:
        (item,) = await session.listing()
        body = b"".join([chunk async for chunk in session.retrieve(item)])
        await session.delete(item)
        await session.quit()
    return body


async def failure_of(liar, limits=LIMITS, **remote) -> RemoteFailed:
    async with liar.serving():
        with pytest.raises(RemoteFailed) as failure:
            await fetch(liar, limits, **remote)
    return failure.value


async def test_an_honest_server_gives_its_message():
    async with pop3().serving() as liar:
        assert await fetch(liar) == b"Subject: x\r\n"
    assert liar.commands == [
        b"CAPA", b"USER anne", b"PASS secret", b"UIDL", b"LIST", b"RETR 1", b"DELE 1", b"QUIT",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "stage", "words"),
    [
        ({b"PASS": b"-ERR [IN-USE] open elsewhere\r\n"}, "login", "not open the mailbox now: open"),
        ({b"UIDL": b"-ERR unknown\r\n"}, "list", "does not support UIDL.*: unknown"),
        ({b"LIST": b"-ERR broken\r\n"}, "list", "did not list the messages: broken"),
        ({b"RETR": b"-ERR gone\r\n"}, "fetch", "did not give out a message: gone"),
        ({b"DELE": b"-ERR locked\r\n"}, "delete", "did not delete a message: locked"),
        ({b"QUIT": b"-ERR some left\r\n"}, "delete", "not remove all deleted messages: some left"),
        ({b"QUIT": Close()}, "delete", "closed the connection"),
        ({b"RETR": Close(b"+OK\r\nSubject: x\r\n")}, "fetch", "closed the connection"),
        ({b"CAPA": Close()}, "connect", "closed the connection"),
        ({b"USER": b"+ AAAA\r\n"}, "login", "no POP3 server may say"),
        ({b"UIDL": b"HTTP/1.1 400\r\n"}, "list", "no POP3 server may say"),
        ({b"UIDL": b"+OK " + b"x" * 50_000}, "list", "a longer answer than is read"),
        ({b"UIDL": Endless(b"+OK ", b"x" * 5000)}, "list", "a longer answer than is read"),
        ({b"RETR": b"+OK\r\nx\r\n.\r\n+OK injected\r\n"}, "fetch", "no POP3 server may say"),
        ({b"UIDL": b"+OK\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"UIDL": b"+OK\r\n2 one\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"UIDL": b"+OK\r\n1\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"UIDL": b"+OK\r\n1 a\x01b\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"UIDL": b"+OK\r\n1 a b\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"UIDL": b"+OK\r\n1 " + b"x" * 300 + b"\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"UIDL": b"+OK\r\n1 a\r\n1 b\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"LIST": b"+OK\r\n1 many\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"LIST": b"+OK\r\n0 5\r\n.\r\n"}, "list", "no POP3 server may say"),
        ({b"LIST": b"+OK\r\n1 5\r\n2 5\r\n.\r\n"}, "list", "no POP3 server may say"),
    ],
)
async def test_what_goes_wrong_is_said_in_plain_words(answers, stage, words):
    failure = await failure_of(pop3(answers))
    assert failure.stage == stage
    with pytest.raises(RemoteFailed, match=words):
        raise failure
    assert type(failure) is RemoteFailed


async def test_more_than_one_space_in_a_listing_is_forgiven():
    listings = {b"UIDL": b"+OK\r\n1  one \r\n.\r\n", b"LIST": b"+OK\r\n1  12 octets\r\n.\r\n"}
    liar = pop3(listings)
    async with liar.serving(), Pop3Session.open(liar.remote(), LIMITS, LOOPBACK) as session:
        assert await session.listing() == [ITEM]


async def test_a_refused_password_is_told_apart_from_other_trouble():
    liar = pop3(
        {b"PASS": b"-ERR [AUTH] \x1b[31mno\xff \xe2\x80\xaesuch user " + b"x" * 600 + b"\r\n"}
    )
    failure = await failure_of(liar)
    assert isinstance(failure, LoginRefused)
    assert failure.text.startswith("The server refused name or password: [31mno")
    assert len(failure.text) < 300
    assert failure.text.isprintable()
    assert "secret" not in failure.text


async def test_a_greeting_that_refuses_is_told():
    failure = await failure_of(pop3(greeting=b"-ERR maintenance\r\n"))
    assert (failure.stage, failure.text) == (
        "connect", "The server does not serve us now: maintenance",
    )  # fmt: skip


@pytest.mark.parametrize("octets", ["an\r\nDELE 1", "an\0ne", "\udc80", "", "a\x7f"])
@pytest.mark.parametrize("field", ["username", "password"])
async def test_a_name_that_would_be_a_command_is_never_sent(field, octets):
    liar = pop3()
    assert isinstance(await failure_of(liar, **{field: octets}), LoginRefused)
    assert liar.commands == []


async def test_a_lone_dot_behind_a_bare_lf_does_not_end_a_message():
    body = b"Subject: x\r\n\r\nline\n.\r\n+OK\r\n"
    async with pop3({b"RETR": b"+OK\r\n" + body + b".\r\n"}).serving() as liar:
        assert await fetch(liar) == body


async def test_after_a_failure_nothing_is_deleted():
    liar = pop3({b"RETR": Close(b"+OK\r\nhalf")})
    async with liar.serving(), Pop3Session.open(liar.remote(), LIMITS, LOOPBACK) as session:
        with pytest.raises(RemoteFailed):
            async for _chunk in session.retrieve(ITEM):
                pass
        with pytest.raises(RemoteFailed, match="closed before"):
            await session.delete(ITEM)
        with pytest.raises(RemoteFailed, match="closed before"):
            await session.quit()
    assert not [line for line in liar.commands if line.startswith((b"DELE", b"QUIT"))]


@pytest.mark.parametrize("verb", [b"CAPA", b"PASS", b"UIDL", b"LIST", b"RETR", b"DELE", b"QUIT"])
async def test_a_server_that_says_nothing_is_not_waited_for_for_ever(verb):
    began = time.monotonic()
    failure = await failure_of(pop3({verb: Hang()}), IMPATIENT)
    assert failure.text == "The server did not answer in time."
    assert time.monotonic() - began < 5


async def test_a_server_that_does_not_greet_is_not_waited_for_for_ever():
    assert (await failure_of(pop3(greeting=Hang()), IMPATIENT)).stage == "connect"


@pytest.mark.parametrize("verb", [b"UIDL", b"RETR"])
async def test_a_server_that_drips_is_not_waited_for_for_ever(verb):
    answer = Drip(b"+OK\r\n" + b"1 one\r\n" * 1000)
    assert (await failure_of(pop3({verb: answer}), IMPATIENT)).text.endswith("in time.")


async def test_a_slow_message_that_makes_progress_is_read_to_its_end(monkeypatch):
    monkeypatch.setattr("retrieval.remote.wire.PROGRESS_BYTES", 5)
    body = b"Subject: slow\r\n" + b"x" * 60 + b"\r\n"
    answer = Drip(b"+OK\r\n" + body + b".\r\n", seconds=0.03)
    async with pop3({b"RETR": answer}).serving() as liar:
        assert await fetch(liar, Limits(reply_seconds=1.5)) == body


async def test_a_session_has_an_end_even_where_octets_keep_coming(monkeypatch):
    monkeypatch.setattr("retrieval.remote.wire.PROGRESS_BYTES", 1)
    limits = Limits(session_seconds=0.6)
    answer = Drip(b"+OK\r\n" + b"x" * 1000)
    assert (await failure_of(pop3({b"RETR": answer}), limits)).text.endswith("in time.")


async def test_a_message_longer_than_it_was_said_to_be_is_left_in_the_middle():
    liar = pop3({b"RETR": Endless(b"+OK\r\n", b"x" * 10_000)})
    failure = await failure_of(liar, Limits(message_bytes=100_000))
    assert isinstance(failure, MessageTooBig)
    assert failure.size > 100_000
    assert failure.stage == "fetch"


async def test_a_listing_without_end_is_left(monkeypatch):
    monkeypatch.setattr(pop3_session, "LISTING_BYTES", 100_000)
    liar = pop3({b"UIDL": Endless(b"+OK\r\n", b"1 one\r\n" * 100)})
    assert (await failure_of(liar)).text == "The server sent a longer answer than is read."


async def test_a_server_is_read_no_faster_than_its_message_is_taken():
    liar = pop3({b"RETR": Endless(b"+OK\r\n", b"x" * 100_000)})
    async with liar.serving(), Pop3Session.open(liar.remote(), LIMITS, LOOPBACK) as session:
        stream = session.retrieve(ITEM)
        await anext(stream)
        before = -1
        while before != liar.sent_bytes:
            before = liar.sent_bytes
            await asyncio.sleep(0.3)
        assert liar.sent_bytes < 20_000_000  # what the system's buffers hold
        await stream.aclose()


async def test_a_cancelled_fetch_lets_go_of_the_connection():
    async with pop3({b"RETR": Hang(b"+OK\r\nhalf")}).serving() as liar:
        task = asyncio.create_task(fetch(liar))
        while b"RETR 1" not in liar.commands:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await liar.hung_up.wait()


async def test_starttls_that_is_not_offered_is_not_done_without():
    liar = pop3()
    failure = await failure_of(liar, security=Security.STARTTLS)
    assert (failure.stage, failure.text) == (
        "tls", "The server does not offer encryption by STARTTLS.",
    )  # fmt: skip
    assert not [line for line in liar.commands if line.startswith((b"USER", b"PASS"))]


OFFERED = b"+OK\r\nSTLS\r\nUIDL\r\n.\r\n"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"-ERR not now\r\n", "did not begin encryption: not now"),
        (b"+OK\r\n+OK injected\r\n", "no POP3 server may say"),
        (b"+OK\r\n+O", "no POP3 server may say"),
        (Close(b"+OK\r\n"), "Encryption could not be started"),
    ],
)
async def test_what_stands_in_clear_behind_starttls_is_not_taken_for_encrypted(answer, words):
    liar = pop3({b"CAPA": OFFERED, b"STLS": answer})
    failure = await failure_of(liar, security=Security.STARTTLS)
    assert failure.stage == "tls"
    assert words in failure.text
    assert not [line for line in liar.commands if line.startswith((b"USER", b"PASS"))]
