"""Throttled senders, hold rules, the forecast, the ledger and refused mail, on their pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from blobs.committer import process_committer
from clock.moments import to_micros, utc_now
from domains import directory as domain_directory
from domains.models import DomainThrottling
from events.models import AuditEntry
from mailinglists import membership, posts
from mailinglists import services as lists
from mailinglists.membership import NewSubscriber
from mailinglists.models import MailingList
from spool import measuring
from spool.claims import ClaimDue
from spool.lists import distribution
from spool.models import HoldRule, LedgerHour, RefusedMail, SpooledRecipient, State
from tests.panel.spoolworld import HOSTILE, send, spooling
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)

LogIn = Callable[[User], Client]


@pytest.fixture
def world(db: None) -> Iterator[World]:
    with spooling() as made:
        yield made


def shown(client: Client, url: str, **given: Any) -> str:
    return str(client.get(url, given).content.decode())


def claim() -> None:
    job = ClaimDue(owner=7, now=to_micros(utc_now()), limit=50)
    with transaction.atomic(), connection.cursor() as cursor:
        ClaimDue.write_rows([job], cursor)


@pytest.mark.spec("T-013")
def test_a_throttled_domain_is_found_and_released(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    assert "Nobody is throttled" in shown(client, "/panel/spool/throttled/")
    DomainThrottling.objects.filter(domain=world.own).update(
        outgoing_messages_per_hour=1, outgoing_messages_per_hour_enabled=True
    )
    domain_directory.clear()
    send("a@far.test", "b@far.test")
    claim()
    text = shown(client, "/panel/spool/throttled/")
    assert "own.example" in text and "1 of 1 messages this hour" in text and "1 recipient" in text
    url = f"/panel/spool/throttled/domain/{world.own.pk}/release/"
    page = client.post(url, follow=True).content.decode()
    assert "Released: 1 recipient may try again now." in page and "Nobody is throttled" in page
    assert AuditEntry.objects.filter(verb="released throttle").exists()
    assert "any more" in client.post(url, follow=True).content.decode()


@pytest.mark.spec("T-012", "T-013")
def test_a_throttled_list_is_found_and_released(world: World, log_in: LogIn) -> None:
    values = {"posting": "anyone", "throttle_enabled": True, "throttle_messages": 1}
    row = lists.create_list(domain=world.own, local_part="news", values=values, by=None)
    members = [NewSubscriber(f"{name}@far.test") for name in "abc"]
    membership.add_subscribers(mailing_list=row, rows=members, by=None)
    publish(row)
    claim()
    client = log_in(world.root)
    text = shown(client, "/panel/spool/throttled/")
    assert "news@own.example" in text and "mailing list" in text and "2 recipients" in text
    url = f"/panel/spool/throttled/list/{row.pk}/release/"
    page = client.post(url, follow=True).content.decode()
    assert "Released: 2 recipients may try again now." in page
    entry = AuditEntry.objects.get(verb="released throttle")
    assert entry.object_name == "news@own.example"


def publish(row: MailingList) -> None:
    """A post that is in the spool for all subscribers."""
    post, record = posts.make(
        row, b"Subject: x\r\n\r\nHi\r\n", sender="a@b.test", is_guarded=False, is_utf8=False,
        body_type="7BIT",
    )  # fmt: skip
    committer = process_committer()
    write = posts.Publishing(write=lambda _cursor: posts.write(post), records=[record])
    committer.commit_now(write)
    found = distribution.claim(utc_now())
    assert found is not None
    committer.commit_now(distribution.next_batch(found, utc_now()))


def test_a_hold_rule_catches_mail_and_lets_it_go(world: World, log_in: LogIn) -> None:
    client, url = log_in(world.root), "/panel/spool/hold-rules/"
    send("a@far.test")
    rule = {"destination": "far.test", "reason": HOSTILE, "hours": "2"}
    text = client.post(url, rule, follow=True).content.decode()
    assert "It holds 1 message in the spool" in text and HOSTILE not in text
    assert SpooledRecipient.objects.get().state == State.HELD
    assert HoldRule.objects.get().until is not None
    for wrong, words in (
        ({"reason": "all"}, "which mail it catches"),
        ({"sender": "x@y.example"}, "required"),
        ({"domain": "nowhere.example", "reason": "x"}, "nowhere.example"),
    ):
        assert words in client.post(url, wrong).content.decode()
    text = client.post(f"{url}{HoldRule.objects.get().pk}/remove/", follow=True).content.decode()
    assert "released 1 message." in text and SpooledRecipient.objects.get().state == State.QUEUED


@pytest.mark.spec("S-068")
def test_numbers_and_forecasts_stand_above_the_spool(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    send("a@far.test", "b@far.test")
    assert "Not counted yet" in shown(client, "/panel/spool/")
    measuring.measure(now=utc_now())
    text = shown(client, "/panel/spool/")
    assert "1 message" in text and "2 recipients" in text and "At this rate empty at" in text
    url = "/panel/spool/statistics/"
    assert "destination:far.test" in shown(client, url)
    text = shown(client, url, of="own.example", limit="1")
    assert "With 1 messages an hour: At this rate" in text
    # As in the settings of a domain, 0 limits nothing.
    assert "With no limit: At this rate" in shown(client, url, of="own.example", limit="0")
    assert "whole number" in shown(client, url, of="own.example", limit="-1")


def test_the_ledger_says_whether_it_balances_to_whom_it_concerns(
    world: World, log_in: LogIn
) -> None:
    send("a@far.test")
    send("alice@other.example", sender="alice@own.example")
    url = "/panel/ledger/"
    root = log_in(world.root)
    assert "Balanced" in shown(root, url, check="all") and "Balanced" not in shown(root, url)
    LedgerHour.objects.filter(domain_id=world.own.pk).update(accepted=7)
    text = shown(root, url, check="all")
    assert "does not balance for 1 domain" in text and "6 missing" in text
    assert "missing" in shown(log_in(world.admin), url, domain="own.example", days="31")
    text = shown(log_in(world.other_admin), url)
    assert "Balanced" in text and "own.example" not in text and "other.example" in text
    assert log_in(world.other_admin).get(url, {"domain": "own.example"}).status_code == 404


def test_refused_mail_is_found_by_address_domain_and_client(world: World, log_in: LogIn) -> None:
    for number in range(120):
        RefusedMail.objects.create(
            id=number + 1, at=utc_now(), client_address=f"192.0.2.{number % 3}",
            sender="eve@far.test", recipient=f"u{number}@own.example", reply=HOSTILE,
        )  # fmt: skip
    client, url = log_in(world.root), "/panel/trace/refused/"
    page = client.get(url)
    assert len(page.context["rows"]) == 100 and HOSTILE not in page.content.decode()
    assert len(client.get(url, {"before": page.context["more"]}).context["rows"]) == 20
    for words, count in (
        ("u7@own.example", 1), ("own.example", 100), ("192.0.2.1", 40), ("@other.example", 0),
    ):  # fmt: skip
        assert len(client.get(url, {"q": words}).context["rows"]) == count, words
