from __future__ import annotations

import email
import pathlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.message import facts, mime
from protocols.message.facts import Facts

NESTED = (
    b"Content-Type: multipart/mixed; boundary=outer\r\n\r\npreamble\r\n"
    b"--outer\r\nContent-Type: multipart/alternative; boundary=outer-inner\r\n\r\n"
    b"--outer-inner\r\n\r\none\r\ntwo\r\n"
    b"--outer-inner\r\nContent-Type: text/html\r\n\r\n<p>\r\n"
    b"--outer-inner--\r\nepilogue\r\n"
    b"--outer\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inside\r\n\r\nline\r\n\r\n"
    b"--outer--\r\nend\r\n"
)


def bodies(message: bytes) -> list[bytes]:
    return [
        message[part.body_start : part.end]
        for part in mime.scan(message).walk()
        if not part.children
    ]


def test_parts_are_ranges_without_the_line_end_of_their_boundary():
    assert bodies(NESTED) == [b"one\r\ntwo", b"<p>", b"line\r\n"]


def test_line_feeds_alone_do_as_well():
    assert bodies(NESTED.replace(b"\r\n", b"\n")) == [b"one\ntwo", b"<p>", b"line\n"]


def test_a_missing_end_boundary_ends_at_the_outer_one_or_at_the_end():
    assert bodies(NESTED.replace(b"--outer-inner--\r\nepilogue\r\n", b""))[1] == b"<p>"
    assert bodies(NESTED.replace(b"--outer--\r\nend\r\n", b""))[2] == b"line\r\n\r\n"


def test_a_boundary_inside_a_header_block_ends_the_part():
    message = (
        b"Content-Type: multipart/mixed; boundary=b\n\n"
        b"--b\nContent-Type: text/html\n--b\n\nx\n--b--"
    )
    root = mime.scan(message)
    assert [child.content.subtype for child in root.children] == [b"html", b"plain"]
    assert bodies(message) == [b"", b"x"]


def test_a_multipart_whose_boundary_never_comes_is_text():
    root = mime.scan(b"Content-Type: multipart/mixed; boundary=b\r\n\r\nhello\r\n")
    assert (root.content.type, root.lines, root.children) == (b"text", 1, [])


def test_parts_of_a_digest_are_messages():
    root = mime.scan(
        b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n\nbody\n--b--\n"
    )
    assert root.children[0].is_message
    assert root.children[0].children[0].fields[b"subject"] == b"x"


def test_nesting_and_the_number_of_parts_are_bounded():
    deep = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%03d\n\n--b%03d\n" % (i, i) for i in range(500)
    )
    assert len(Facts.decode(facts.facts(deep))) <= mime.MOST_LEVELS + 1
    wide = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 30_000
    assert len(list(mime.scan(wide).walk())) == mime.MOST_PARTS
    assert len(facts.facts(wide)) < 2_000_000
    russian_doll = b"Content-Type: message/rfc822\n\n" * 500
    assert len(Facts.decode(facts.facts(russian_doll))) <= mime.MOST_LEVELS + 1


HOSTILE = {
    "near boundaries": b"".join(
        b"Content-Type: multipart/mixed; boundary=%s\n\n--%s\n" % (b"a" * i, b"a" * i)
        for i in range(1, 100)
    )
    + b"\n"
    + b"--b\n" * 200_000,
    "no blank lines": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\na:b\n" * 100_000,
    "dolls": b"Content-Type: message/rfc822\n\n" * 90 + b"\n" * 1_000_000,
    "tiny fields": b"a:\n" * 500_000,
    "addresses": b"To: " + b"a@b, " * 200_000,
    "parameters": b"Content-Type: text/plain" + b"; a*0=b" * 100_000 + b"\n\n",
    "long types": b"Content-Type: multipart/mixed; boundary=b\n\n"
    + (b"--b\nContent-Type: text/plain; charset=" + b"x" * 300 + b"\n\n\n") * 8_000,
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_messages_take_linear_time(message):
    started = time.process_time()
    facts.facts(message)
    assert time.process_time() - started < 3


def assert_ranges_are_nested(part: mime.Part) -> None:
    assert part.header_start <= part.body_start <= part.end
    position = part.body_start
    for child in part.children:
        assert position <= child.header_start
        assert child.end <= part.end
        position = child.end
        assert_ranges_are_nested(child)


PIECES = [
    b"\r\n", b"\n", b"--a", b"--ab", b"--a--", b"--ab--", b"text", b": ", b"\r", b" ", b"\0",
    b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: message/rfc822\r\n",
    b"Content-Type: multipart/digest; boundary=\"ab\"\n", b"Content-Type: text/plain\n", b"\xff",
    b"Date: Sat, 21 Nov 2026 22:28:07 +0100\r\n", b"To: a@b, \"c\r\n", b"Subject: \x80\r\n",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=40)))
def test_any_bytes_make_a_tree_of_nested_ranges(pieces):
    message = pieces if isinstance(pieces, bytes) else b"".join(pieces)
    root = mime.scan(message)
    assert (root.header_start, root.end) == (0, len(message))
    assert_ranges_are_nested(root)
    record = Facts.decode(facts.facts(message))
    assert len(record) == len(list(root.walk()))
    assert record.envelope_values is not None
    assert (record.sent_at is None) == (record.sent_on is None)
    record.section((1, 1), "TEXT")
    for structure in (record.envelope, record.bodystructure, record.body):
        assert structure[:1] == b"("
        assert structure[-1:] == b")"


def corpus() -> list[pathlib.Path]:
    try:
        import test.test_email as stdlib_tests
    except ImportError:
        return []
    return sorted((pathlib.Path(stdlib_tests.__file__).parent / "data").glob("msg_*.txt"))


@pytest.mark.skipif(not corpus(), reason="the standard library came without its tests")
@pytest.mark.parametrize("path", corpus(), ids=lambda path: path.name)
def test_the_standard_librarys_corpus(path):
    message = path.read_bytes()
    record = Facts.decode(facts.facts(message))
    assert record.bodystructure
    if path.name in BROKEN:
        return
    assert shape(mime.scan(message)) == stdlib_shape(email.message_from_bytes(message))
    with_crlf = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert shape(mime.scan(with_crlf)) == shape(mime.scan(message))


# Where the standard library goes another way than the RFC or than mail servers do.
BROKEN = {
    "msg_15.txt": "one boundary for two levels: the inner level takes the parts",
    "msg_39.txt": "one boundary for two levels: the inner level takes the parts",
    "msg_17.txt": "a boundary that never comes: shown as text",
    "msg_31.txt": "a boundary that never comes: shown as text",
    "msg_42.txt": "a boundary that never comes: shown as text",
    "msg_25.txt": "no boundary parameter: shown as text",
    "msg_41.txt": "no boundary parameter: shown as text",
    "msg_36.txt": "message/external-body has no body of its own in IMAP",
    "msg_37.txt": "boundaries in a row: empty parts between them",
}


def shape(part: mime.Part) -> object:
    kind = (part.content.type + b"/" + part.content.subtype).decode("latin-1")
    return [kind, *(shape(child) for child in part.children)]


def stdlib_shape(message: email.message.Message) -> object:
    children = message.get_payload() if message.is_multipart() else []
    if message.get_content_type() == "message/delivery-status":
        children = []  # groups of fields: no parts for IMAP
    return [message.get_content_type(), *(stdlib_shape(child) for child in children)]
