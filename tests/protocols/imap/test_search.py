"""SEARCH keys to a criteria tree. RFC 3501 §6.4.4."""

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.imap import search
from protocols.imap.errors import BadCharset, Malformed
from protocols.imap.grammar import Cursor
from protocols.imap.search import (
    And,
    BodyHas,
    ChangedSince,
    Comparison,
    Dated,
    HasFlag,
    HeaderHas,
    InSequence,
    InUids,
    IsRecent,
    Larger,
    Moment,
    Not,
    Or,
    TextHas,
)
from protocols.imap.sequence import SequenceSet


def criteria(text: bytes, charset: str = "US-ASCII"):
    return search.parse_criteria(Cursor(text), charset)


def test_keys_side_by_side_must_all_hold():
    # RFC 3501 §6.4.4, the first example
    assert criteria(b'FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"') == And(
        (
            HasFlag("\\Flagged"),
            Dated(Moment.INTERNAL, Comparison.SINCE, date(1994, 2, 1)),
            Not(HeaderHas("FROM", "Smith")),
        )
    )


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        (b"ALL", And(())),
        (b"unseen", Not(HasFlag("\\Seen"))),
        (b"NEW", And((IsRecent(), Not(HasFlag("\\Seen"))))),
        (
            b"OR SEEN (DELETED DRAFT)",
            Or(HasFlag("\\Seen"), And((HasFlag("\\Deleted"), HasFlag("\\Draft")))),
        ),
        (b"2:4,*", InSequence(SequenceSet.parse(b"2:4,*"))),
        (b"UID 7", InUids(SequenceSet.parse(b"7"))),
        (b'HEADER X-Spam ""', HeaderHas("X-SPAM", "")),
        (b"LARGER 100", Larger(100)),
        (b"KEYWORD $Junk", HasFlag("$Junk")),
        (b"UNKEYWORD $Junk", Not(HasFlag("$Junk"))),
        (b'SENTON "1-Feb-1994"', Dated(Moment.SENT, Comparison.ON, date(1994, 2, 1))),
        (b"BODY {5}\r\na b\r\n", BodyHas("a b\r\n")),
        (b'MODSEQ "/flags/\\\\draft" all 620162338', ChangedSince(620162338)),
        (b"MODSEQ 5", ChangedSince(5)),
        (b"((TEXT x))", TextHas("x")),
    ],
)
def test_keys(text, tree):
    assert criteria(text) == tree


def test_strings_are_decoded_from_utf_8():
    assert criteria("SUBJECT привет".encode().replace(b" ", b' "', 1) + b'"', "UTF-8") == HeaderHas(
        "SUBJECT", "привет"
    )


def test_other_charsets_are_refused():
    with pytest.raises(BadCharset):
        criteria(b"ALL", "KOI8-R")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"FOO",
        b"NOT",
        b"OR SEEN",
        b"(SEEN",
        b"()",
        b"SUBJECT",
        b"SINCE yesterday",
        b"LARGER -1",
        b"SEEN)",
        b"HEADER X",
        b'SUBJECT "\xff"',
        b"NOT " * 40 + b"SEEN",
        b"(" * 40 + b"SEEN" + b")" * 40,
        b"SEEN " * 1001 + b"SEEN",
        b"LARGER 99999999999",
    ],
)
def test_malformed_searches_are_refused(text):
    with pytest.raises(Malformed):
        criteria(text)


@given(st.text('NOTRSEALUIDHX ()"123:*,{}\r\n', max_size=60))
def test_anything_like_a_search_is_one_or_malformed(text):
    with contextlib.suppress(Malformed):
        criteria(text.encode())
