"""Fetching by POP3 from our own server and from Dovecot."""

from __future__ import annotations

import pytest

from retrieval.remote.errors import LoginRefused, MessageTooBig, RemoteFailed
from retrieval.remote.pop3 import Pop3Session
from retrieval.remote.server import Limits, Security
from tests.retrieval.remote.conftest import LIMITS, LOOPBACK

pytestmark = pytest.mark.spec("N-060", lacks="filters of fetched mail")
MESSAGES = [
    b"Subject: plain\r\n\r\nHello\r\n",
    b"Subject: dots\r\n\r\n.\r\n..\r\n...x\r\n.\r\n\r\n",
    b"Subject: long\r\n\r\n" + b"x" * 70_000 + b"\r\n" + b".y\r\n" * 100_000,
    "Subject: gr\u00fc\u00dfe\r\n\r\n\u2603\r\n".encode(),
]


async def whole(session, item) -> bytes:
    return b"".join([chunk async for chunk in session.retrieve(item)])


@pytest.mark.parametrize(
    ("service", "security"),
    [("pop3", Security.NONE), ("pop3", Security.STARTTLS), ("pop3s", Security.TLS)],
)
async def test_messages_come_octet_by_octet_as_they_are_stored(mailbox, service, security):
    mailbox.put(*MESSAGES)
    async with Pop3Session.open(mailbox.at(service, security), LIMITS, LOOPBACK) as session:
        items = await session.listing()
        assert [await whole(session, item) for item in items] == MESSAGES
        assert [item.size for item in items] == [len(message) for message in MESSAGES]
        assert len({item.uidl for item in items}) == len(items)


async def test_uidls_last_and_deletions_wait_for_quit(mailbox):
    mailbox.put(*MESSAGES[:2])
    remote = mailbox.at("pop3")
    async with Pop3Session.open(remote, LIMITS, LOOPBACK) as session:
        before = await session.listing()
        await session.delete(before[0])
    assert mailbox.bodies() == MESSAGES[:2]
    async with Pop3Session.open(remote, LIMITS, LOOPBACK) as session:
        assert await session.listing() == before
        await session.delete(before[0])
        await session.quit()
    assert mailbox.bodies() == MESSAGES[1:2]
    async with Pop3Session.open(remote, LIMITS, LOOPBACK) as session:
        assert [item.uidl for item in await session.listing()] == [before[1].uidl]


async def test_a_wrong_password_is_refused_in_the_servers_words(mailbox):
    remote = mailbox.at("pop3", password="wrong")
    with pytest.raises(LoginRefused, match="refused name or password: ."):
        async with Pop3Session.open(remote, LIMITS, LOOPBACK):
            pass


async def test_what_is_too_big_is_not_asked_for_and_the_session_goes_on(mailbox):
    mailbox.put(*MESSAGES[:3])
    limits = Limits(message_bytes=1000)
    async with Pop3Session.open(mailbox.at("pop3"), limits, LOOPBACK) as session:
        items = await session.listing()
        with pytest.raises(MessageTooBig) as failure:
            await whole(session, items[2])
        assert failure.value.size == len(MESSAGES[2])
        assert await whole(session, items[1]) == MESSAGES[1]


async def test_a_message_that_is_gone_is_said_so_and_the_session_goes_on(mailbox):
    mailbox.put(*MESSAGES[:2])
    async with Pop3Session.open(mailbox.at("pop3"), LIMITS, LOOPBACK) as session:
        items = await session.listing()
        await session.delete(items[0])
        with pytest.raises(RemoteFailed, match="did not give out a message") as failure:
            await whole(session, items[0])
        assert failure.value.stage == "fetch"
        assert await whole(session, items[1]) == MESSAGES[1]


async def test_a_stream_left_early_closes_the_session(mailbox):
    mailbox.put(MESSAGES[2])
    async with Pop3Session.open(mailbox.at("pop3"), LIMITS, LOOPBACK) as session:
        (item,) = await session.listing()
        stream = session.retrieve(item)
        await anext(stream)
        await stream.aclose()
        with pytest.raises(RemoteFailed, match="closed before"):
            await session.listing()
