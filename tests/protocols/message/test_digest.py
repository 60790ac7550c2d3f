from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.message import digest, mime, reading
from protocols.message.digest import Edition

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EDITION = Edition("News", 12, NOW, preamble="Post to news@one.example.", trailer="Bye.")


def post(subject: str, text: str, *, author: str = "Anne <anne@one.example>") -> bytes:
    return (
        f"From: {author}\r\nTo: news@one.example\r\nSubject: {subject}\r\n"
        f"X-Secret: hidden\r\nMessage-ID: <{len(text)}@one.example>\r\n\r\n{text}\r\n"
    ).encode()


def whole(built: digest.Digest) -> bytes:
    head = f"MIME-Version: 1.0\r\nContent-Type: {built.content_type}\r\n"
    return f"{head}Content-Transfer-Encoding: 8bit\r\n\r\n".encode() + built.body


def parsed(posts: list[bytes]) -> email.message.EmailMessage:
    message = email.message_from_bytes(
        whole(digest.build(posts, EDITION)), policy=email.policy.default
    )
    assert isinstance(message, email.message.EmailMessage)
    return message


@pytest.mark.spec("L-010")
def test_the_plain_form_is_that_of_rfc_1153():
    plain, _ = parsed([post("One", "First text"), post("Two", "Second")]).iter_parts()
    text = plain.get_content().replace("\r\n", "\n")
    assert text == (
        "News Digest    Mon, 23 Nov 2026 12:00:00 +0000    Issue 12\n\n"
        "Post to news@one.example.\n\n"
        "Today's Topics:\n\n"
        "  1. One (Anne <anne@one.example>)\n  2. Two (Anne <anne@one.example>)\n\n"
        + "-"
        * 70
        + "\n\nFrom: Anne <anne@one.example>\nTo: news@one.example\nSubject: One\n"
        "Message-ID: <10@one.example>\n\nFirst text\n\n"
        + "-"
        * 30
        + "\n\nFrom: Anne <anne@one.example>\nTo: news@one.example\nSubject: Two\n"
        "Message-ID: <6@one.example>\n\nSecond\n\n"
        + "-" * 30
        + "\n\nBye.\n\nEnd of News Digest Issue 12\n***************************\n"
    )


@pytest.mark.spec("L-010")
def test_the_other_form_has_each_post_as_a_message():
    _, mixed = parsed([post("One", "First text"), post("Two", "Second")]).iter_parts()
    assert mixed.get_content_type() == "multipart/mixed"
    contents, posts, end = mixed.iter_parts()
    assert "2. Two" in contents.get_content()
    assert posts.get_content_type() == "multipart/digest"
    inner = [part.get_payload(0) for part in posts.iter_parts()]
    assert [one["Subject"] for one in inner] == ["One", "Two"]
    assert inner[0].get_content().strip() == "First text"
    assert "End of News Digest" in end.get_content()


def test_a_line_that_would_end_a_post_gets_a_blank_in_front():
    text = f"before\r\n{'-' * 30}\r\n\r\nFrom: forged@x.example"
    plain, _ = parsed([post("One", text)]).iter_parts()
    assert f"\n {'-' * 30}\n" in plain.get_content().replace("\r\n", "\n")


def test_a_post_cannot_end_the_digest_with_a_boundary_of_its_own():
    inner = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\none\r\n--x--\r\n"
    built = digest.build([inner, post("Two", "Second")], EDITION)
    boundaries = set(re.findall(rb"--(=_[0-9a-f]{24})", built.body))
    assert len(boundaries) == 3
    again = set(re.findall(rb"--(=_[0-9a-f]{24})", digest.build([inner], EDITION).body))
    assert not boundaries & again


def test_an_attachment_is_named_in_the_plain_form():
    message = (
        b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nText\r\n"
        b"--q\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=cat.png\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--q--\r\n"
    )
    plain, _ = parsed([message]).iter_parts()
    assert "[Attachment: cat.png]" in plain.get_content()


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=300), max_size=4), st.text(max_size=40))
def test_any_posts_make_a_digest_with_as_many_messages(posts: list[bytes], title: str):
    message = whole(digest.build(posts, Edition(title, 1, NOW)))
    tree = mime.scan(message)
    assert [child.content.subtype for child in tree.children] == [b"plain", b"mixed"]
    digests = [part for part in tree.walk() if part.content.subtype == b"digest"]
    if posts:
        assert len(digests[0].children) == len(posts)
    assert reading.read(message).text.count("Today's Topics:") >= 1
