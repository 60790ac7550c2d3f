"""What each command does and answers, without a running server."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import json

from blobs.ids import new_id
from clock.moments import utc_now
from domains import directory as domain_directory
from events.models import AuditEntry
from mailinglists import commandmail, membership, services, signedids
from mailinglists.addresses import Part
from mailinglists.commandmail import Incoming, NotAnswered
from mailinglists.membership import NewSubscriber
from mailinglists.models import Mode, Subscriber, Token
from tests.factories import make_domain, make_domain_alias

pytestmark = pytest.mark.django_db

ANNE = "anne@far.example"


class Talk:
    """With one domain's lists, as somebody who writes mail."""

    def __init__(self, domain):
        self.domain = domain
        self.command_address = f"listserv@{domain.name}"
        self.at = utc_now()

    def write(self, text, *, author=ANNE, sender=None, to=None, row=None, part=None, subject="x"):
        to = to or self.command_address
        message = f"From: {author}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <m@x>\r\n\r\n"
        incoming = Incoming(
            domain_id=self.domain.pk,
            list_id=row and row.pk,
            part=part,
            to=to,
            sender=author if sender is None else sender,
            message=(message + text.replace("\n", "\r\n")).encode(),
        )
        self.reply = commandmail.answer(commandmail.read(incoming), now=self.at)
        return self.reply.body

    def code(self):
        return re.search(r"confirm ([0-9a-z]{33})", self.reply.body)[1]


@pytest.fixture
def talk():
    return Talk(make_domain("one.example", "bob"))


@pytest.fixture
def news(talk):
    values = {
        "description": "What is new",
        "is_public": True,
        "welcome_text": "Be welcome. Write to $address; help: $nothing",
    }
    return services.create_list(domain=talk.domain, local_part="news", values=values, by=None)


def add(row, address=ANNE, **values):
    membership.add_subscribers(mailing_list=row, rows=[NewSubscriber(address, **values)], by=None)
    return Subscriber.objects.get(mailing_list=row, address=address)


def is_on(row, address=ANNE):
    return Subscriber.objects.filter(mailing_list=row, address=address).exists()


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_a_reply_comes_from_the_command_address_and_is_marked_as_one(talk, news):
    talk.write("lists", subject="Anything")
    reply = talk.reply
    assert reply.to == [ANNE]
    assert "<listserv@one.example>" in reply.from_email
    assert reply.subject == "Re: Anything"
    assert reply.extra_headers["Auto-Submitted"] == "auto-replied"
    assert reply.extra_headers["X-MailHost-Sender"] == "null"
    assert reply.extra_headers["In-Reply-To"] == "<m@x>"


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_several_commands_get_one_reply_that_repeats_each(talk, news):
    body = talk.write("lists\nwhich\n-- \nsubscribe news")
    assert "> lists" in body and "> which" in body
    assert "subscribe news" not in body.partition("\n-- \n")[0]


@pytest.mark.spec("L-031")
@pytest.mark.spec("L-038")
def test_who_subscribes_has_to_confirm_it_and_is_welcomed(talk, news):
    body = talk.write("subscribe news Anne Miller")
    assert not is_on(news)
    code = talk.code()
    assert talk.reply.subject == f"confirm {code}"
    assert "You want to subscribe to news@one.example" in body
    body = talk.write(f"confirm {code}")
    assert "Be welcome. Write to news@one.example; help: $nothing" in body
    assert "news-unsubscribe@one.example" in body
    row = Subscriber.objects.get(mailing_list=news)
    assert (row.address, row.name, row.state) == (ANNE, "Anne Miller", "active")
    assert AuditEntry.objects.filter(actor=ANNE).exists()


@pytest.mark.spec("L-038")
@pytest.mark.parametrize("quoted", ["", "Yes.\n> > confirm {}\n", "\nOn Monday:\n>     confirm {}"])
def test_a_simple_reply_confirms(talk, news, quoted):
    talk.write("subscribe news")
    code = talk.code()
    subject = "Re: AW: x" if quoted else f"Re: confirm {code}"
    assert "is subscribed" in talk.write(quoted.format(code), subject=subject)
    assert is_on(news)


@pytest.mark.spec("L-038")
def test_one_reply_confirms_several_lists_that_were_asked_for_in_one_mail(talk, news):
    talk_list = services.create_list(domain=talk.domain, local_part="talk", by=None)
    body = talk.write("subscribe news\nsubscribe talk")
    assert body.count("    confirm ") == 2
    talk.write("".join(f"> {line}\n" for line in body.split("\n")), subject="Re: x")
    assert is_on(news) and is_on(talk_list)


