"""The pages about what crashes have left: who sees it, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from accounts.models import User
from blobs.ids import encode_id
from events.models import AuditEntry
from panel import attention
from spool import lost
from spool.models import LostRecord, LostState, Origin, SpooledMessage, SpooledRecipient
from tests.browser import Visitor
from tests.panel.conftest import Growth
from tests.panel.spoolworld import HOSTILE, spooling
from tests.people import World
from tests.spool import outgoing
from tests.spool.crashing import crash, prepared, start_again

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("S-058")]

LogIn = Callable[[User], Client]
LIST = "/panel/spool/lost/"
SENDER = f'"{HOSTILE}"@own.example'
RECIPIENT = f'"<b>{HOSTILE}"@far.test'
BODY = (
    b"From: Alice <alice@own.example>\r\nSubject: =?utf-8?q?=3Cscript=3Ealert=281=29=3C/script=3E?="
    b"\r\nMessage-ID: <x<script>alert(1)</script>@own.example>\r\n"
    b"Content-Type: text/html\r\n\r\n<p>Hi <script>alert(1)</script>there</p>\r\n"
)


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> Iterator[World]:
    outgoing.stop_committer()
    settings.MAILHOST_DATA = tmp_path
    with spooling() as made:
        yield made


def leave(
    *recipients: str, sender: str = "alice@own.example", body: bytes = BODY, **given: Any
) -> LostRecord:
    """What a crash has left of one message, as it is after the next start."""
    crash(prepared(*recipients, sender=sender, body=body, **given))
    start_again()
    return LostRecord.objects.select_related("area").latest("pk")


def page(row: LostRecord, what: str = "") -> str:
    return f"{LIST}{row}/{what}"


def shown(client: Client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200, url
    return str(answer.content.decode())


def test_what_is_found_is_listed_with_what_becomes_of_it(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    assert "Nothing was left by a crash" in shown(client, LIST)
    first = leave("bob@far.test", "eve@far.test")
    second = leave("x@far.test", sender="other@own.example", body=BODY.replace(b"<p>", b"<h1>"))
    LostRecord.objects.filter(pk=second.pk).update(state=LostState.KEPT, reason="nobody takes it")
    text = shown(client, LIST)
    for words in (
        str(first), "alice@own.example", "bob@far.test", "eve@far.test", "1 KB",
        "Waits to be put into the spool", "unless it comes again", "Nobody takes it.",
    ):  # fmt: skip
        assert words in text, words
    assert str(first) not in shown(client, f"{LIST}?show=kept")
    assert str(first) in shown(client, f"{LIST}?q=EVE@far")
    assert "No pieces of mail match" in shown(client, f"{LIST}?q=nobody")
    exported = b"".join(client.get(f"{LIST}?format=csv").streaming_content).decode()  # type: ignore[attr-defined]
    assert "bob@far.test eve@far.test" in exported
    text = shown(client, page(first))
    assert lost.place_of(first) in text and "Put into the spool now" in text
    (told,) = attention._lost_mail(world.root)
    assert told.url == LIST


def test_nothing_that_a_stranger_wrote_acts(world: World, log_in: LogIn) -> None:
    row = leave(RECIPIENT, sender=SENDER)
    assert row.sender == SENDER and HOSTILE in row.message_id
    LostRecord.objects.update(reason=f"nobody takes it: {RECIPIENT}")
    client = log_in(world.root)
    for url in (LIST, page(row), page(row, "delete/"), page(row, "text/")):
        text = shown(client, url)
        assert HOSTILE not in text, url
        if url != page(row, "text/"):
            assert escape(SENDER) in text, url
    assert escape(HOSTILE) in shown(client, page(row, "text/"))


def test_whoever_reads_a_text_is_on_record_and_mailboxes_stay_closed(
    world: World, log_in: LogIn
) -> None:
    row = leave("bob@far.test")
    client = log_in(world.root)
    assert "Hi there" in shown(client, page(row, "text/"))
    entry = AuditEntry.objects.get(verb="viewed what a crash had left")
    assert (entry.actor, entry.object_name) == ("root", str(row))
    LostRecord.objects.update(recipients=[])  # as of what a program was saving in a mailbox
    told = client.get(page(row, "text/"), follow=True).content.decode()
    assert "Hi there" not in told and "cannot be read" in told
    assert "Put into the spool now" not in told
    assert AuditEntry.objects.filter(verb="viewed what a crash had left").count() == 1


def test_it_is_put_into_the_spool_once(world: World, log_in: LogIn) -> None:
    row = leave("bob@far.test")
    client = log_in(world.root)
    told = client.post(page(row, "requeue/"), follow=True)
    message = SpooledMessage.objects.get()
    assert told.redirect_chain[-1][0] == f"/panel/message/{encode_id(message.pk)}/"
    assert "Put into the spool: it is message" in told.content.decode()
    assert AuditEntry.objects.filter(
        verb="put what a crash had left into the spool", actor="root"
    ).exists()
    assert f"message {encode_id(message.pk)}</a>" in shown(client, page(row))
    again = client.post(page(row, "requeue/"), follow=True).content.decode()
    assert "it has been dealt with already" in again
    assert SpooledMessage.objects.count() == 1
    assert "dealt with it already" in client.get(page(row, "delete/"), follow=True).content.decode()


def test_what_nobody_takes_stays_and_the_reason_is_told(world: World, log_in: LogIn) -> None:
    row = leave(RECIPIENT, sender="x@y.test", origin=Origin.SMTP)
    told = log_in(world.root).post(page(row, "requeue/"), follow=True).content.decode()
    assert "It was not put into the spool: nobody takes it: " in told and HOSTILE not in told
    assert not SpooledMessage.objects.exists()
    assert LostRecord.objects.get().state == LostState.WAITING


def test_it_is_deleted_after_a_question(world: World, log_in: LogIn) -> None:
    row = leave("bob@far.test")
    client, url = log_in(world.root), page(row, "delete/")
    for answer in (client.get(url), client.post(url), client.post(url, {"confirmation": "no"})):
        assert "This cannot be undone." in answer.content.decode()
        assert lost.path_of(row).exists()
    told = client.post(url, {"confirmation": "yes"}, follow=True).content.decode()
    assert f"Deleted {row} for good." in told and "Undo" not in told
    assert not lost.path_of(row).exists()
    entry = AuditEntry.objects.get(verb="deleted what a crash had left")
    assert entry.actor == "root"
    assert "Deleted by an operator" in shown(client, LIST)
    assert client.get(page(row, "text/"), follow=True).redirect_chain


def test_several_are_put_into_the_spool_at_once(world: World, log_in: LogIn) -> None:
    rows = [leave("bob@far.test"), leave("carol@far.test")]
    rows.append(leave(RECIPIENT, sender="x@y.test", origin=Origin.SMTP))
    client = log_in(world.root)
    keys = [str(row.pk) for row in rows] + ["x", "9" * 30]
    told = client.post(f"{LIST}requeue/", {"selected": keys}, follow=True).content.decode()
    assert "Put into the spool: 2 pieces of mail." in told
    assert f"{rows[2]} was not put into the spool: nobody takes it: " in told
    assert HOSTILE not in told
    assert SpooledMessage.objects.count() == 2
    for row in rows:
        row.refresh_from_db()
    assert [row.state in lost.OPEN for row in rows] == [False, False, True]
    again = client.post(f"{LIST}requeue/", {"selected": keys[:2]}, follow=True).content.decode()
    assert "that nobody has dealt with yet" in again and SpooledMessage.objects.count() == 2


def test_several_are_deleted_after_one_question(world: World, log_in: LogIn) -> None:
    rows = [leave("bob@far.test"), leave("carol@far.test")]
    client, url = log_in(world.root), f"{LIST}delete/"
    asked = client.post(url, {"all_matching": "1"}).content.decode()
    assert "Delete 2 pieces" in asked and "This cannot be undone." in asked
    assert all(f'value="{row.pk}"' in asked and lost.path_of(row).exists() for row in rows)
    given = {"selected": [row.pk for row in rows], "confirmation": "yes"}
    told = client.post(url, given, follow=True).content.decode()
    assert "Deleted for good: 2 pieces of mail." in told
    assert not any(lost.path_of(row).exists() for row in rows)


def test_nobody_else_sees_or_touches_it(world: World, log_in: LogIn) -> None:
    """Not even whose mail it is: it may hold mail of anybody, and was never accepted."""
    row = leave("bob@far.test")
    for who in (world.reseller, world.other_reseller, world.admin, world.other_admin, world.user):
        client = log_in(who)
        for url in (LIST, page(row), page(row, "text/"), page(row, "delete/")):
            assert client.get(url).status_code == 403, (who, url)
        for what in ("requeue/", "delete/"):
            answer = client.post(page(row, what), {"confirmation": "yes"})
            assert answer.status_code == 403, (who, what)
        assert LIST not in client.get("/panel/", follow=True).content.decode()
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(world.root)
    for what in ("requeue/", "delete/"):
        assert forged.post(page(row, what), {"confirmation": "yes"}).status_code == 403
    assert log_in(world.root).get(page(row, "requeue/")).status_code == 405
    assert LostRecord.objects.get().state == LostState.WAITING
    assert lost.path_of(row).exists() and not SpooledRecipient.objects.exists()


def test_the_list_asks_as_much_for_many(
    world: World, log_in: LogIn, queries_grow: Callable[..., Growth]
) -> None:
    leave("bob@far.test")

    def more() -> None:
        for number in range(5):
            leave("bob@far.test", sender=f"a{number}@own.example")

    growth = queries_grow(log_in(world.root), LIST, more)
    assert growth.many <= growth.few


def test_in_the_browser(world: World, visitor: Visitor) -> None:
    long = "a-very-long-name-of-a-mailbox-that-somebody-has@subdomain.of.some.far.test"
    row = leave(RECIPIENT, long, *(f"r{number}@far.test" for number in range(4)), sender=SENDER)
    leave(long, sender="")
    LostRecord.objects.exclude(pk=row.pk).update(
        state=LostState.KEPT, reason=f"nobody takes it: {long} (550 5.7.1 Relaying denied)"
    )
    visitor.log_in(world.root)
    visitor.inspect(LIST, "lost-mail")
    visitor.inspect(page(row), "lost-message")
    browser = visitor.go(page(row))
    browser.get_by_role("link", name="Delete").click()
    browser.get_by_text("This cannot be undone.").wait_for()
    visitor.check_accessibility()
    browser.get_by_role("button", name="Delete").click()
    browser.get_by_text(f"Deleted {row} for good.").wait_for()
    visitor.check_quiet()
