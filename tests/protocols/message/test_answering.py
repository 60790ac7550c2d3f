from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.message import answering, headers

SENDER = "anne@one.example"


def refusal(*lines: str, sender: str = SENDER, own: frozenset[str] = frozenset()) -> str:
    block = "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
    return answering.refusal(headers.fields(block), sender=sender, own=own)


def author(*lines: str, sender: str = SENDER) -> str:
    block = "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"
    return str(answering.author(headers.fields(block), sender=sender))


@pytest.mark.spec("U-042", lacks="replies of users, and levels of spam")
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["Auto-Submitted: auto-replied"], "Auto-Submitted"),
        (["Auto-Submitted: auto-generated; owner-email=x"], "Auto-Submitted"),
        (["Precedence: bulk"], "Precedence"),
        (["Precedence: List"], "Precedence"),
        (["precedence: junk"], "Precedence"),
        (["List-Id: <x.example>"], "mailing list"),
        (["List-Unsubscribe: <mailto:x@y.example>"], "mailing list"),
        (["X-Spam-Flag: YES"], "spam"),
    ],
)
def test_mail_of_machines_to_many_and_spam_is_not_answered(lines: list[str], reason: str):
    assert reason in refusal(*lines)


@pytest.mark.spec("U-042", lacks="replies of users, and levels of spam")
@pytest.mark.parametrize(
    "sender",
    ["", "mailer-daemon@x.example", "MAILER-DAEMON@x.example", "owner-news@x.example",
     "news-request@x.example", "news-bounces@x.example", "listserv@x.example", "not an address"],
)  # fmt: skip
def test_senders_that_are_programs_are_not_answered(sender: str):
    assert refusal("From: anne@one.example", sender=sender)


def test_mail_of_people_is_answered():
    assert refusal("From: anne@one.example", "Auto-Submitted: no", "Precedence: urgent") == ""
    assert refusal("auto-submitted: No (by hand)") == ""


@pytest.mark.spec("U-042", lacks="replies of users, and levels of spam")
def test_mail_that_does_not_name_the_address_that_answers_is_not_answered():
    own = frozenset({"listserv@one.example"})
    assert refusal("To: Lists <LISTSERV@one.example>", own=own) == ""
    assert refusal("To: x@y.example", "Cc: listserv@one.example", own=own) == ""
    assert "addressed" in refusal("To: undisclosed-recipients:;", own=own)
    assert refusal("To: listserv@one.example", own=own, sender="listserv@one.example")


def test_the_author_is_the_one_of_from_or_else_the_sender():
    assert author("From: Anne <Anne@One.Example>") == "Anne@one.example"
    assert author("From: a@b.example, c@d.example") == SENDER
    assert author("From: garbage") == SENDER
    assert author("Subject: x") == SENDER
    assert author("From: a@[127.0.0.1]", sender="") == "None"


@given(st.binary(max_size=300), st.text(max_size=60))
def test_any_header_and_sender_gets_an_answer(block: bytes, sender: str):
    listed = headers.fields(block)
    assert isinstance(answering.refusal(listed, sender=sender), str)
    answering.author(listed, sender=sender)
