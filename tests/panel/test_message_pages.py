"""The page of one message, the search for it, and how much of it is whose business."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from blobs.ids import encode_id
from clock.moments import utc_now
from events.models import AuditEntry
from spool import holding
from spool.models import Origin, RefusedMail, SpooledMessage, SpooledRecipient
from spool.selection import Selection
from tests.factories import make_alias, make_user
from tests.panel.spoolworld import HOSTILE, defer, send, spooling
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)

LogIn = Callable[[User], Client]
MAIL = (
    b"From: x@far.test\r\nSubject: <b>Hello</b>\r\nMessage-ID: <1@far.test>\r\n"
    b"Content-Type: text/html\r\n\r\n<p>Hi</p><img src=https://evil.example/x>"
    b"<script>alert(1)</script>\r\n"
)


@pytest.fixture
def world(db: None) -> Iterator[World]:
    with spooling() as made:
        yield made


def page(spool_id: int) -> str:
    return f"/panel/message/{encode_id(spool_id)}/"


def shown(client: Client, url: str, **given: Any) -> str:
    return str(client.get(url, given).content.decode())


@pytest.mark.spec("S-032")
@pytest.mark.spec("S-040")
def test_recipients_are_shown_with_each_try_and_its_reply(world: World, log_in: LogIn) -> None:
    spool_id = send("a@far.test", "b@other.test")
    defer(spool_id)
    text = shown(log_in(world.root), page(spool_id))
    for part in (
        "a@far.test", "b@other.test", "mx.far.test [192.0.2.25]", "TLSv1.3", "450 4.2.1 later",
        "far.test, by the rules", "delivered recipient by recipient", "did not take it yet",
    ):  # fmt: skip
        assert part in text, part


@pytest.mark.spec("S-031")
def test_the_text_is_shown_safely_and_looking_is_on_record(world: World, log_in: LogIn) -> None:
    spool_id = send("a@far.test", body=MAIL)
    client = log_in(world.root)
    text = shown(client, f"{page(spool_id)}text/")
    assert "&lt;b&gt;Hello&lt;/b&gt;" in text and "<b>Hello" not in text
    assert "<script>alert" not in text and 'src="https://evil' not in text and "<img" not in text
    assert AuditEntry.objects.filter(verb="viewed mail in the spool").count() == 1
    file = client.get(f"{page(spool_id)}download/")
    assert (
        file.content.endswith(MAIL) and f'{encode_id(spool_id)}.eml"' in file["Content-Disposition"]
    )
    assert file["Content-Type"] == "application/octet-stream"
    SpooledMessage.objects.update(blob=None)
    gone = client.get(f"{page(spool_id)}text/", follow=True).content.decode()
    assert "has left the spool" in gone


def test_a_trace_is_found_by_id_message_id_and_address(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    spool_id = send("a@far.test", body=MAIL)
    for words in (encode_id(spool_id), str(spool_id)):
        assert client.get("/panel/trace/", {"q": words})["Location"] == page(spool_id)
    for words in ("<1@far.test>", "a@far.test", "alice@own.example"):
        assert page(spool_id) in shown(client, "/panel/trace/", q=words)
    for words in ("nobody@far.test", "<>", "\0", "%", "9" * 300):
        assert "No message found" in shown(client, "/panel/trace/", q=words) or words == "\0"


def test_whoever_caused_mail_sees_all_of_it_but_who_did_what(world: World, log_in: LogIn) -> None:
    spool_id = send("a@far.test", "b@far.test")
    SpooledMessage.objects.update(sender_account=world.user)
    holding.hold(
        selection=Selection.of([spool_id]), reason="looked at", by=world.root, now=utc_now()
    )
    for who in (world.user, world.admin, world.reseller):
        text = shown(log_in(who), page(spool_id))
        assert "a@far.test" in text and "b@far.test" in text
        assert "an administrator: held" in text and f" {world.root}:" not in text
        assert "panel/spool/force" not in text and "/download/" not in text
    for stranger in (world.other_admin, world.other_reseller):
        assert log_in(stranger).get(page(spool_id)).status_code == 404
    assert " root: held" in shown(log_in(world.root), page(spool_id))


def test_others_see_their_own_recipients_and_nothing_else(world: World, log_in: LogIn) -> None:
    """Whom a message was for besides is the sender's business: blind copies stay blind."""
    make_user(world.own, "bert")
    spool_id = send(
        "alice@own.example", "bert@own.example", "alice@other.example", "c@far.test",
        sender="eve@elsewhere.example", origin=Origin.SMTP,
    )  # fmt: skip
    hidden = {
        world.other_admin: ("alice@own.example", "bert@own.example", "c@far.test"),
        world.admin: ("alice@other.example", "c@far.test"),
        world.user: ("bert@own.example", "alice@other.example", "c@far.test"),
    }
    for who, addresses in hidden.items():
        client = log_in(who)
        text = shown(client, page(spool_id))
        assert "eve@elsewhere.example" in text and f"@{who.domain}" in text
        for address in addresses:
            assert address not in text, (str(who), address)
            # Nor does the search say that it was among them.
            assert page(spool_id) not in shown(client, "/panel/trace/", q=address)
        assert page(spool_id) in shown(client, "/panel/trace/", q="eve@elsewhere.example")
    one = make_user(world.own, "nobody")
    assert log_in(one).get(page(spool_id)).status_code == 404