@pytest.mark.spec("L-038")
def test_a_code_holds_for_seven_days(talk, news):
    talk.write("subscribe news")
    code = talk.code()
    talk.at += timedelta(days=7, seconds=1)
    assert "not valid" in talk.write(f"confirm {code}")
    assert not is_on(news)


@pytest.mark.spec("L-038")
def test_a_code_is_signed_and_works_once(talk, news):
    talk.write("subscribe news")
    code = talk.code()
    forged = code[:-1] + ("0" if code[-1] != "0" else "1")
    assert "not valid" in talk.write(f"confirm {forged}")
    assert not is_on(news)
    talk.write(f"confirm {code}")
    membership.remove_subscribers(mailing_list=news, addresses=[ANNE], by=None)
    assert "not valid" in talk.write(f"confirm {code}")
    assert not is_on(news)


def test_a_mail_that_a_server_sends_twice_is_answered_alike(talk, news):
    talk.write("subscribe news")
    code = talk.code()
    first = talk.write(f"confirm {code}")
    assert talk.write(f"confirm {code}") == first


@pytest.mark.spec("L-031")
def test_who_is_subscribed_already_is_told_so(talk, news):
    add(news)
    assert "already" in talk.write("subscribe news")
    assert talk.reply.to == [ANNE]
    assert not Token.objects.exists()


@pytest.mark.spec("L-031")
def test_a_list_may_take_no_subscriptions_by_mail(talk, news):
    services.change_list(mailing_list=news, values={"takes_subscriptions": False}, by=None)
    body = talk.write("subscribe news")
    assert "Nobody can subscribe" in body and "news-owner@one.example" in body
    assert not Token.objects.exists()


@pytest.mark.spec("L-032")
def test_who_leaves_confirms_it_and_gets_the_goodbye(talk, news):
    services.change_list(
        mailing_list=news,
        values={"goodbye_text": "Come back.", "takes_subscriptions": False},
        by=None,
    )
    add(news)
    talk.write("unsubscribe news")
    assert is_on(news)
    assert "Come back." in talk.write(f"confirm {talk.code()}")
    assert not is_on(news)


def test_nobody_is_taken_off_a_list_who_is_not_on_it(talk, news):
    body = talk.write("unsubscribe news")
    assert f"{ANNE} is not subscribed" in body and not Token.objects.exists()


@pytest.mark.spec("L-031")
@pytest.mark.spec("L-032")
def test_mail_to_the_addresses_of_a_list_needs_no_words(talk, news):
    talk.write("", to="news-subscribe@one.example", row=news, part=Part.SUBSCRIBE)
    talk.write(f"confirm {talk.code()}")
    assert is_on(news)
    talk.write("Hi!", to="news-unsubscribe@one.example", row=news, part=Part.UNSUBSCRIBE)
    talk.write(f"confirm {talk.code()}")
    assert not is_on(news)


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_commands_to_a_lists_request_address_need_not_name_it(talk, news):
    talk.write("subscribe", to="news-request@one.example", row=news, part=Part.REQUEST)
    talk.write(f"confirm {talk.code()}")
    assert is_on(news)
    assert "Say which list" in talk.write("subscribe")


@pytest.mark.spec("L-033")
def test_lists_names_public_lists_and_no_others(talk, news):
    services.create_list(domain=talk.domain, local_part="secret", by=None)
    body = talk.write("list")
    assert re.search(r"^    news +What is new$", body, re.MULTILINE)
    assert "secret" not in body


def test_a_domain_without_public_lists_says_so(talk):
    assert "no public mailing lists" in talk.write("lists")


@pytest.mark.spec("L-034")
@pytest.mark.parametrize("text", ["", "Hello there\nhow are you?", "help"])
def test_help_is_the_answer_to_what_is_no_command(talk, text):
    body = talk.write(text)
    assert "subscribe LIST" in body and "confirm CODE" in body


@pytest.mark.spec("L-034")
def test_help_of_a_list_is_its_own_text(talk, news):
    assert "About:           What is new" in talk.write("help news")
    services.change_list(mailing_list=news, values={"help_text": "Only for members."}, by=None)
    assert "Only for members." in talk.write("help news")
    assert "Only for members." in talk.write(
        "", to="news-request@one.example", row=news, part=Part.REQUEST
    )


@pytest.mark.spec("L-035")
def test_subscribers_choose_digests(talk, news):
    assert "not subscribed" in talk.write("set mode digest news")
    row = add(news)
    assert "you get digests" in talk.write("set mode digest news")
    row.refresh_from_db()
    assert row.mode == Mode.DIGEST
    talk.write("set mode standard news")
    row.refresh_from_db()
    assert row.mode == Mode.STANDARD


