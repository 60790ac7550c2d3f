"""A running server is spoken to by mail, and its answers are read by IMAP (L-005, L-010, L-030)."""

from __future__ import annotations

import imaplib
import re
import smtplib
import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from tests.factories import PASSWORD
from tests.reading import open_mailbox, wait_for
from tests.running import RunningServer

DOMAIN = "bymail.example"
LISTSERV = f"listserv@{DOMAIN}"
ANNE, BOB, CAROL, DAVE = (f"{name}@{DOMAIN}" for name in ("anne", "bob", "carol", "dave"))
SET_UP = f"""
domains:
  - name: {DOMAIN}
    admin: {{username: admin, password: "{PASSWORD}"}}
    users:
      - {{username: anne, password: "{PASSWORD}"}}
      - {{username: bob, password: "{PASSWORD}"}}
      - {{username: carol, password: "{PASSWORD}"}}
      - {{username: dave, password: "{PASSWORD}"}}
"""
MAKE_LIST = f"""
from domains.selectors import by_name
from mailinglists import services
services.create_list(
    domain=by_name("{DOMAIN}"), local_part="{{name}}", by=None, moderators=["bob"],
    values={{values!r}},
)
"""
MAKE_DIGESTS = """
from datetime import timedelta
from clock.moments import utc_now
from mailinglists import digests
print("made", digests.make_due(now=utc_now() + timedelta(minutes=1)))
"""


@pytest.fixture(scope="module")
def lists(server: RunningServer) -> RunningServer:
    server.manage("apply", "-", text=SET_UP)
    return server


def make_list(server: RunningServer, name: str, **values: object) -> str:
    server.manage("shell", "-c", MAKE_LIST.format(name=name, values=values))
    return f"{name}@{DOMAIN}"


def send(
    server: RunningServer,
    author: str,
    to: str,
    text: str,
    *,
    subject: str = "Hello",
    headers: dict[str, str] | None = None,
) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = author, to, subject
    for name, value in (headers or {}).items():
        message[name] = value
    message.set_content(text)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", server.port("submission"), timeout=60) as client:
        client.starttls(context=context)
        client.login(author, PASSWORD)
        client.send_message(message, author, [to])


def mail_of(server: RunningServer, login: str, words: str) -> list[EmailMessage]:
    """What of a mailbox has these words in its subject or its text."""
    client = open_mailbox(server, login)
    try:
        client.select("INBOX", readonly=True)
        found = client.fetch("1:*", "(BODY.PEEK[])")[1]
    except imaplib.IMAP4.error:
        return []
    finally:
        client.logout()
    messages = [
        message_from_bytes(one[1], policy=policy.default) for one in found if isinstance(one, tuple)
    ]
    return [one for one in messages if words in text_of(one) or words in one["Subject"]]


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    return "" if body is None else body.get_content().replace("\r\n", "\n")


def await_mail(server: RunningServer, login: str, words: str) -> EmailMessage:
    wait_for(lambda: mail_of(server, login, words))
    return mail_of(server, login, words)[-1]


def reply(server: RunningServer, author: str, to: EmailMessage) -> None:
    """As a program does it whose user only presses Reply and Send."""
    quoted = "".join(f"> {line}\n" for line in text_of(to).split("\n"))
    send(
        server,
        author,
        to["From"].addresses[0].addr_spec,
        f"Mailing lists wrote:\n{quoted}",
        subject=f"Re: {to['Subject']}",
        headers={"In-Reply-To": to["Message-ID"], "References": to["Message-ID"]},
    )


@pytest.mark.spec("D-035", "L-031", "L-032", "L-037", "L-038")
@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_somebody_subscribes_and_leaves_by_mail_alone(lists: RunningServer):
    name = make_list(lists, "news", welcome_text="Be welcome here.", goodbye_text="Farewell.")
    send(lists, ANNE, LISTSERV, "subscribe news Anne Miller\n-- \nAnne")
    asked = await_mail(lists, ANNE, f"You want to subscribe to {name}")
    assert re.fullmatch(r"confirm [0-9a-z]{33}", asked["Subject"])
    assert asked["Return-Path"] == "<>"
    assert asked["Auto-Submitted"] == "auto-replied"
    assert asked["From"].addresses[0].addr_spec == LISTSERV
    reply(lists, ANNE, asked)
    assert f"{ANNE} is subscribed to {name}" in text_of(await_mail(lists, ANNE, "Be welcome here."))
    send(lists, ANNE, f"news-request@{DOMAIN}", "which")
    assert "news" in text_of(await_mail(lists, ANNE, f"{ANNE} is subscribed to:"))
    send(lists, ANNE, f"news-unsubscribe@{DOMAIN}", "")
    reply(lists, ANNE, await_mail(lists, ANNE, "You want to leave"))
    await_mail(lists, ANNE, "Farewell.")


