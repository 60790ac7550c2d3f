"""Replies as other servers send them. RFC 5321 §4.2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.smtp.replies import Reply
from protocols.smtp.replyreader import MAX_LINES, ReplyReader


def read(data):
    reader = ReplyReader()
    return reader.feed(data), reader


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"250 ok\r\n", Reply(250, "", "ok")),
        (b"250\r\n", Reply(250, "", "")),
        (b"250 2.1.0 Sender ok\r\n", Reply(250, "2.1.0", "Sender ok")),
        (b"550 5.1.1\r\n", Reply(550, "5.1.1", "")),
        (b"550 2.1.1 class of the wrong kind\r\n", Reply(550, "", "2.1.1 class of the wrong kind")),
        (b"550-5.7.1 One\r\n550 5.7.1 Two\r\n", Reply(550, "5.7.1", "One\nTwo")),
        (b"550-One\n550 Two\n", Reply(550, "", "One\nTwo")),
        (b"450 4.2.0 a\x00b\xffc\r\n", Reply(450, "4.2.0", "a b\ufffdc")),
    ],
)
def test_replies(data, reply):
    assert read(data)[0] == [reply]
    reader = ReplyReader()
    assert [r for octet in data for r in reader.feed(bytes([octet]))] == [reply]


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"199 x\r\n",
        b"600 x\r\n",
        b"25\r\n",
        b"250x\r\n",
        b"250-a\r\n251 b\r\n",
        b"\r\n",
        b"250-x\r\n" * (MAX_LINES + 1),
        b"x" * 5000,
        b"250 " + b"x" * 5000 + b"\r\n",
    ],
)
def test_garbage_is_told_apart(data):
    replies, reader = read(data)
    assert replies == []
    assert reader.garbage is not None
    assert reader.feed(b"250 ok\r\n") == []


def test_a_reply_before_garbage_counts():
    replies, reader = read(b"250 taken\r\nrubbish\r\n")
    assert replies == [Reply(250, "", "taken")]
    assert reader.garbage == b"rubbish"


def test_a_long_reply_is_cut_but_counts():
    replies, reader = read(
        b"".join(b"550-%b\r\n" % (b"x" * 900) for _ in range(20)) + b"550 end\r\n"
    )
    assert reader.garbage is None
    assert replies[0].code == 550
    assert len(replies[0].text) <= 8192


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"250 ok\r\n", b"250-", b"\r\n"])))
def test_any_split_reads_the_same(chunks):
    whole, reader = read(b"".join(chunks))
    pieces = ReplyReader()
    assert [reply for chunk in chunks for reply in pieces.feed(chunk)] == whole
    assert (pieces.garbage is None) == (reader.garbage is None)