@pytest.mark.spec("L-036")
def test_who_is_off_at_first_and_then_for_moderators_alone(talk, news):
    add(news, name="Anne Miller")
    services.set_moderators(mailing_list=news, usernames=["bob"], by=None)
    assert ANNE not in talk.write("who news", author="bob@one.example").partition("-- \n")[0]
    services.change_list(mailing_list=news, values={"shows_subscribers": True}, by=None)
    assert f"{ANNE} (Anne Miller)" in talk.write("review news", author="bob@one.example")
    for stranger in (ANNE, "bob@far.example", "admin@one.example"):
        assert "Anne Miller" not in talk.write("who news", author=stranger)


@pytest.mark.spec("L-037")
def test_which_tells_the_sender_his_own_subscriptions(talk, news):
    assert "no mailing list" in talk.write("which")
    add(news, mode=Mode.DIGEST)
    add(news, "zoe@far.example")
    body = talk.write("which", author="Anne@Far.Example")
    assert re.search(r"^    news +digests$", body, re.MULTILINE)
    assert talk.reply.to == ["Anne@far.example"]


def test_lists_of_other_domains_are_unknown(talk, news):
    other = make_domain("two.example")
    hidden = services.create_list(domain=other, local_part="other", by=None)
    for name in ("other", "other@two.example", "news@nowhere.example"):
        assert "There is no mailing list" in talk.write(f"subscribe {name}")
    assert not Token.objects.filter(mailing_list=hidden).exists()


def test_a_list_is_known_by_any_name_of_its_domain(talk, news):
    make_domain_alias(talk.domain, "uno.example")
    domain_directory.clear()
    talk.write("subscribe news@uno.example")
    assert Token.objects.filter(mailing_list=news).exists()


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
@pytest.mark.parametrize(
    "changes",
    [
        {"sender": ""},
        {"sender": "mailer-daemon@far.example"},
        {"author": "listserv@one.example", "sender": "x@far.example"},
        {"author": "news-request@far.example", "sender": "x@far.example"},
        {"subject": "x\r\nAuto-Submitted: auto-replied"},
        {"subject": "x\r\nPrecedence: bulk"},
        {"subject": "x\r\nList-Id: <x.example>"},
        {"subject": "x\r\nX-Spam-Flag: YES"},
    ],
)
def test_programs_lists_and_spam_are_neither_obeyed_nor_answered(talk, news, changes):
    with pytest.raises(NotAnswered):
        talk.write("subscribe news", **changes)
    assert not Token.objects.exists()


def test_hostile_words_become_neither_headers_nor_codes(talk, news):
    talk.write(
        "subscribe news\nsubscribe news%0d%0aBcc:x@y.example", subject="a =?utf-8?q?=0d=0aBcc:_x?="
    )
    reply = talk.reply
    text = reply.message().as_bytes()
    assert b"\nBcc:" not in text
    assert reply.to == [ANNE]


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_any_mail_is_answered_or_not_and_the_answer_can_be_sent(talk, news):
    lines = st.sampled_from(
        [
            "subscribe news",
            "help",
            "set mode digest news",
            "which",
            "unsubscribe",
            "confirm x",
            "é\ud800",
        ]
    )
    texts = st.one_of(st.text(max_size=80), lines)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(texts, max_size=4), st.text(max_size=40), st.binary(max_size=60))
    def check(text, subject, garbage):
        encoded = f"=?utf-7?q?{subject.encode('utf-7').hex('=')}+2AA-?="
        message = f"From: {ANNE}\r\nTo: {talk.command_address}\r\nSubject: {encoded}\r\n".encode()
        message += b"X-" + garbage + b"\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n"
        message += "\r\n".join(text).encode("utf-7", "surrogatepass")
        incoming = Incoming(talk.domain.pk, None, None, talk.command_address, ANNE, message)
        try:
            request = commandmail.read(incoming)
        except NotAnswered:
            return
        answer = commandmail.answer(request, now=talk.at)
        assert answer.to == [ANNE]
        assert answer.message().as_bytes()
        json.encode([one.line for one in request.asked])

    check()


@given(st.binary(max_size=400), st.text(max_size=40), st.sampled_from([None, *Part]))
def test_any_bytes_are_read_or_refused(message, sender, part):
    incoming = Incoming(1, None, part, "listserv@one.example", sender, message)
    with suppress(NotAnswered):
        assert len(commandmail.read(incoming).subject) <= 200


def test_a_moderators_code_subscribes_nobody(talk, news):
    token = Token.objects.create(
        id=new_id(),
        mailing_list=news,
        purpose=Token.Purpose.MODERATE,
        address=ANNE,
        expires_at=talk.at + timedelta(days=1),
    )
    word = signedids.token_text(token.pk)
    assert "not valid" in talk.write(f"confirm {word}")
    assert "not valid" in talk.write(f"approve {word}")
    assert not is_on(news)
