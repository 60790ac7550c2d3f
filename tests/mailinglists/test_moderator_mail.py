"""Moderators are told of posts that wait, and decide by mail (L-005)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes

import pytest

from blobs import committer
from blobs.committer import Job, process_committer
from blobs.ids import new_id
from blobs.segment import NewRecord
from blobs.store import locate, new_body, read_body
from clock.moments import utc_now
from events.models import AuditEntry
from mailboxes.models import Message
from mailinglists import moderatormail, services
from mailinglists.errors import TokenRefused
from mailinglists.models import HeldPost, Token
from spool.lists import notices
from spool.models import SpooledMessage
from tests.factories import make_domain

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(slots=True, kw_only=True, eq=False)
class Hold(Job):
    """A post as the agent leaves it for a moderator."""

    post: HeldPost

    @staticmethod
    def write_rows(jobs, cursor):
        for job in jobs:
            job.post.blob_id = job.records[0].blob_id
            job.post.save(force_insert=True)


def hold(row, subject="Buy this", *, text="Hello", sender="stranger@one.example"):
    message = f"From: {sender}\r\nSubject: {subject}\r\n\r\n{text}\r\n".encode()
    body = new_body()
    body.write(message)
    post = HeldPost(
        id=new_id(),
        mailing_list=row,
        spooled_recipient_id=new_id(),
        spooled_id=new_id(),
        sender=sender,
        author=sender,
        subject=subject,
        message_id="m1@far.example",
        size_bytes=len(message),
        reason=HeldPost.Reason.MODERATED,
        held_at=utc_now(),
    )
    record = NewRecord(blob_id=new_id(), meta=b"", facts=b"", body=body)
    process_committer().commit_now(Hold(post=post, records=[record]))
    return post


@pytest.fixture(autouse=True)
def _real_backend(settings):
    settings.EMAIL_BACKEND = "spool.backend.SpoolBackend"
    settings.MAILHOST_HOSTNAME = "mx.one.example"
    settings.MAILHOST_PORT_OFFSET = 0
    yield
    committer.stop_process_committer()


@pytest.fixture
def news():
    domain = make_domain("one.example", "bob", "carol", "stranger")
    return services.create_list(
        domain=domain, local_part="news", moderators=["bob", "carol"], by=None
    )


def mail_of(username):
    rows = Message.objects.filter(folder__account__local_part=username).order_by("pk")
    found = locate([row.blob_id for row in rows])
    return [message_from_bytes(read_body(found[row.blob_id])) for row in rows]


def text_of(message):
    return message.get_payload(decode=True).decode().replace("\r\n", "\n")


def words_in(message):
    return re.findall(r"approve ([0-9a-z]{33})", text_of(message))


@pytest.mark.spec("L-005")
def test_each_moderator_is_told_once_of_what_waits(news):
    hold(news, text="<b>Spam</b>\nsecond line")
    assert notices.tell_moderators(utc_now()) == 1
    assert notices.tell_moderators(utc_now()) == 0
    (to_bob,), (to_carol,) = mail_of("bob"), mail_of("carol")
    assert to_bob["Subject"] == "A post waits for you on news@one.example"
    assert "<listserv@one.example>" in to_bob["From"]
    assert to_bob["Auto-Submitted"] == "auto-generated"
    text = text_of(to_bob)
    assert "From:    stranger@one.example" in text and "Subject: Buy this" in text
    assert "| <b>Spam</b>\n| second line" in text
    (word,) = words_in(to_bob)
    assert f"https://mx.one.example/panel/moderate/{word}/" in text
    assert words_in(to_carol) != [word]
    assert SpooledMessage.objects.get(message_id=to_bob["Message-ID"].strip("<>")).sender == ""


def test_several_posts_share_a_message(news):
    for number in range(moderatormail.SHOWN_AT_ONCE + 2):
        hold(news, f"Post {number}")
    assert notices.tell_moderators(utc_now()) == moderatormail.SHOWN_AT_ONCE + 2
    first, second = mail_of("bob")
    assert first["Subject"] == "10 posts wait for you on news@one.example"
    assert len(set(words_in(first))) == 10 and len(set(words_in(second))) == 2


def test_without_moderators_the_domains_administrator_is_told(news):
    services.set_moderators(mailing_list=news, usernames=[], by=None)
    hold(news)
    notices.tell_moderators(utc_now())
    assert len(mail_of("admin")) == 1 and mail_of("bob") == []


@pytest.mark.spec("L-005")
def test_words_that_are_too_old_are_followed_by_new_ones(news):
    hold(news)
    notices.tell_moderators(utc_now())
    later = utc_now() + timedelta(days=7, minutes=1)
    with pytest.raises(TokenRefused):
        moderatormail.held_behind(words_in(mail_of("bob")[0])[0], now=later)
    assert notices.tell_moderators(later) == 1
    assert moderatormail.held_behind(words_in(mail_of("bob")[1])[0], now=later).address == (
        "bob@one.example"
    )


def test_of_two_processes_one_tells(news):
    hold(news)
    now = utc_now()
    (first,), (second,) = list(moderatormail.untold(now=now)), list(moderatormail.untold(now=now))
    for notice in (first, second):
        job = notices.HeldNotice(notice=notice, now=now, accepted=[])
        if notice is first:
            process_committer().commit_now(job)
        else:
            with pytest.raises(notices.ToldAlready):
                process_committer().commit_now(job)
    assert Token.objects.count() == len(first.tokens) == 2


@pytest.mark.spec("L-005")
def test_a_refusal_with_words_tells_the_author_and_ends_all_words(news):
    post = hold(news)
    notices.tell_moderators(utc_now())
    bobs, carols = words_in(mail_of("bob")[0])[0], words_in(mail_of("carol")[0])[0]
    moderatormail.refuse_by(word=bobs, now=utc_now(), text="Off topic.")
    assert not HeldPost.objects.filter(pk=post.pk).exists()
    (told,) = mail_of("stranger")
    assert told["Subject"] == "Refused: Buy this"
    assert told["In-Reply-To"] == "<m1@far.example>"
    assert told["Auto-Submitted"] == "auto-replied"
    assert "Off topic." in text_of(told)
    entry = AuditEntry.objects.get(verb="refused post")
    assert entry.actor == "bob@one.example"
    for word in (bobs, carols):
        with pytest.raises(TokenRefused):
            moderatormail.refuse_by(word=word, now=utc_now())


def test_a_refusal_without_words_tells_nobody(news):
    hold(news)
    notices.tell_moderators(utc_now())
    moderatormail.refuse_by(word=words_in(mail_of("bob")[0])[0], now=utc_now())
    assert mail_of("stranger") == []


def test_a_hostile_post_changes_nothing_in_the_mail_about_it(news):
    hold(
        news,
        "x\r\nBcc: eve@far.example",
        text=f"approve {'0' * 33}\n-- \n\u202eevil",
        sender="stranger@one.example",
    )
    notices.tell_moderators(utc_now())
    (told,) = mail_of("bob")
    assert told["Bcc"] is None
    text = text_of(told)
    assert f"| approve {'0' * 33}" in text and "\u202e" not in text
