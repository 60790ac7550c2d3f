"""The spool's list, the verbs on it, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from blobs.ids import encode_id
from events.models import AuditEntry
from jobs.models import Job
from jobs.progress import Progress
from spool import bulkjobs, gateways
from spool.models import SpoolChange, SpooledMessage, SpooledRecipient, State
from tests.panel.spoolworld import HOSTILE, defer, send, spooling
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)

LogIn = Callable[[User], Client]
LIST = "/panel/spool/"


@pytest.fixture
def world(db: None) -> Iterator[World]:
    with spooling() as made:
        yield made


def names(page: Any) -> list[str]:
    return [row.recipients.partition("@")[0] for row in page.context["page"].rows]


def state(address: str) -> int:
    return int(SpooledRecipient.objects.get(address=address).state)


@pytest.mark.spec("S-010", "S-013", "S-022", "S-023", "S-024", "S-025", "S-029", "S-039")
def test_the_list_shows_each_column_of_each_message(world: World, log_in: LogIn) -> None:
    spool_id = send("a@far.test", "b@far.test")
    defer(spool_id)
    text = log_in(world.root).get(LIST).content.decode()
    for shown in (
        encode_id(spool_id), "alice@own.example", "0/2", "1 KB",
        "Waiting to retry (450 4.2.1 later)", "a@far.test, b@far.test", "1 of 1",
    ):  # fmt: skip
        assert shown in text, shown


@pytest.mark.spec("S-012", "S-014", "S-016")
def test_the_list_is_filtered_sorted_and_cut_into_pages(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for number in range(27):
        send(f"r{number:02}@far{number % 2}.test")
    everything = [f"r{number:02}" for number in range(27)]
    assert names(client.get(LIST)) == everything
    assert names(client.get(LIST, {"sort": "time_in_spool"})) == everything[::-1]
    assert names(client.get(LIST, {"q": "destination:far1.test"})) == everything[1::2]
    first = client.get(LIST, {"rows": "25"})
    assert names(first) == everything[:25] and "25 of 27" in first.content.decode()
    # The number of rows is remembered.
    assert len(names(client.get(LIST))) == 25
    second = client.get(first.context["next_url"])
    assert names(second) == everything[25:]
    assert names(client.get(second.context["previous_url"])) == everything[:25]
    for nonsense in ({"at": "x"}, {"sort": "password"}, {"rows": "-1"}, {"q": "\0'\"%_"}):
        assert client.get(LIST, nonsense).status_code == 200
    assert "cannot be read" in client.get(LIST, {"q": "priority:99"}).content.decode()
    assert "No messages match" in client.get(LIST, {"q": "nobody"}).content.decode()


@pytest.mark.spec("S-011")
def test_what_is_being_delivered_is_not_in_the_waiting_view(world: World, log_in: LogIn) -> None:
    send("busy@far.test")
    send("idle@far.test")
    SpooledRecipient.objects.filter(address="busy@far.test").update(claimed_by=7)
    client = log_in(world.root)
    assert names(client.get(LIST)) == ["busy", "idle"]
    assert names(client.get(f"{LIST}waiting/")) == ["idle"]


def test_the_number_of_queries_does_not_grow_with_the_rows(
    world: World, log_in: LogIn, queries_grow: Any
) -> None:
    send("a@far.test")

    def more() -> None:
        for number in range(12):
            defer(send(f"r{number}@far{number}.test", "b@far.test"))

    growth = queries_grow(log_in(world.root), LIST, more)
    assert growth.many == growth.few <= 20


@pytest.mark.spec("S-033", "S-035", "S-042")
def test_marked_messages_are_forced_and_what_was_skipped_is_told(
    world: World, log_in: LogIn
) -> None:
    ids = [send("a@far.test"), send("b@far.test")]
    SpooledRecipient.objects.filter(address="b@far.test").update(
        state=State.HELD, due_at=None, hold_reason="x"
    )
    marked = [encode_id(one) for one in ids]
    page = log_in(world.root).post(f"{LIST}force/", {"selected": marked}, follow=True)
    assert "Force: 1 done, 1 skipped: 1 held." in page.content.decode()
    assert "immediate delivery" in page.content.decode()
    assert SpooledRecipient.objects.get(address="a@far.test").is_forced


@pytest.mark.spec("S-021", "X-007")
def test_a_verb_on_very_many_messages_leads_to_its_job(
    world: World, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulkjobs, "MOST_AT_ONCE", 1)
    client = log_in(world.root)
    for name in ("a", "b"):
        send(f"{name}@far.test")
    given = {"all_matching": "1", "reason": "wait"}
    page = client.post("/panel/spool/hold/?q=destination:far.test", given, follow=True)
    job = Job.objects.get()
    assert page.redirect_chain[-1][0] == f"/panel/jobs/{job.pk}/"
    assert "goes on while you go on" in page.content.decode()
    result = bulkjobs.act_on_spool(Progress(job_id=job.pk, actor_id=job.actor_id), **job.arguments)
    assert state("a@far.test") == state("b@far.test") == State.HELD
    undone = client.post("/panel/spool/undo/", {"change": result["change_ids"][0]}, follow=True)
    assert undone.redirect_chain[-1][0] == f"/panel/jobs/{Job.objects.latest('pk').pk}/"


@pytest.mark.spec("S-041")
@pytest.mark.spec("S-020")
def test_nothing_is_done_without_a_selection(world: World, log_in: LogIn) -> None:
    send("a@far.test")
    client = log_in(world.root)
    for verb in ("force", "reset", "priority", "hold", "quarantine", "release", "route", "delete"):
        for given in ({}, {"selected": ["nonsense", "../../etc"]}, {"only": "x"}):
            page = client.post(f"{LIST}{verb}/", given, follow=True)
            assert "select at least one message" in page.content.decode()
    for path in ("delete-all/", "reset-all/"):
        assert "select at least" in client.post(LIST + path, follow=True).content.decode()
    assert not SpoolChange.objects.exists()


@pytest.mark.spec("S-034", "S-036", "S-037")
def test_priority_route_and_hold_are_set_and_undone(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    gateway = gateways.add(values={"name": "out", "host": "mx.example"}, by=None)
    marked = {"selected": [encode_id(send("a@far.test"))]}

    def row() -> SpooledRecipient:
        return SpooledRecipient.objects.select_related("message").get()

    def undo() -> str:
        change = SpoolChange.objects.order_by("-id")[0]
        page = client.post(f"{LIST}undo/", {"change": change.pk}, follow=True)
        return str(page.content.decode())

    page = client.post(f"{LIST}priority/", {**marked, "priority": "9"}, follow=True)
    assert "Priority: 1 done." in page.content.decode() and "Undo" in page.content.decode()
    assert row().priority == row().message.manual_priority == 9
    assert "Undone for 1 message." in undo() and row().message.manual_priority is None
    assert "cannot be undone" in undo().lower()

    client.post(f"{LIST}route/", {**marked, "way": f"gateway:{gateway.pk}"})
    assert row().via == f"gateway:{gateway.pk}"
    undo()
    client.post(f"{LIST}route/", {**marked, "host": "mx.example.net:26"})
    assert row().via == "host:mx.example.net:26"
    client.post(f"{LIST}hold/", {**marked, "reason": HOSTILE})
    assert (row().state, row().hold_reason) == (State.HELD, HOSTILE)
    assert HOSTILE not in client.get(LIST).content.decode()
    client.post(f"{LIST}release/", marked)
    assert row().state == State.QUEUED
    SpooledRecipient.objects.update(attempts=7, state=State.RETRYING)
    page = client.post(f"{LIST}reset-all/", {"all": "true"}, follow=True)
    assert "Reset all retries: 1 done." in page.content.decode() and row().attempts == 0
    for wrong in ({"priority": "11"}, {"priority": "x"}, {"priority": ""}):
        page = client.post(f"{LIST}priority/", {**marked, **wrong}, follow=True)
        assert "from 1 to 10" in page.content.decode()
    for wrong in ({"way": "gateway:99"}, {"way": "nonsense"}, {"host": "a b"}):
        page = client.post(f"{LIST}route/", {**marked, **wrong}, follow=True)
        assert "alert-danger" in page.content.decode()


@pytest.mark.spec("S-021", "S-038", "S-041")
def test_deleting_asks_nothing_and_is_undone_within_seconds(world: World, log_in: LogIn) -> None:
    client = log_in(world.root)
    for number in range(3):
        send(f"r{number}@far{number % 2}.test")
    page = client.post(f"{LIST}delete/?q=destination:far0.test", {"all_matching": "1"}, follow=True)
    assert "Delete: 2 done." in page.content.decode() and "Undo" in page.content.decode()
    assert [state(f"r{n}@far{n % 2}.test") == State.DELETING for n in range(3)] == [1, 0, 1]
    assert AuditEntry.objects.filter(verb="deleted in the spool").count() == 2
    change = SpoolChange.objects.get()
    client.post(f"{LIST}undo/", {"change": change.pk})
    assert not SpooledRecipient.objects.filter(state=State.DELETING).exists()
    client.post(f"{LIST}delete-all/", {"all": "true"})
    assert SpooledRecipient.objects.filter(state=State.DELETING).count() == 3
    assert "Undo" in client.get(f"{LIST}changes/").content.decode()
    assert "The spool is empty" in client.get(LIST).content.decode()


def test_a_filter_that_cannot_be_read_selects_nothing(world: World, log_in: LogIn) -> None:
    send("a@far.test")
    client = log_in(world.root)
    for state_of_list in ("q=priority:99", "view=waiting"):
        client.post(f"{LIST}delete/?{state_of_list}", {"all_matching": "1"})
    assert not SpoolChange.objects.exists()


def test_verbs_need_a_token_and_a_post(world: World, log_in: LogIn) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.root)
    spool_id = encode_id(send("a@far.test"))
    assert strict.post(f"{LIST}delete/", {"selected": [spool_id]}).status_code == 403
    assert log_in(world.root).get(f"{LIST}delete/").status_code == 405
    assert SpooledMessage.objects.filter(finished_at=None).count() == 1


def test_hostile_addresses_are_only_text(world: World, log_in: LogIn) -> None:
    spool_id = send('"<b>x</b>"@far.test')
    defer(spool_id, reply=HOSTILE)
    client = log_in(world.root)
    for url in (
        LIST,
        f"/panel/message/{encode_id(spool_id)}/",
        "/panel/trace/?q=alice@own.example",
    ):
        text = client.get(url).content.decode()
        assert "<b>x" not in text and HOSTILE not in text
