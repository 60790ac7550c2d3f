"""Commands as clients send them: examples of RFC 3501 and the extensions."""

from datetime import UTC, datetime

import pytest

from protocols.imap import commands
from protocols.imap.commands import Return, Selection, StatusItem, StoreAction
from protocols.imap.sequence import SAVED_RESULT, SequenceSet
from protocols.imap.server import LOGGED_IN_LIMITS, CommandReader, Received, Refused
from protocols.imap.verbs import VERBS, State


def read(text: bytes) -> Received | Refused:
    reader = CommandReader(LOGGED_IN_LIMITS)
    reader.feed(text + b"\r\n")
    event = reader.next_event()
    assert reader.buffered_bytes == 0
    return event


def command(text: bytes) -> commands.Command:
    event = read(b"a1 " + text)
    assert isinstance(event, Received), event
    return event.command


def numbers(text: bytes) -> SequenceSet:
    return SequenceSet.parse(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"capability", commands.Capability()),
        (b"NOOP", commands.Noop()),
        (b"NOOP  ", commands.Noop()),
        (b"LOGIN SMITH SESAME", commands.Login(b"SMITH", b"SESAME")),
        (b'LOGIN "a b" "c\\"d"', commands.Login(b"a b", b'c"d')),
        (b"AUTHENTICATE plain", commands.Authenticate("PLAIN", None)),
        (b"AUTHENTICATE PLAIN AGEAYg==", commands.Authenticate("PLAIN", b"\0a\0b")),
        (b"AUTHENTICATE EXTERNAL =", commands.Authenticate("EXTERNAL", b"")),
        (b"ID NIL", commands.Id(None)),
        (
            b'ID ("name" "mutt" "version" NIL)',
            commands.Id(((b"name", b"mutt"), (b"version", None))),
        ),
        (b"ID ()", commands.Id(())),
        (b"ENABLE CONDSTORE qresync", commands.Enable(("CONDSTORE", "QRESYNC"))),
        (b"SELECT inbox", commands.Select("INBOX")),
        (b"EXAMINE blurdybloop", commands.Select("blurdybloop", is_read_only=True)),
        (b"SELECT a (CONDSTORE)", commands.Select("a", with_condstore=True)),
        (
            b"SELECT a (QRESYNC (67890007 90060115194045000 41:211,214:541))",
            commands.Select(
                "a",
                with_condstore=True,
                resync=commands.Resync(67890007, 90060115194045000, numbers(b"41:211,214:541")),
            ),
        ),
        (
            b"SELECT a (QRESYNC (1 2 3:9 (1,3 5,7)))",
            commands.Select(
                "a",
                with_condstore=True,
                resync=commands.Resync(1, 2, numbers(b"3:9"), numbers(b"1,3"), numbers(b"5,7")),
            ),
        ),
        (b"CREATE owatagusiam/", commands.Create("owatagusiam/")),
        (b"CREATE MyDrafts (USE (\\Drafts))", commands.Create("MyDrafts", ("\\Drafts",))),
        (b"DELETE blurdybloop", commands.Delete("blurdybloop")),
        (b"RENAME blurdybloop sarasoop", commands.Rename("blurdybloop", "sarasoop")),
        (b"SUBSCRIBE #news.comp.mail.mime", commands.Subscribe("#news.comp.mail.mime")),
        (b"UNSUBSCRIBE a", commands.Unsubscribe("a")),
        (b'LIST "" ""', commands.ListFolders("", ("",))),
        (b"LIST ~/Mail/ %", commands.ListFolders("~/Mail/", ("%",))),
        (b'LSUB "#news." "comp.mail.*"', commands.ListSubscribed("#news.", "comp.mail.*")),
        (
            b'LIST (SUBSCRIBED RECURSIVEMATCH) "" ("a/%" *) RETURN '
            b"(CHILDREN STATUS (MESSAGES UNSEEN))",
            commands.ListFolders(
                "",
                ("a/%", "*"),
                frozenset({Selection.SUBSCRIBED, Selection.RECURSIVEMATCH}),
                frozenset({Return.CHILDREN}),
                (StatusItem.MESSAGES, StatusItem.UNSEEN),
                is_extended=True,
            ),
        ),
        (b'LIST () "" * RETURN ()', commands.ListFolders("", ("*",), is_extended=True)),
        (
            b"STATUS blurdybloop (UIDNEXT MESSAGES uidnext)",
            commands.Status("blurdybloop", (StatusItem.UIDNEXT, StatusItem.MESSAGES)),
        ),
        (b"NAMESPACE", commands.Namespace()),
        (b"IDLE", commands.Idle()),
        (b'GETQUOTA ""', commands.GetQuota("")),
        (b"GETQUOTAROOT INBOX", commands.GetQuotaRoot("INBOX")),
        (b'SETQUOTA "" (STORAGE 512)', commands.SetQuota("", (("STORAGE", 512),))),
        (b"EXPUNGE", commands.Expunge()),
        (b"UID EXPUNGE 3000:3002", commands.Expunge(numbers(b"3000:3002"))),
        (b"uid copy 2:4 MEETING", commands.Copy(numbers(b"2:4"), "MEETING", by_uid=True)),
        (b"MOVE $ Trash", commands.Move(SAVED_RESULT, "Trash")),
        (
            b"STORE 2:4 +FLAGS (\\Deleted)",
            commands.Store(numbers(b"2:4"), StoreAction.ADD, ("\\Deleted",)),
        ),
        (
            b"UID STORE 1 (UNCHANGEDSINCE 12) -flags.silent \\Seen $Junk",
            commands.Store(
                numbers(b"1"),
                StoreAction.REMOVE,
                ("\\Seen", "$Junk"),
                True,
                True,
                unchanged_since=12,
            ),
        ),
        (b"STORE 1 FLAGS ()", commands.Store(numbers(b"1"), StoreAction.REPLACE, ())),
    ],
)
def test_commands(text, value):
    assert command(text) == value


