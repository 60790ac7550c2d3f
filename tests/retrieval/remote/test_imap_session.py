"""Fetching by IMAP from our own server and from Dovecot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retrieval.remote.errors import LoginRefused, MessageTooBig, RemoteFailed
from retrieval.remote.imap import INBOX, ImapSession
from retrieval.remote.server import Limits, Security
from tests.retrieval.remote.conftest import LIMITS, LOOPBACK

pytestmark = pytest.mark.spec("N-061", lacks="filters of fetched mail")
MESSAGES = [
    b"Subject: plain\r\n\r\nHello\r\n",
    b"Subject: literal\r\n\r\n* 1 FETCH (UID 1 BODY[] {5}\r\na1 OK done\r\n)\r\n",
    b"Subject: long\r\n\r\n" + b"x" * 70_000 + b"\r\n" + b"y\r\n" * 300_000,
    "Subject: gr\u00fc\u00dfe\r\n\r\n\u2603\r\n".encode(),
]


async def whole(session, uid) -> bytes:
    return b"".join([chunk async for chunk in session.retrieve(uid)])


def session_at(mailbox, service="imap", limits=LIMITS, **values):
    return ImapSession.open(mailbox.at(service, **values), limits, LOOPBACK)


@pytest.mark.parametrize(
    ("service", "security"),
    [("imap", Security.NONE), ("imap", Security.STARTTLS), ("imaps", Security.TLS)],
)
async def test_messages_come_octet_by_octet_as_they_are_stored(mailbox, service, security):
    mailbox.put(*MESSAGES)
    async with session_at(mailbox, service, security=security) as session:
        view = await session.select(INBOX, read_only=True)
        assert (view.exists, view.uidvalidity > 0) == (4, True)
        items = await session.items(1)
        assert [await whole(session, item.uid) for item in items] == MESSAGES
        assert [item.size for item in items] == [len(message) for message in MESSAGES]
        assert all(item.flags == frozenset() for item in items)
        moment = items[0].received_at
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)
        await session.logout()


async def test_only_what_is_new_is_listed(mailbox):
    mailbox.put(*MESSAGES[:2])
    async with session_at(mailbox) as session:
        view = await session.select(INBOX, read_only=True)
        uids = [item.uid for item in await session.items(1)]
        assert uids == sorted(uids)
        assert view.uidnext == uids[-1] + 1
        assert [item.uid for item in await session.items(uids[1])] == uids[1:]
        assert await session.items(view.uidnext) == []
        mailbox.put(MESSAGES[3])
        await session.select(INBOX, read_only=True)
        assert [item.uid for item in await session.items(view.uidnext)] == [view.uidnext]


async def test_flags_are_kept_and_those_that_changed_are_told_by_modseq(mailbox):
    mailbox.put(*MESSAGES[:2], flags="\\Seen $Junk")
    async with session_at(mailbox) as session:
        view = await session.select(INBOX, read_only=True)
        first, second = await session.items(1)
        assert first.flags == second.flags == {"\\Seen", "$Junk"}
        if view.highest_modseq is None:
            assert await session.flags_changed_since(1) is None
            return
        assert await session.flags_changed_since(view.highest_modseq) == {}
        with mailbox.log_in() as client:
            client.select()
            client.uid("STORE", str(second.uid), "+FLAGS", "(\\Flagged)")
        changed = await session.flags_changed_since(view.highest_modseq)
        assert changed == {second.uid: {"\\Seen", "$Junk", "\\Flagged"}}
        assert set(await session.flags_changed_since(1)) == {first.uid, second.uid}


async def test_modseqs_are_used_where_a_server_offers_them(dovecots):
    async with session_at(dovecots) as session:
        assert (await session.select(INBOX, read_only=True)).highest_modseq


async def test_fetching_marks_nothing_as_seen(mailbox):
    mailbox.put(MESSAGES[0])
    async with session_at(mailbox) as session:
        await session.select(INBOX, read_only=False)
        (item,) = await session.items(1)
        await whole(session, item.uid)
        (after,) = await session.items(1)
        assert after.flags == frozenset()


async def test_what_is_removed_is_expunged_and_nothing_else(mailbox):
    mailbox.put(*MESSAGES)
    with mailbox.log_in() as client:
        client.select()
        client.store("4", "+FLAGS", "\\Deleted")  # by somebody else
    async with session_at(mailbox) as session:
        await session.select(INBOX, read_only=False)
        uids = [item.uid for item in await session.items(1)]
        await session.remove([uids[2], uids[0]])
        assert [item.uid for item in await session.items(1)] == [uids[1], uids[3]]
        await session.logout()
    assert mailbox.bodies() == [MESSAGES[1], MESSAGES[3]]


async def test_nothing_is_removed_from_what_is_open_for_reading_only(mailbox):
    mailbox.put(MESSAGES[0])
    async with session_at(mailbox) as session:
        await session.select(INBOX, read_only=True)
        (item,) = await session.items(1)
        with pytest.raises(RemoteFailed, match="for reading only"):
            await session.remove([item.uid])
    assert mailbox.bodies() == MESSAGES[:1]


async def test_folders_are_listed_with_their_names_and_uses(mailbox):
    raw = f"Gr&APwA3w-e{mailbox.delimiter}A &- B"
    with mailbox.log_in() as client:
        client.create(f'"{raw}"')
    async with session_at(mailbox) as session:
        folders = {folder.name: folder for folder in await session.folders()}
        found = folders["Gr\u00fc\u00dfe/A & B"]
        assert (found.raw, found.selectable) == (raw.encode(), True)
        assert folders["INBOX"] == INBOX
        assert folders["Sent"].special_use == "\\Sent"
        assert (await session.select(found, read_only=True)).exists == 0


async def test_a_folder_that_is_gone_is_said_so_and_the_session_goes_on(mailbox):
    gone = type(INBOX)('No "such" folder', b'No "such" folder', None, True)
    async with session_at(mailbox) as session:
        with pytest.raises(RemoteFailed, match='did not open the folder No "such"') as failure:
            await session.select(gone, read_only=True)
        assert failure.value.stage == "list"
        with pytest.raises(RemoteFailed, match="No folder is open"):
            await session.items(1)
        assert (await session.select(INBOX, read_only=True)).exists == 0
        assert await session.items(1) == []


async def test_a_message_that_is_gone_is_said_so_and_the_session_goes_on(mailbox):
    mailbox.put(MESSAGES[0])
    async with session_at(mailbox) as session:
        await session.select(INBOX, read_only=True)
        (item,) = await session.items(1)
        with pytest.raises(RemoteFailed, match="not on the server any more"):
            await whole(session, item.uid + 1)
        assert await whole(session, item.uid) == MESSAGES[0]


async def test_a_wrong_password_is_refused_in_the_servers_words(mailbox):
    with pytest.raises(LoginRefused, match="refused name or password: .") as failure:
        async with session_at(mailbox, password='wr\u00f6ng"\\'):
            pass
    assert failure.value.stage == "login"


async def test_what_is_too_big_is_not_asked_for_and_the_session_goes_on(mailbox):
    mailbox.put(*MESSAGES[:3])
    async with session_at(mailbox, limits=Limits(message_bytes=1000)) as session:
        await session.select(INBOX, read_only=True)
        items = await session.items(1)
        with pytest.raises(MessageTooBig) as failure:
            await whole(session, items[2].uid)
        assert failure.value.size == len(MESSAGES[2])
        assert await whole(session, items[1].uid) == MESSAGES[1]


async def test_a_stream_left_early_closes_the_session(mailbox):
    mailbox.put(MESSAGES[2])
    async with session_at(mailbox) as session:
        await session.select(INBOX, read_only=True)
        (item,) = await session.items(1)
        async for _chunk in (stream := session.retrieve(item.uid)):
            break
        await stream.aclose()
        with pytest.raises(RemoteFailed, match="closed before"):
            await session.items(1)
