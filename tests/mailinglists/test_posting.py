"""From a post to what subscribers get: hostile posts too (L-006…L-009)."""

import email
import email.policy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailinglists import addresses, posting
from mailinglists.addresses import Part
from mailinglists.posting import Style
from protocols.message import headers

STYLE = Style(
    name="news", domain_name="one.example", description="", subject_prefix="", header_text="",
    footer_text="", replies_to="sender", takes_posts=True, takes_subscriptions=True,
    removes_password=False,
)  # fmt: skip


def composed(message, *, rewrites_author=False, **changes):
    if isinstance(message, str):
        message = message.replace("\n", "\r\n").encode()
    style = replace(STYLE, **changes)
    written = posting.compose(message, style, rewrites_author=rewrites_author, boundary="=_x")
    return email.message_from_bytes(written, policy=email.policy.default)


@pytest.mark.spec("L-009")
@pytest.mark.parametrize(
    ("subject", "prefixed"),
    [
        ("Hello", "[news] Hello"),
        ("Re: [News] Hello", "Re: [News] Hello"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "[news] Grüße"),
        ("", "[news]"),
    ],
)
def test_the_prefix_stands_once_before_whatever_subject(subject, prefixed):
    message = composed(f"Subject: {subject}\n\nHi\n", subject_prefix="[news]")
    assert message["Subject"] == prefixed
    assert len(message.get_all("Subject")) == 1


@pytest.mark.spec("L-007")
def test_fields_of_other_lists_and_wishes_for_receipts_do_not_stay():
    message = composed(
        "List-Id: <evil.test>\nList-Unsubscribe: <https://evil.test>\nPrecedence: bulk\n"
        "Disposition-Notification-To: spy@evil.test\nReturn-Receipt-To: spy@evil.test\n"
        "Delivered-To: a@b.test\nX-Kept: yes\n\nHi\n"
    )
    assert message.get_all("List-Id") == ["<news.one.example>"]
    assert message.get_all("Precedence") == ["list"]
    assert message["X-Kept"] == "yes"
    assert not {"list-unsubscribe", "disposition-notification-to", "return-receipt-to",
                "delivered-to"} & {name.lower() for name in message}  # fmt: skip


@pytest.mark.spec("L-008")
def test_a_rewritten_author_is_named_and_keeps_the_answers():
    message = composed("From: =?utf-8?q?J=C3=BCrgen?= <j@x.test>\n\nHi\n", rewrites_author=True)
    assert message["From"].addresses[0].display_name == "Jürgen via news"
    assert message["From"].addresses[0].addr_spec == "news@one.example"
    assert message["Reply-To"].addresses[0].addr_spec == "j@x.test"


@pytest.mark.spec("L-008")
def test_an_authors_own_wish_for_answers_comes_before_his_address():
    raw = "From: j@x.test\nReply-To: office@x.test\nDKIM-Signature: v=1\n\nHi\n"
    message = composed(raw, rewrites_author=True)
    assert message["Reply-To"] == "office@x.test"
    assert message["DKIM-Signature"] is None
    both = composed(raw, rewrites_author=True, replies_to="list")
    assert both["Reply-To"] == "news@one.example, office@x.test"


def test_a_description_cannot_add_a_field():
    message = composed("Subject: x\n\nHi\n", description="News\r\nBcc: all@x.test <a")
    assert message["Bcc"] is None
    assert message["List-Id"].endswith("<news.one.example>")


@pytest.mark.spec("L-006")
@pytest.mark.parametrize(
    ("subject", "password", "rest"),
    [
        ("Hello [:word:]", "word", "Hello"),
        ("[:a b:] Hello", "a b", "Hello"),
        ("Re: [:w:] Hello", "w", "Re: Hello"),
        ("[::] Hello", "", "[::] Hello"),
        ("Hello [:word", "", "Hello [:word"),
    ],
)
def test_the_word_is_read_and_taken_out_of_the_subject(subject, password, rest):
    summary = posting.read(f"Subject: {subject}\r\n\r\n".encode())
    assert (summary.password, summary.subject) == (password, rest)


@given(st.binary(max_size=600), st.booleans())
def test_any_bytes_become_a_post_with_the_fields_of_the_list_alone(raw, rewrites_author):
    style = replace(STYLE, footer_text="Bye", subject_prefix="[n]", replies_to="list")
    posting.read(raw)
    written = posting.compose(raw, style, rewrites_author=rewrites_author, boundary="=_x")
    listed = headers.fields(written)
    assert headers.named(listed, b"list-id") == [b"<news.one.example>"]
    assert headers.named(listed, b"precedence") == [b"list"]


@given(st.text(max_size=30), st.sampled_from(list(Part)), st.text(max_size=12))
def test_a_part_is_known_by_what_stands_behind_the_name(name, part, detail):
    assert addresses.part_of(name, name + part) is part or "+" in name
    found = addresses.part_of("news", f"news{part}+{detail}")
    assert found is (Part.BOUNCES if part is Part.BOUNCES else None)
    assert addresses.part_of("news", f"new{part}") is None