def test_search_with_return_options_and_charset():
    parsed = command(b"UID SEARCH RETURN (MIN COUNT) CHARSET UTF-8 UNSEEN")
    assert (parsed.by_uid, parsed.returns) == (True, ("MIN", "COUNT"))
    assert command(b"SEARCH RETURN () ALL").returns == ()
    assert command(b"SEARCH ALL").returns is None


def test_sort_and_thread():
    parsed = command(b"SORT (SUBJECT REVERSE DATE) UTF-8 ALL")
    assert parsed.orders == (("SUBJECT", False), ("DATE", True))
    assert command(b"UID THREAD REFERENCES UTF-8 ALL").algorithm == "REFERENCES"


@pytest.mark.parametrize(
    "text",
    [
        b"NOOP x",
        b"SELECT",
        b"SELECT a b",
        b"LOGIN a",
        b"LOGIN a b c",
        b"AUTHENTICATE PLAIN !!!!",
        b"LIST a",
        b'LIST (FOO) "" *',
        b'LIST (RECURSIVEMATCH) "" *',
        b'LIST "" * RETURN (FOO)',
        b"STATUS a ()",
        b"STATUS a (FOO)",
        b"STORE 1 FLAGS",
        b"STORE 1 FOO (x)",
        b"UID EXPUNGE",
        b"EXPUNGE 1",
        b"COPY 0 a",
        b"FETCH 1",
        b"FETCH x FLAGS",
        b"ENABLE",
        b"ID",
        b"UID NOOP",
        b"FOO",
        b"UID",
        b"CREATE a (USE)",
        b"SELECT a (QRESYNC (1))",
        b"SORT () UTF-8 ALL",
        b"SORT (FOO) UTF-8 ALL",
        b"APPEND INBOX",
        b'APPEND INBOX "x" {1}',
        b"SELECT &",
        b"MOVE 1 \xff",
        b"SEARCH RETURN (FOO) ALL",
    ],
)
def test_malformed_commands_are_refused_under_their_tag(text):
    refused = read(b"a1 " + text)
    assert isinstance(refused, Refused)
    assert refused.tag == b"a1"


def test_unknown_charset_is_answered_badcharset():
    refused = read(b"a1 SEARCH CHARSET KOI8-R ALL")
    assert refused.is_no
    assert refused.code == b"BADCHARSET (US-ASCII UTF-8)"


def test_password_is_not_shown():
    assert "SESAME" not in repr(command(b"LOGIN SMITH SESAME"))


def test_every_name_says_where_it_is_legal():
    assert VERBS[b"LOGIN"].states == State.NOT_AUTHENTICATED
    assert not State.AUTHENTICATED & VERBS[b"UID FETCH"].states
    assert State.SELECTED & VERBS[b"APPEND"].states
    assert all(State.NOT_AUTHENTICATED & VERBS[name].states for name in (b"NOOP", b"ID"))


def test_append_command_up_to_its_message():
    reader = CommandReader(LOGGED_IN_LIMITS)
    reader.feed(b'A003 APPEND saved (\\Seen) " 7-Feb-1994 21:52:25 -0800" {310}\r\n')
    assert reader.next_event().command == commands.Append(
        "saved", ("\\Seen",), datetime(1994, 2, 8, 5, 52, 25, tzinfo=UTC), 310
    )