@pytest.mark.spec("L-034")
@pytest.mark.spec("L-033")
def test_a_mail_gets_one_reply_with_all_answers(lists: RunningServer):
    make_list(lists, "public", is_public=True, description="Known to all")
    send(lists, CAROL, LISTSERV, "lists\nhelp")
    answer = await_mail(lists, CAROL, "Known to all")
    assert "> lists" in text_of(answer) and "subscribe LIST" in text_of(answer)
    assert len(mail_of(lists, CAROL, "Known to all")) == 1


@pytest.mark.spec("L-030", lacks="results of DMARC, and levels of spam")
def test_programs_get_no_reply(lists: RunningServer):
    send(lists, DAVE, LISTSERV, "help", headers={"Auto-Submitted": "auto-generated"})
    send(lists, DAVE, LISTSERV, "which", subject="the second")
    await_mail(lists, DAVE, "is subscribed to no mailing list")
    assert not mail_of(lists, DAVE, "> help")


def test_mail_to_the_owner_reaches_the_moderators(lists: RunningServer):
    make_list(lists, "owned")
    send(lists, CAROL, f"owned-owner@{DOMAIN}", "To those who run it")
    await_mail(lists, BOB, "To those who run it")


@pytest.mark.spec("L-005")
def test_a_moderator_decides_about_posts_by_mail(lists: RunningServer):
    name = make_list(lists, "held", is_moderated=True, posting="anyone")
    send(lists, CAROL, LISTSERV, "subscribe held")
    reply(lists, CAROL, await_mail(lists, CAROL, f"You want to subscribe to {name}"))
    await_mail(lists, CAROL, f"{CAROL} is subscribed to {name}")
    send(lists, ANNE, name, "A good post", subject="Good")
    code = code_for(await_mail(lists, BOB, "| A good post"))
    assert not mail_of(lists, CAROL, "A good post")
    send(lists, BOB, LISTSERV, f"approve {code}")
    await_mail(lists, BOB, "The post goes out.")
    assert await_mail(lists, CAROL, "A good post")["List-Id"] == f"<held.{DOMAIN}>"
    send(lists, BOB, LISTSERV, f"refuse {code}")
    await_mail(lists, BOB, "somebody has decided about the post already")
    send(lists, ANNE, name, "A bad post", subject="Bad")
    code = code_for(await_mail(lists, BOB, "| A bad post"))
    send(lists, BOB, LISTSERV, f"refuse {code} Please be kind.")
    told = await_mail(lists, ANNE, "Please be kind.")
    assert told["Subject"] == "Refused: Bad"
    assert not mail_of(lists, CAROL, "A bad post")


def code_for(message: EmailMessage) -> str:
    found = re.search(r"^    approve ([0-9a-z]{33})$", text_of(message), re.MULTILINE)
    assert found is not None, text_of(message)
    return found[1]


@pytest.mark.spec("L-010")
@pytest.mark.spec("L-035")
def test_subscribers_who_want_digests_get_one_for_several_posts(lists: RunningServer):
    name = make_list(lists, "daily", posting="anyone", digest_messages=2, digest_hours=0)
    send(lists, CAROL, LISTSERV, "subscribe daily")
    reply(lists, CAROL, await_mail(lists, CAROL, f"You want to subscribe to {name}"))
    await_mail(lists, CAROL, f"{CAROL} is subscribed to {name}")
    send(lists, CAROL, LISTSERV, "set mode digest daily")
    await_mail(lists, CAROL, "From now on you get digests")
    for number in (1, 2):
        send(lists, ANNE, name, f"The text of post {number}", subject=f"Post {number}")
    wait_for(lambda: lists.manage("shell", "--no-imports", "-c", COUNT_POSTS).strip() == "2")
    lists.manage("shell", "-c", MAKE_DIGESTS)
    digest = await_mail(lists, CAROL, "daily Digest, Issue 1")
    text = text_of(digest)
    assert "1. Post 1" in text and "The text of post 2" in text
    assert digest["List-Unsubscribe"] is not None
    inner = [part for part in digest.walk() if part.get_content_type() == "message/rfc822"]
    assert [part.get_payload(0)["Subject"] for part in inner] == ["Post 1", "Post 2"]
    assert "made 0" in lists.manage("shell", "-c", MAKE_DIGESTS)
    assert len(mail_of(lists, CAROL, "daily Digest, Issue")) == 1
    assert not [one for one in mail_of(lists, CAROL, "Post 1") if one["Subject"] == "Post 1"]


COUNT_POSTS = """
from mailinglists.models import Post
print(Post.objects.filter(mailing_list__local_part="daily", mode="standard").count())
"""
