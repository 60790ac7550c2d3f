"""IMAP servers that refuse, lie, babble and hang: said in plain words, and never lost mail."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest

from retrieval.remote import imap as imap_session
from retrieval.remote.errors import LoginRefused, MessageTooBig, RemoteFailed
from retrieval.remote.imap import INBOX, ImapSession
from retrieval.remote.server import Limits, Security
from tests.retrieval.remote.conftest import LOOPBACK
from tests.retrieval.remote.liar import ITEM, SELECTED, Close, Drip, Endless, Hang, imap

pytestmark = pytest.mark.spec("N-061", lacks="filters of fetched mail")
LIMITS = Limits(connect_seconds=5, reply_seconds=5)
IMPATIENT = Limits(connect_seconds=5, reply_seconds=0.7)
NONSENSE = "no IMAP server may say"
LISTING = b"UID FETCH 1:*"
PROOF = base64.b64encode(b"\0anne\0secret")


def open_session(liar, limits=LIMITS, **remote):
    return ImapSession.open(liar.remote(**remote), limits, LOOPBACK)


async def whole(session, uid=5) -> bytes:
    return b"".join([chunk async for chunk in session.retrieve(uid)])


async def fetch(liar, limits=LIMITS, **remote) -> bytes:
    """The one message, fetched and removed."""
    async with open_session(liar, limits, **remote) as session:
        await session.folders()
        await session.select(INBOX, read_only=False)
        (item,) = await session.items(1)
        body = await whole(session, item.uid)
        await session.remove([item.uid])
        await session.logout()
    return body


async def failure_of(liar, limits=LIMITS, **remote) -> RemoteFailed:
    async with liar.serving():
        with pytest.raises(RemoteFailed) as failure:
            await fetch(liar, limits, **remote)
    return failure.value


async def test_an_honest_server_gives_its_message():
    async with imap().serving() as liar:
        assert await fetch(liar) == b"Subject: x\r\n"
    assert liar.commands == [
        b"CAPABILITY", b'LOGIN "anne" "secret"', b"CAPABILITY", b'LIST "" "*"',
        b'SELECT "INBOX" (CONDSTORE)',
        b"UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)", b"UID FETCH 5 (UID BODY.PEEK[])",
        b"UID STORE 5 +FLAGS.SILENT (\\Deleted)", b"UID EXPUNGE 5", b"LOGOUT",
    ]  # fmt: skip


BODY = b"* 1 FETCH (UID 5 BODY[] {12}\r\nSubject: x\r\n)\r\n"


@pytest.mark.parametrize(
    ("answers", "stage", "words"),
    [
        ({b"CAPABILITY": b"%t BAD what\r\n"}, "connect", "not say what it can do: what"),
        ({b"LOGIN": b"%t NO [UNAVAILABLE] later\r\n"}, "login", "the mailbox now: later"),
        ({b"LOGIN": Close(b"* BYE too many\r\n")}, "login", "closed the connection: too many"),
        ({b"LOGIN": b"+ AAAA\r\n"}, "login", NONSENSE),
        ({b"LIST": b"%t NO hidden\r\n"}, "list", "did not list its folders: hidden"),
        ({b"SELECT": b"%t NO none\r\n"}, "list", "did not open the folder INBOX: none"),
        ({b"SELECT": b"* 1 EXISTS\r\n%t OK\r\n"}, "list", "UIDVALIDITY"),
        ({b"SELECT": b"* OK [UIDVALIDITY 0] x\r\n%t OK\r\n"}, "list", "UIDVALIDITY"),
        ({b"SELECT": b"* OK [UIDVALIDITY x] x\r\n%t OK\r\n"}, "list", "UIDVALIDITY"),
        ({b"SELECT": b"* OK [UIDVALIDITY 4294967296] x\r\n%t OK\r\n"}, "list", "UIDVALIDITY"),
        ({b"SELECT": b"* NO [UIDNOTSTICKY] x\r\n" + SELECTED}, "list", "UIDVALIDITY"),
        ({LISTING: b"%t NO broken\r\n"}, "list", "did not list the messages: broken"),
        ({LISTING: b"* 1 FETCH (UID 5 FLAGS ())\r\n%t OK\r\n"}, "list", "completely"),
        ({LISTING: b"* 1 FETCH (UID 5 RFC822.SIZE 9)\r\n%t OK\r\n"}, "list", "completely"),
        ({LISTING: b"* OK [UIDVALIDITY 8] new\r\n" + ITEM + b"%t OK\r\n"}, "list", "renumbered"),
        ({LISTING: b"* 1 FETCH (UID \r\n"}, "list", NONSENSE),
        ({LISTING: b"a999 OK\r\n"}, "list", NONSENSE),
        ({LISTING: Endless(b"* OK ", b"x" * 9000)}, "list", "a longer answer than is read"),
        ({b"UID FETCH 5": b"%t NO damaged\r\n"}, "fetch", "not give out a message: damaged"),
        ({b"UID FETCH 5": b"%t OK\r\n"}, "fetch", "not on the server any more"),
        ({b"UID FETCH 5": b"* 1 FETCH (UID 5 BODY[] NIL)\r\n%t OK\r\n"}, "fetch", "any more"),
        ({b"UID FETCH 5": BODY.replace(b"UID 5", b"UID 6") + b"%t OK\r\n"}, "fetch", NONSENSE),
        ({b"UID FETCH 5": BODY.replace(b"UID 5 ", b"") + b"%t OK\r\n"}, "fetch", NONSENSE),
        ({b"UID FETCH 5": BODY + BODY + b"%t OK\r\n"}, "fetch", NONSENSE),
        ({b"UID FETCH 5": BODY.replace(b"{12}", b"{9}") + b"%t OK\r\n"}, "fetch", NONSENSE),
        ({b"UID FETCH 5": Close(BODY.replace(b"{12}", b"{99}") + b"%t OK\r\n")}, "fetch", "closed"),
        ({b"UID FETCH 5": Close(BODY[:40])}, "fetch", "closed the connection"),
        ({b"UID STORE": b"%t NO locked\r\n"}, "delete", "not mark messages as deleted: locked"),
        ({b"UID EXPUNGE": b"%t NO locked\r\n"}, "delete", "did not remove messages: locked"),
    ],
)
async def test_what_goes_wrong_is_said_in_plain_words(answers, stage, words):
    failure = await failure_of(imap(answers))
    assert type(failure) is RemoteFailed
    assert failure.stage == stage
    assert words in failure.text


@pytest.mark.parametrize(
    "answer",
    [
        b"* 1 FETCH (BODY[] {12}\r\nSubject: x\r\n UID 5)\r\n%t OK\r\n",
        b'* 1 FETCH (UID 5 BODY[] "Subject: x")\r\n%t OK\r\n',
        b"* 3 EXPUNGE\r\n* VANISHED 1:3\r\n* X-FOO {3}\r\n)))\r\n* OK [ALERT] buy more\r\n"
        b"* 9 FETCH (FLAGS (\\Seen))\r\n* 7 EXISTS\r\n* ESEARCH (TAG %t) UID\r\n"
        + BODY
        + b"* 1 FETCH (UID 5 FLAGS (\\Seen))\r\n* NO disk nearly full\r\n%t OK\r\n",
    ],
)
async def test_what_servers_may_say_besides_does_no_harm(answer):
    async with imap({b"UID FETCH 5": answer}).serving() as liar:
        assert (await fetch(liar)).strip() == b"Subject: x"


async def test_new_flags_in_the_midst_of_a_listing_do_no_harm():
    told = b"* 1 FETCH (UID 5 FLAGS (\\Flagged))\r\n"
    liar = imap({LISTING: told + ITEM + told + b"* 2 FETCH (FLAGS ())\r\n%t OK\r\n"})
    async with liar.serving(), open_session(liar) as session:
        await session.select(INBOX, read_only=True)
        (item,) = await session.items(1)
        assert (item.uid, item.size, item.flags) == (5, 12, {"\\Flagged"})


async def test_the_last_message_is_not_taken_for_a_new_one():
    liar = imap({b"UID FETCH 6:*": ITEM + b"%t OK\r\n"})
    async with liar.serving(), open_session(liar) as session:
        await session.select(INBOX, read_only=True)
        assert await session.items(6) == []
        assert await session.items(1 << 32) == []


async def test_a_refused_password_is_told_apart_from_other_trouble():
    words = b"\x1b[31mno\xff \xe2\x80\xaesuch user " + b"x" * 600
    liar = imap({b"LOGIN": b"%t NO [AUTHENTICATIONFAILED] " + words + b"\r\n"})
    failure = await failure_of(liar)
    assert isinstance(failure, LoginRefused)
    assert failure.text.startswith("The server refused name or password: [31mno")
    assert len(failure.text) < 300
    assert failure.text.isprintable()
    assert "secret" not in failure.text


@pytest.mark.parametrize(
    ("greeting", "words"),
    [
        (b"* BYE full\r\n", "does not serve us now: full"),
        (b"* PREAUTH welcome\r\n", "let us in before anybody had logged in"),
        (b"* 5 EXISTS\r\n", NONSENSE),
        (b"+OK POP3 ready\r\n", NONSENSE),
        (b"220 smtp\r\n", NONSENSE),
        (Close(), "closed the connection"),
    ],
)
async def test_a_greeting_that_is_no_welcome_is_told(greeting, words):
    liar = imap(greeting=greeting)
    failure = await failure_of(liar)
    assert failure.stage == "connect"
    assert words in failure.text
    assert liar.commands == []


async def test_a_name_that_needs_a_literal_waits_for_the_server():
    name, password = "grün".encode(), "pässe wörter".encode()
    liar = imap({b"LOGIN": b"+ go on\r\n", name: b"+ go on\r\n", password: b"%t OK\r\n"})
    values = {"username": name.decode(), "password": password.decode()}
    async with liar.serving(), open_session(liar, **values):
        pass
    assert liar.commands[1:4] == [b"LOGIN {5}", name + b" {14}", password]


@pytest.mark.parametrize(
    ("mechanisms", "lines"),
    [
        (b"AUTH=PLAIN SASL-IR", [b"AUTHENTICATE PLAIN " + PROOF]),
        (b"AUTH=CRAM-MD5 AUTH=PLAIN", [b"AUTHENTICATE PLAIN", PROOF]),
        (b"SASL-IR", [b'LOGIN "anne" "secret"']),
    ],
)
async def test_behind_tls_passwords_go_by_plain_where_that_is_offered(tls, mechanisms, lines):
    answers = {b"AUTHENTICATE PLAIN": b"+ \r\n", lines[-1]: b"%t OK\r\n"}
    liar = imap(answers, capabilities=b"IMAP4rev1 STARTTLS " + mechanisms, tls=tls)
    async with liar.serving(), open_session(liar, security=Security.STARTTLS):
        pass
    before = [b"CAPABILITY", b"STARTTLS", b"CAPABILITY"]
    assert liar.commands == [*before, *lines, b"CAPABILITY"]


async def test_a_server_that_asks_for_ever_is_left(tls):
    liar = imap(otherwise=b"+ AAAA\r\n", capabilities=b"STARTTLS AUTH=PLAIN", tls=tls)
    liar.answers[b"STARTTLS"] = b"%t OK\r\n"
    failure = await failure_of(liar, security=Security.STARTTLS)
    assert (failure.stage, NONSENSE in failure.text) == ("login", True)


async def test_a_server_that_does_not_know_the_password_is_not_trusted():
    liar = imap(capabilities=b"AUTH=SCRAM-SHA-256")
    failure = await failure_of(liar)
    assert failure.text == "The server could not show that it knows the password."


async def test_a_server_without_any_way_to_log_in_gets_no_password():
    liar = imap(capabilities=b"IMAP4rev1 LOGINDISABLED")
    failure = await failure_of(liar)
    assert failure.stage == "login"
    assert "no way to log in by a password. It may do so with encryption." in failure.text
    assert liar.commands == [b"CAPABILITY"]


async def test_a_name_is_told_to_servers_that_want_one():
    async with imap(capabilities=b"IMAP4rev1 ID").serving() as liar, open_session(liar):
        pass
    assert liar.commands[-1] == b'ID ("name" "MailHost")'


async def test_without_uidplus_nothing_is_expunged():
    async with imap(capabilities=b"IMAP4rev1").serving() as liar:
        await fetch(liar)
    assert b"UID STORE 5 +FLAGS.SILENT (\\Deleted)" in liar.commands
    assert not [line for line in liar.commands if b"EXPUNGE" in line or line == b"CLOSE"]


async def test_many_messages_are_removed_in_commands_of_bearable_length():
    async with imap().serving() as liar, open_session(liar) as session:
        await session.select(INBOX, read_only=False)
        await session.remove(range(1, 5000, 2))
    lines = [line for line in liar.commands if b"EXPUNGE" in line]
    assert len(lines) == 5
    assert max(map(len, lines)) < 4000


async def test_a_folder_that_the_server_opens_for_reading_only_is_not_changed():
    liar = imap({b"SELECT": SELECTED.replace(b"READ-WRITE", b"READ-ONLY")})
    failure = await failure_of(liar)
    assert (failure.stage, failure.text) == (
        "delete", "The server opened the folder for reading only.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("listed", "name", "use", "is_selectable"),
    [
        (b'(\\Noselect) "/" "[Gmail]"', "[Gmail]", None, False),
        (b'(\\Sent \\HasNoChildren) "." "INBOX.Sent"', "INBOX/Sent", "\\Sent", True),
        (b'() "." "a/b.c"', "a_b/c", None, True),
        (b'() NIL "a/b.c"', "a_b.c", None, True),
        (b'() "\\\\" {5}\r\na\\b\tc', "a/b_c", None, True),
        (b'() "/" "&AGE"', "&AGE", None, True),
        (b'() "/" "/a//b/"', "a/b", None, True),
        (b'(\\NonExistent) "/" inbox', "INBOX", None, False),
        (b'() "/" "&2D0-"', "&2D0-", None, True),
    ],
)
async def test_names_of_folders_are_tamed(listed, name, use, is_selectable):
    liar = imap({b"LIST": b"* LIST " + listed + b"\r\n%t OK\r\n"})
    async with liar.serving(), open_session(liar) as session:
        (folder,) = await session.folders()
    assert (folder.name, folder.special_use, folder.selectable) == (name, use, is_selectable)


async def test_the_root_is_no_folder_and_each_is_listed_once():
    lines = b'* LIST (\\Noselect) "/" ""\r\n' + b'* LIST () "/" a\r\n* LIST () "" b\r\n' * 2
    liar = imap({b"LIST": lines + b"%t OK\r\n"})
    async with liar.serving(), open_session(liar) as session:
        assert [folder.raw for folder in await session.folders()] == [b"a", b"b"]


async def test_a_folder_is_opened_by_the_name_that_the_server_gave_it():
    liar = imap({b"LIST": b'* LIST () "." "a/\\"b.&AGE"\r\n%t OK\r\n'})
    async with liar.serving(), open_session(liar) as session:
        (folder,) = await session.folders()
        await session.select(folder, read_only=True)
    assert liar.commands[-1] == b'EXAMINE "a/\\"b.&AGE" (CONDSTORE)'


async def test_only_flags_that_changed_are_asked_for():
    changed = b"* 1 FETCH (UID 5 MODSEQ (12) FLAGS (\\Seen work))\r\n* 2 FETCH (FLAGS ())\r\n"
    liar = imap({b"UID FETCH 1:* (UID FLAGS)": changed + b"%t OK\r\n"})
    async with liar.serving(), open_session(liar) as session:
        view = await session.select(INBOX, read_only=True)
        assert (view.uidvalidity, view.uidnext, view.exists, view.highest_modseq) == (7, 6, 1, 9)
        assert await session.flags_changed_since(9) == {5: {"\\Seen", "work"}}
    assert liar.commands[-1] == b"UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 9)"


async def test_flags_are_not_asked_for_where_the_folder_keeps_no_modseqs():
    plain = SELECTED.replace(b"HIGHESTMODSEQ 9", b"NOMODSEQ")
    async with imap({b"EXAMINE": plain}).serving() as liar, open_session(liar) as session:
        assert (await session.select(INBOX, read_only=True)).highest_modseq is None
        assert await session.flags_changed_since(3) is None


@pytest.mark.parametrize(
    "verb", [b"CAPABILITY", b"LOGIN", b"LIST", b"SELECT", LISTING, b"UID FETCH 5", b"UID STORE"]
)
async def test_a_server_that_says_nothing_is_not_waited_for_for_ever(verb):
    began = time.monotonic()
    failure = await failure_of(imap({verb: Hang()}), IMPATIENT)
    assert failure.text == "The server did not answer in time."
    assert time.monotonic() - began < 5


async def test_a_goodbye_without_an_end_does_no_harm():
    async with imap({b"LOGOUT": Hang()}).serving() as liar:
        assert await fetch(liar, Limits(reply_seconds=1.5)) == b"Subject: x\r\n"


async def test_a_server_that_drips_is_not_waited_for_for_ever():
    answer = Drip(BODY.replace(b"{12}", b"{12000}"))
    assert (await failure_of(imap({b"UID FETCH 5": answer}), IMPATIENT)).text.endswith("in time.")


async def test_a_message_larger_than_it_was_said_to_be_is_not_read():
    answer = b"* 1 FETCH (UID 5 BODY[] {99999999999}\r\n"
    liar = imap({b"UID FETCH 5": Endless(answer, b"x" * 10_000)})
    failure = await failure_of(liar, Limits(message_bytes=1000))
    assert isinstance(failure, MessageTooBig)
    assert failure.size == 99_999_999_999


async def test_a_listing_without_end_is_left(monkeypatch):
    monkeypatch.setattr(imap_session, "MAX_ITEMS", 100)
    monkeypatch.setattr(imap_session, "MAX_FOLDERS", 100)
    items = b"".join(ITEM.replace(b"UID 5", b"UID %d" % uid) for uid in range(1, 200))
    failure = await failure_of(imap({LISTING: Endless(items, items)}))
    assert failure.text == "The folder has more than 100 messages to list."
    liar = imap({b"UID FETCH 1:* (UID FLAGS)": Endless(items, items)})
    async with liar.serving(), open_session(liar) as session:
        await session.select(INBOX, read_only=True)
        with pytest.raises(RemoteFailed, match="more than 100 messages"):
            await session.flags_changed_since(1)
    folders = b"".join(b'* LIST () "/" f%d\r\n' % number for number in range(200))
    failure = await failure_of(imap({b"LIST": Endless(folders, folders)}))
    assert failure.text == "The server has more than 100 folders."


async def test_a_server_is_read_no_faster_than_its_message_is_taken():
    answer = b"* 1 FETCH (UID 5 BODY[] {99999999999}\r\n"
    liar = imap({b"UID FETCH 5": Endless(answer, b"x" * 100_000)})
    async with liar.serving(), open_session(liar) as session:
        await session.select(INBOX, read_only=True)
        stream = session.retrieve(5)
        await anext(stream)
        before = -1
        while before != liar.sent_bytes:
            before = liar.sent_bytes
            await asyncio.sleep(0.3)
        assert liar.sent_bytes < 20_000_000  # what the system's buffers hold
        await stream.aclose()


async def test_a_cancelled_fetch_lets_go_of_the_connection():
    async with imap({b"UID FETCH 5": Hang(BODY[:35])}).serving() as liar:
        task = asyncio.create_task(fetch(liar))
        while not liar.commands or not liar.commands[-1].startswith(b"UID FETCH 5"):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await liar.hung_up.wait()


@pytest.mark.parametrize(
    ("capabilities", "answer", "words"),
    [
        (b"IMAP4rev1", b"%t OK\r\n", "does not offer encryption by STARTTLS"),
        (b"STARTTLS", b"%t NO not now\r\n", "did not begin encryption: not now"),
        (b"STARTTLS", b"%t OK\r\n* CAPABILITY AUTH=PLAIN\r\n", NONSENSE),
        (b"STARTTLS", b"%t OK\r\n* CAP", NONSENSE),
        (b"STARTTLS", Close(b"%t OK\r\n"), "Encryption could not be started"),
    ],
)
async def test_without_starttls_no_password_is_sent(capabilities, answer, words):
    liar = imap({b"STARTTLS": answer}, capabilities=capabilities)
    failure = await failure_of(liar, security=Security.STARTTLS)
    assert failure.stage == "tls"
    assert words in failure.text
    assert not [line for line in liar.commands if line.startswith((b"LOGIN", b"AUTH"))]
