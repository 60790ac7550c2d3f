"""What is in quarantine, on its page and on the others of the spool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from blobs.ids import encode_id
from clock.moments import utc_now
from spool import measuring, quarantine
from spool.configuration import SPOOL
from spool.models import HoldRule, SpoolChange, SpooledRecipient, State
from tests.panel.spoolworld import HOSTILE, send, spooling
from tests.people import World
from units import moments

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.spec("S-060", lacks="a spam filter of its own"),
]

LogIn = Callable[[User], Client]
LIST = "/panel/spool/"
PAGE = f"{LIST}quarantined/"
VERB = f"{LIST}quarantine/"


@pytest.fixture
def world(db: None) -> Iterator[World]:
    with spooling() as made:
        yield made


def row(address: str) -> SpooledRecipient:
    return SpooledRecipient.objects.get(address=address)


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def test_marked_mail_is_put_there_seen_released_and_put_back(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    assert "Nothing is in quarantine" in text_of(client.get(PAGE))
    spool_id, other = send("a@far.test"), send("b@far.test")
    marked = {"selected": [encode_id(spool_id)]}
    page = client.post(VERB, {**marked, "quarantine_reason": "viagra"}, follow=True)
    assert "Quarantine: 1 done." in text_of(page) and "Undo" in text_of(page)
    until = row("a@far.test").quarantined_until
    assert until is not None
    shown = text_of(client.get(PAGE))
    assert "Held (quarantine: viagra)" in shown and "Removed at" in shown
    assert moments.in_words(until) in shown
    assert encode_id(spool_id) in shown and encode_id(other) not in shown
    everything, waiting = text_of(client.get(LIST)), text_of(client.get(f"{LIST}waiting/"))
    assert encode_id(spool_id) in everything and "Removed at" not in everything
    assert encode_id(spool_id) not in waiting and encode_id(other) in waiting
    page = client.post(f"{LIST}release/?view=quarantine", marked, follow=True)
    assert "Release: 1 done." in text_of(page) and "Nothing is in quarantine" in text_of(page)
    assert row("a@far.test").state == State.QUEUED
    change = SpoolChange.objects.order_by("-id")[0]
    client.post(f"{LIST}undo/", {"change": change.pk})
    assert (row("a@far.test").state, row("a@far.test").quarantined_until) == (State.HELD, until)


def test_the_page_of_a_message_tells_when_it_is_removed(world: World, log_in: LogIn) -> None:
    client, spool_id = log_in(world.root), send("a@far.test")
    address = f"/panel/message/{encode_id(spool_id)}/"
    client.post(VERB, {"only": encode_id(spool_id)})
    until = row("a@far.test").quarantined_until
    assert until is not None
    shown = text_of(client.get(address))
    assert f"In quarantine; removed {moments.in_words(until)}" in shown
    assert "It is in quarantine: “put there by an administrator”" in shown
    quarantine.remove_due(now=until)
    shown = text_of(client.get(address))
    assert "It was removed from quarantine on" in shown and "Removed from quarantine" in shown
    # The administrator of the domain is told as much, and not by whom.
    shown = text_of(log_in(world.admin).get(address))
    assert "It was removed from quarantine on" in shown and "root" not in shown
    assert log_in(world.other_admin).get(address).status_code == 404


def test_all_of_it_is_released_or_deleted_and_nothing_else(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    ids = [send(f"r{number}@far.test") for number in range(3)]
    client.post(VERB, {"selected": [encode_id(one) for one in ids[:2]]})
    client.post(f"{LIST}hold/", {"selected": [encode_id(ids[2])], "reason": "pause"})
    everything = {"all_matching": "1"}
    client.post(f"{LIST}release/", everything)
    assert [row(f"r{n}@far.test").state for n in range(3)] == [State.HELD, State.HELD, State.QUEUED]
    client.post(f"{LIST}delete/?view=quarantine&q=to:r0@far.test", everything)
    assert [row(f"r{n}@far.test").state == State.DELETING for n in range(3)] == [1, 0, 0]
    client.post(f"{LIST}delete/?view=quarantine&q=status:queued", everything)
    page = client.post(f"{LIST}release/?view=quarantine", everything, follow=True)
    assert "Release: 1 done." in text_of(page)
    assert [row(f"r{n}@far.test").state == State.DELETING for n in range(3)] == [1, 0, 0]


def test_the_list_is_sorted_filtered_and_counted(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for number in range(3):
        spool_id = encode_id(send(f"r{number}@far{number % 2}.test"))
        client.post(VERB, {"selected": [spool_id]})
        SPOOL.change({"quarantine_days": 10 - number}, by=None)

    def names(query: str) -> list[str]:
        rows = client.get(PAGE + query).context["page"].rows
        return [one.recipients.partition("@")[0] for one in rows]

    assert names("") == ["r2", "r1", "r0"]
    assert names("?sort=-removed_at") == ["r0", "r1", "r2"]
    assert names("?sort=-time_in_spool") == ["r0", "r1", "r2"]
    assert names("?q=destination:far0.test") == ["r2", "r0"]
    assert names("?q=status:quarantine") == ["r2", "r1", "r0"]
    assert names("?q=status:held") == []
    assert "Showing <strong>3 of 3</strong>" in text_of(client.get(PAGE))
    assert client.get(f"{LIST}?q=status:quarantine").context["page"].total == 3
    measuring.measure(now=utc_now())
    assert "3 held, 3 of them in quarantine" in text_of(client.get(LIST))


def test_what_is_written_by_others_is_only_text(world: World, log_in: LogIn) -> None:
    client, spool_id = log_in(world.root), encode_id(send('"<b>x</b>"@far.test'))
    client.post(VERB, {"selected": [spool_id], "quarantine_reason": HOSTILE})
    for url in (PAGE, LIST, f"/panel/message/{spool_id}/", f"{LIST}changes/"):
        shown = text_of(client.get(url))
        assert HOSTILE not in shown and "<b>x</b>" not in shown, url
    assert "&lt;script&gt;" in text_of(client.get(PAGE))


def test_it_needs_a_token_a_post_and_a_selection(world: World, log_in: LogIn) -> None:
    strict, spool_id = Client(enforce_csrf_checks=True), encode_id(send("a@far.test"))
    strict.force_login(world.root)
    assert strict.post(VERB, {"selected": [spool_id]}).status_code == 403
    client = log_in(world.root)
    assert client.get(VERB).status_code == 405
    assert "select at least one message" in text_of(client.post(VERB, follow=True))
    for somebody in (world.reseller, world.admin, world.user):
        assert log_in(somebody).post(VERB, {"selected": [spool_id]}).status_code == 403
    assert row("a@far.test").state == State.QUEUED


def test_a_hold_rule_puts_in_quarantine_and_leaves_it_there(world: World, log_in: LogIn) -> None:
    client, url = log_in(world.root), f"{LIST}hold-rules/"
    send("a@far.test")
    rule = {"sender": "alice@own.example", "reason": HOSTILE, "quarantines": "on"}
    text = text_of(client.post(url, rule, follow=True))
    assert "It puts in quarantine 1 message in the spool" in text and HOSTILE not in text
    assert "put in quarantine</td>" in text
    made = HoldRule.objects.get()
    assert made.quarantines and row("a@far.test").is_quarantined
    text = text_of(client.post(f"{url}{made.pk}/remove/", follow=True))
    assert "What it put in quarantine stays there." in text
    assert row("a@far.test").is_quarantined


def test_the_settings_say_how_long_and_whether_marks_count(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    shown = text_of(client.get("/panel/settings/"))
    assert "Quarantine outgoing mail that is marked as spam" in shown
    assert "Days in quarantine" in shown
    SPOOL.change({"quarantine_days": 1}, by=None)
    client.post(VERB, {"selected": [encode_id(send("a@far.test"))]})
    until = row("a@far.test").quarantined_until
    assert until is not None and until < utc_now() + timedelta(days=1, minutes=1)
