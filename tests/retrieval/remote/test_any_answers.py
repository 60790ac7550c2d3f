"""Whatever a server answers, a session ends in its result or in RemoteFailed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.remote.errors import RemoteFailed
from retrieval.remote.imap import INBOX, ImapSession
from retrieval.remote.pop3 import Pop3Session
from retrieval.remote.server import Limits
from tests.retrieval.remote import liar
from tests.retrieval.remote.conftest import LOOPBACK

LIMITS = Limits(connect_seconds=5, reply_seconds=0.05, message_bytes=1000)

POP3_PIECES = st.sampled_from([
    b"+OK ", b"-ERR ", b"+ ", b"[IN-USE] ", b"\r\n", b"\n", b".\r\n", b"1 12", b"1 one", b"2 two",
    b"99999999999 1", b"UIDL\r\n", b"SASL PLAIN SCRAM-SHA-256\r\n", b"\xff\0", b"x" * 2000,
])  # fmt: skip
IMAP_PIECES = st.sampled_from([
    b"* ", b"%t OK ", b"%t NO ", b"+ ", b"\r\n", b"1 FETCH (UID 5 ", b"FLAGS () RFC822.SIZE 9",
    b"BODY[] {3}\r\n", b")\r\n", b"[UIDVALIDITY 7] ", b"[CAPABILITY AUTH=SCRAM-SHA-256] ",
    b'LIST () "/" a', b"BYE ", b"* 1 EXISTS\r\n", b"{99999}\r\n", b"\xff\0", b"x" * 2000,
])  # fmt: skip


def answers(pieces: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(pieces | st.binary(max_size=8), max_size=8).map(b"".join)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([b"CAPA", b"USER", b"PASS", b"UIDL", b"LIST", b"RETR", b"DELE", b"QUIT"]),
        answers(POP3_PIECES),
        min_size=1,
    )
)
def test_pop3_servers_that_say_anything(lies):
    async def converse() -> None:
        async with liar.pop3(lies).serving() as server:
            with suppress(RemoteFailed):
                async with Pop3Session.open(server.remote(), LIMITS, LOOPBACK) as session:
                    for item in await session.listing():
                        async for _chunk in session.retrieve(item):
                            pass
                        await session.delete(item)
                    await session.quit()

    asyncio.run(converse())


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([
            b"CAPABILITY", b"LOGIN", b"LIST", b"SELECT", b"UID FETCH 1:* (UID FLAGS INTERNALDATE",
            b"UID FETCH 1:* (UID FLAGS)", b"UID FETCH 5", b"UID STORE", b"UID EXPUNGE", b"LOGOUT",
        ]),
        answers(IMAP_PIECES),
        min_size=1,
    )
)  # fmt: skip
def test_imap_servers_that_say_anything(lies):
    async def converse() -> None:
        async with liar.imap(lies).serving() as server:
            with suppress(RemoteFailed):
                async with ImapSession.open(server.remote(), LIMITS, LOOPBACK) as session:
                    await session.folders()
                    await session.select(INBOX, read_only=False)
                    await session.flags_changed_since(1)
                    for item in await session.items(1):
                        async for _chunk in session.retrieve(item.uid):
                            pass
                        await session.remove([item.uid])
                    await session.logout()

    asyncio.run(converse())
