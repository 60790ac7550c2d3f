"""Responses to bytes. RFC 3501 §7."""

from protocols.imap import responses
from protocols.imap.commands import StatusItem


def test_tagged_and_untagged_conditions():
    assert responses.ok("NOOP completed").encode(b"a1") == b"a1 OK NOOP completed\r\n"
    assert responses.bye("Bye").encode() == b"* BYE Bye\r\n"
    no = responses.no("Over quota", b"OVERQUOTA")
    assert no.encode(b"a") == b"a NO [OVERQUOTA] Over quota\r\n"


def test_text_cannot_break_out_of_its_line():
    assert responses.bad("x\r\n* BYE é").encode(b"a") == b"a BAD x  * BYE ?\r\n"


def test_strings_are_quoted_where_they_can_be():
    assert responses.string(b"plain") == b'"plain"'
    assert responses.string(b'a"b\\') == rb'"a\"b\\"'
    assert responses.string(b"a\r\nb") == b"{4}\r\na\r\nb"
    assert responses.string("é".encode()) == b"{2}\r\n\xc3\xa9"


def test_response_codes():
    assert responses.append_uid_code(38505, 3955) == b"APPENDUID 38505 3955"
    assert (
        responses.copy_uid_code(38505, [304, 319, 320], [3956, 3957, 3958])
        == b"COPYUID 38505 304,319:320 3956:3958"
    )
    assert responses.permanent_flags_code(["\\Seen", "\\*"]) == b"PERMANENTFLAGS (\\Seen \\*)"


def test_folder_responses():
    assert responses.Listed("Entwürfe", ["\\HasNoChildren", "\\Drafts"]).encode() == (
        b'* LIST (\\HasNoChildren \\Drafts) "/" "Entw&APw-rfe"\r\n'
    )
    assert responses.Listed("a", is_lsub=True).encode() == b'* LSUB () "/" "a"\r\n'
    assert (
        responses.Listed("a", child_info=["SUBSCRIBED"]).encode()
        == b'* LIST () "/" "a" ("CHILDINFO" ("SUBSCRIBED"))\r\n'
    )
    counts = [(StatusItem.MESSAGES, 231), (StatusItem.UIDNEXT, 44292)]
    assert (
        responses.FolderStatus("blurdybloop", counts).encode()
        == b'* STATUS "blurdybloop" (MESSAGES 231 UIDNEXT 44292)\r\n'
    )


def test_message_responses():
    assert responses.Found([2, 84, 882]).encode() == b"* SEARCH 2 84 882\r\n"
    assert responses.Found([]).encode() == b"* SEARCH\r\n"
    assert responses.Found([2], modseq=9).encode() == b"* SEARCH 2 (MODSEQ 9)\r\n"


def test_session_responses():
    assert (
        responses.Capabilities(["IMAP4rev1", "IDLE"]).encode() == b"* CAPABILITY IMAP4rev1 IDLE\r\n"
    )
    assert responses.Namespaces().encode() == b'* NAMESPACE (("" "/")) NIL NIL\r\n'
    assert (
        responses.Identification([("name", "MailHost")]).encode() == b'* ID ("name" "MailHost")\r\n'
    )
    assert (
        responses.Quota("", [("STORAGE", 10, 512)]).encode() == b'* QUOTA "" (STORAGE 10 512)\r\n'
    )
    assert responses.QuotaRoot("INBOX", [""]).encode() == b'* QUOTAROOT "INBOX" ""\r\n'
    assert responses.CONTINUE.encode() == b"+ OK\r\n"
