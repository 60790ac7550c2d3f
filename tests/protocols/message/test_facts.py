from __future__ import annotations

import time

import pytest

from protocols.message import facts
from protocols.message.facts import Facts, FactsUnreadable

MESSAGE = (
    b"Date: Sat, 21 Nov 2026 23:30:00 -0500\r\n"
    b'From: "Ada \\"L\\"" <ada@example.org>\r\n'
    b"To: Team: bob@example.com, =?utf-8?q?J=C3=B6rg?= <j@example.com>;\r\n"
    b"Subject: gr\xc3\xbcn\r\n"
    b"Message-ID: <1@example.org>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n"
    b"Content-Transfer-Encoding: Quoted-Printable\r\nContent-Language: de, en\r\n\r\n"
    b"eins\r\nzwei\r\n\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
    b"Subject: inside\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
    b"--c\r\n\r\nplain\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>\r\n--c--\r\n"
    b'\r\n--b\r\nContent-Type: application/pdf; name*0=a; name*1="b.pdf"\r\n'
    b"Content-ID: <x@y>\r\nContent-MD5: Q2hlY2s=\r\nContent-Location: http://x/y\r\n"
    b'Content-Transfer-Encoding: base64\r\nContent-Disposition: inline; filename="ab.pdf"\r\n\r\n'
    b"AAAA\r\n--b--\r\n"
)


@pytest.fixture(scope="module")
def record() -> Facts:
    return Facts.decode(facts.facts(memoryview(MESSAGE)))


def test_envelope_is_what_rfc_3501_wants(record):
    author = b'(("Ada \\"L\\"" NIL "ada" "example.org"))'
    assert record.envelope == (
        b'("Sat, 21 Nov 2026 23:30:00 -0500" {5}\r\ngr\xc3\xbcn ' + b" ".join([author] * 3) + b" "
        b'((NIL NIL "Team" NIL)(NIL NIL "bob" "example.com")'
        b'("=?utf-8?q?J=C3=B6rg?=" NIL "j" "example.com")(NIL NIL NIL NIL)) '
        b'NIL NIL NIL "<1@example.org>")'
    )


def test_bodystructure_is_what_rfc_3501_wants(record):
    inside = (
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0 NIL NIL NIL NIL)'
        b'("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 3 0 NIL NIL NIL NIL) '
        b'"alternative" ("boundary" "c") NIL NIL NIL)'
    )
    size = MESSAGE.index(b"\r\n--b\r\nContent-Type: app") - MESSAGE.index(b"Subject: inside")
    assert record.bodystructure == (
        b'(("text" "plain" ("charset" "utf-8" "format" "flowed") NIL NIL "quoted-printable" 12 2 '
        b'NIL NIL ("de" "en") NIL)'
        b'("message" "rfc822" NIL NIL NIL "7bit" %d '
        b'(NIL "inside" NIL NIL NIL NIL NIL NIL NIL NIL) %b 11 NIL ("attachment" NIL) NIL NIL)'
        b'("application" "pdf" ("name" "ab.pdf") "<x@y>" NIL "base64" 4 "Q2hlY2s=" '
        b'("inline" ("filename" "ab.pdf")) NIL "http://x/y") '
        b'"mixed" ("boundary" "b") NIL NIL NIL)' % (size, inside)
    )


def test_body_leaves_extension_data_out(record):
    assert record.body.startswith(
        b'(("text" "plain" ("charset" "utf-8" "format" "flowed") NIL NIL "quoted-printable" 12 2)'
    )
    assert record.body.endswith(b'"base64" 4) "mixed")')


@pytest.mark.parametrize(
    ("path", "kind", "expected"),
    [
        ((), "", MESSAGE),
        ((), "HEADER", MESSAGE[: MESSAGE.index(b"--b")]),
        ((), "TEXT", MESSAGE[MESSAGE.index(b"--b") :]),
        ((1,), "", b"eins\r\nzwei\r\n"),
        ((2,), "MIME", b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"),
        (
            (2,),
            "HEADER",
            b"Subject: inside\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n",
        ),
        ((2, 1), "", b"plain"),
        ((2, 2), "MIME", b"Content-Type: text/html\r\n\r\n"),
        ((2, 2), "", b"<p>"),
        ((3,), "", b"AAAA"),
        ((1,), "HEADER", None),
        ((1, 1), "", None),
        ((4,), "", None),
        ((0,), "", None),
        ((), "MIME", None),
    ],
)  # fmt: skip
def test_sections_are_found(record, path, kind, expected):
    found = record.section(path, kind)
    assert (MESSAGE[slice(*found)] if found else None) == expected


def test_the_only_part_of_a_plain_message_is_part_1():
    plain = Facts.decode(facts.facts(b"Subject: x\r\n\r\nbody"))
    assert plain.section((1,)) == (14, 18)
    assert plain.section((1,), "MIME") == (0, 14)
    assert plain.section((1, 1)) is None
    assert plain.section((2,)) is None


def test_dates_marks_and_values(record):
    assert record.sent_at.isoformat() == "2026-11-21T23:30:00-05:00"
    assert record.sent_on.isoformat() == "2026-11-21"
    assert record.has_attachments
    values = record.envelope_values
    assert values.subject == "grün".encode()
    assert [entry.address for entry in values.to] == ["", "bob@example.com", "j@example.com", ""]
    assert values.author[0].name == b'Ada "L"'
    assert (values.cc, values.in_reply_to, values.message_id) == ((), None, b"<1@example.org>")


def test_a_record_of_another_version_or_cut_short_is_refused():
    record = facts.facts(MESSAGE)
    for broken in (b"", record[:-1], record + b"x", b"\x02" + record[1:], record[:10]):
        with pytest.raises(FactsUnreadable):
            Facts.decode(broken)


def test_a_structure_without_measure_becomes_one_part():
    part = b"--b\nContent-Type: text/plain; x=" + b"y" * 15_000 + b"\n\n\n"
    message = b"Content-Type: multipart/mixed; boundary=b\n\n" + part * 200
    record = Facts.decode(facts.facts(message))
    assert record.bodystructure.startswith(b'("application" "octet-stream" NIL ')
    assert len(record) == 1


@pytest.mark.bench
def test_facts_of_small_messages_cost_microseconds():
    plain = b"From: a@b\r\nTo: c@d\r\nSubject: x\r\n\r\n" + b"x" * 2000
    for message, allowed in ((plain, 80e-6), (MESSAGE, 250e-6)):
        started = time.process_time()
        for _ in range(1000):
            facts.facts(message)
        assert (time.process_time() - started) / 1000 < allowed