def test_a_customers_machine_and_account_are_not_told_to_another(
    world: World, log_in: LogIn
) -> None:
    spool_id = send("alice@other.example")
    SpooledMessage.objects.update(sender_account=world.user)
    text = shown(log_in(world.other_admin), page(spool_id))
    assert "192.0.2.7" not in text and "logged in" not in text
    assert "192.0.2.7" in shown(log_in(world.admin), page(spool_id))


def test_where_an_alias_leads_is_known_to_those_in_charge_of_it(
    world: World, log_in: LogIn
) -> None:
    make_alias(world.other, "info", "alice", "secret@hidden.test")
    spool_id = send("info@other.example")
    defer(spool_id, "450 4.2.1 secret@hidden.test is full")
    SpooledMessage.objects.update(sender_account=world.user)
    for who in (world.user, world.admin, world.reseller):
        text = shown(log_in(who), page(spool_id))
        assert "info@other.example" in text and "hidden.test" not in text
        assert "alice@other.example" not in text
        # Nor does the search say it.
        assert page(spool_id) not in shown(log_in(who), "/panel/trace/", q="secret@hidden.test")
    for who in (world.root, world.other_admin):
        text = shown(log_in(who), page(spool_id))
        assert "secret@hidden.test" in text or who == world.other_admin
        assert "alice@other.example" in text


def test_refused_mail_is_told_to_whom_it_was_for(world: World, log_in: LogIn) -> None:
    for number, (sender, recipient) in enumerate(
        [
            ("eve@far.test", "alice@own.example"),
            ("alice@own.example", "x@far.test"),
            ("alice@own.example", "ghost@other.example"),
        ]
    ):
        RefusedMail.objects.create(
            id=number + 1, at=utc_now(), client_address="192.0.2.9", sender=sender,
            recipient=recipient, reply=f"550 {HOSTILE} {number}",
        )  # fmt: skip

    def told(who: User) -> str:
        text = shown(log_in(who), "/panel/trace/", q="alice@own.example")
        assert HOSTILE not in text
        return "".join(str(n) for n in range(3) if f"&lt;/script&gt; {n}”" in text)

    assert told(world.root) == "012"
    assert told(world.admin) == told(world.user) == "01"
    assert told(world.other_admin) == "2"
    assert told(world.other_reseller) == "2"


def test_a_message_to_very_many_is_told_in_parts(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    spool_id = send(*(f"r{number:03}@far.test" for number in range(3)))
    client = log_in(world.root)

    def more() -> None:
        first = SpooledRecipient.objects.order_by("id")[0]
        for number in range(3, 130):
            first.pk, first.address = first.pk + 1000, f"r{number:03}@far.test"
            first.save(force_insert=True)

    growth = queries_grow(client, page(spool_id), more)
    assert growth.many == growth.few <= 16
    text = shown(client, page(spool_id))
    assert text.count("@far.test, by the rules") == 0 and "Further recipients" in text
