"""Messages in one file: what is quoted, what stays as it is, and the flags before them."""

from __future__ import annotations

import mailbox
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocols.message import mbox
from protocols.message.mbox import Quoter

NONE = dict.fromkeys(("is_seen", "is_answered", "is_flagged", "is_deleted", "is_draft"), False)
PIECES = st.lists(
    st.one_of(
        st.sampled_from([b"From ", b"\r\n", b"\n", b"\r", b">", b"Fro", b"m ", b"F", b">>"]),
        st.binary(max_size=8),
    ),
    max_size=12,
)


def quoted(*pieces: bytes) -> bytes:
    quoter = Quoter()
    return b"".join(map(quoter.feed, pieces)) + quoter.finish()


def unquoted(octets: bytes) -> bytes:
    return re.sub(rb"(?m)^>(>*From )", rb"\1", octets)


@given(PIECES)
@example([b">", b">Fro", b"m x"])
@example([b"x\r", b"\nFrom y\r"])
@example([b"Fro", b"\r\nm "])
def test_pieces_make_no_difference_and_nothing_is_lost(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    found = quoted(*pieces)
    assert found == quoted(whole)
    plain = whole.replace(b"\r\n", b"\n")
    assert unquoted(found) == plain + (b"\n" if plain.endswith(b"\n") or not plain else b"\n\n")
    assert not re.search(rb"(?m)^From ", found)


def test_a_line_that_looks_like_a_separator_is_quoted_once_more() -> None:
    found = quoted(b"A: b\r\n\r\nFrom me\r\n>From you\r\nFrom\r\n From x\r\nno From \r\n")
    assert found == b"A: b\n\n>From me\n>>From you\nFrom\n From x\nno From \n\n"


def test_a_line_of_any_length_is_not_kept() -> None:
    quoter = Quoter()
    for _ in range(100):
        assert quoter.feed(b">" * 1000) == b">" * 1000
    assert quoter.feed(b"From x") == b">From x"


def test_the_separator_is_one_line_whatever_the_sender_is() -> None:
    assert mbox.separator("ann@a.example", 0) == b"From ann@a.example Thu Jan  1 00:00:00 1970\n"
    assert mbox.separator("", 0).startswith(b"From MAILER-DAEMON Thu")
    assert mbox.separator("a b\r\nFrom \xe4" + "x" * 999, 0).count(b"\n") == 1


@given(st.lists(st.text(max_size=8), max_size=4))
def test_no_keyword_makes_a_line_of_its_own(keywords: list[str]) -> None:
    found = mbox.marks(**NONE, keywords=keywords)
    assert found.startswith(b"Status: O\n") and found.count(b"\n") <= 2 and found.isascii()


@given(st.lists(st.sampled_from([b"Status", b": x", b"\r\n", b"\n", b" ", b"A", b"x-status:"])))
def test_without_its_marks_a_message_has_lost_nothing_else(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    found = mbox.without_marks(whole)
    assert found == mbox.without_marks(found)
    head, body = re.split(rb"(?m)(?=^\r?\n)|\Z", whole, maxsplit=1)
    assert found.endswith(body) and len(found) <= len(whole)
    if not re.search(rb"(?im)^(x-)?status[ \t]*:", head):
        assert found == whole


def test_a_message_cannot_set_its_flags_nor_say_where_it_ends(tmp_path: Path) -> None:
    """mutt goes by Content-Length, where that leads to a separator, past what lies before it."""
    forged = (
        b"Subject: x\r\nX-STATUS : D\r\nContent-Length: 99\r\n 9\r\nstatus: RO\r\nX-Keywords:\r\n"
        b"To: b\r\n\r\nStatus: in the text\r\n"
    )
    assert mbox.without_marks(forged) == (b"Subject: x\r\nTo: b\r\n\r\nStatus: in the text\r\n")
    path = tmp_path / "one.mbox"
    path.write_bytes(
        mbox.separator("", 0) + mbox.marks(**NONE) + quoted(mbox.without_marks(forged))
    )
    [found] = mailbox.mbox(path)
    assert (found.get_flags(), found["Content-Length"]) == ("O", None)
    for without in (b"", b"\r\n", b"\r\nStatus: R\r\n", b"A: b"):
        assert mbox.without_marks(without) == without


@pytest.mark.parametrize("flags", ["", "R", "A", "F", "D", "T", "RAFDT"])
def test_flags_are_read_by_others(flags: str, tmp_path: Path) -> None:
    words = zip("RAFDT", NONE, strict=True)
    given_flags = {word: letter in flags for letter, word in words}
    path = tmp_path / "one.mbox"
    path.write_bytes(
        mbox.separator("ann@a.example", 0)
        + mbox.marks(**given_flags, keywords=["$Work", "later"])
        + quoted(b"Subject: x\r\n\r\nFrom me\r\n")
        + mbox.separator("ann@a.example", 0)
        + mbox.marks(**NONE)
        + quoted(b"Subject: y\r\n\r\n")
    )
    box = mailbox.mbox(path)
    assert [one["Subject"] for one in box] == ["x", "y"]
    assert set(box[0].get_flags()) == set(flags) | {"O"}
    assert (box[0]["X-Keywords"], box[1]["X-Status"]) == ("$Work later", None)
    assert box[0].get_payload() == ">From me\n"
