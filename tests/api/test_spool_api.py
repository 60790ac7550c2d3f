"""Mail on its way over REST: seen, commanded, traced; each by those whose mail it is."""

import pytest

from blobs.ids import encode_id, new_id
from clock.moments import to_micros, utc_now
from jobs.models import Job
from jobs.progress import Progress
from spool import bulkjobs
from spool.models import (
    LedgerHour,
    RefusedMail,
    SpooledMessage,
    SpooledRecipient,
    State,
    ThrottleCrossing,
)
from spool.throttle import hour_of


def make_message(domain, to="x@far.example"):
    now = utc_now()
    message = SpooledMessage.objects.create(
        id=new_id(), origin="submission", sender=f"alice@{domain.name}", domain=domain,
        size_bytes=1000, accepted_at=now, expires_at=now, recipients_total=1,
        message_id=f"m1@{domain.name}",
    )  # fmt: skip
    SpooledRecipient.objects.create(
        id=new_id(), message=message, address=to, original_address=to, route="remote",
        ledger_domain=domain, destination="far.example", due_at=now,
    )  # fmt: skip
    return message


@pytest.fixture
def message(world):
    return make_message(world.own)


def test_each_sees_the_mail_of_his_domains(world, program, message):
    foreign = make_message(world.other)
    asker = program(world.reseller)
    listed = asker.call("get", "spool/").json()
    assert [row["id"] for row in listed["items"]] == [encode_id(message.pk)]
    assert listed["total"] == 1 and listed["is_exact"]
    shown = asker.call("get", f"spool/{encode_id(message.pk)}/")
    assert shown.json()["recipients"][0]["address"] == "x@far.example"
    for path in ("spool", "trace"):
        assert asker.call("get", f"{path}/{encode_id(foreign.pk)}/").status_code == 404
        assert asker.call("get", f"{path}/nonsense/").status_code == 404
    assert len(program(world.root).call("get", "spool/").json()["items"]) == 2
    assert program(world.user).call("get", "spool/").json()["items"] == []


def test_mail_is_held_released_and_taken_back(world, program, message):
    asker = program(world.reseller)
    ids = [encode_id(message.pk)]
    held = asker.call("post", "spool/actions/", {"action": "hold", "ids": ids, "reason": "wait"})
    assert held.json()["done"] == 1, held.json()
    recipient = SpooledRecipient.objects.get()
    assert recipient.state == State.HELD
    undo = f"spool/changes/{held.json()['change_id']}/undo/"
    assert program(world.other_reseller).call("post", undo).status_code == 404
    assert asker.call("post", undo).json()["done"] == 1
    assert asker.call("post", undo).status_code == 409
    recipient.refresh_from_db()
    assert recipient.state == State.QUEUED


@pytest.mark.spec("S-020")
def test_an_action_needs_a_message(world, program, message):
    asker = program(world.root)
    for body in ({}, {"ids": []}, {"filter": {}}, {"all": False}):
        answer = asker.call("post", "spool/actions/", {"action": "delete", **body})
        assert answer.status_code == 400, body
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["type"] == "/api/problems/nothing-selected/"
    both = {"action": "delete", "ids": ["x"], "all": True}
    assert asker.call("post", "spool/actions/", both).status_code == 422
    assert SpooledRecipient.objects.get().state == State.QUEUED


@pytest.mark.spec("S-041")
def test_the_whole_spool_is_emptied_by_the_provider_alone(world, program, message):
    body = {"action": "delete", "all": True}
    assert program(world.reseller).call("post", "spool/actions/", body).status_code == 403
    assert program(world.root).call("post", "spool/actions/", body).json()["done"] == 1
    assert SpooledRecipient.objects.get().state == State.DELETING


def test_mail_of_others_is_not_acted_on(world, program, message):
    body = {"action": "delete", "ids": [encode_id(message.pk)]}
    answer = program(world.other_reseller).call("post", "spool/actions/", body)
    assert answer.json()["done"] == 0
    assert SpooledRecipient.objects.get().state == State.QUEUED


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"action": "priority", "priority": 9}, 200),
        ({"action": "priority"}, 422),
        ({"action": "way", "way": "direct"}, 200),
        ({"action": "way", "way": "to the moon"}, 422),
        ({"action": "way", "way": "gateway:99"}, 422),
        ({"action": "force"}, 200),
        ({"action": "reset"}, 200),
        ({"action": "hold"}, 422),
        ({"action": "quarantine"}, 422),
        ({"action": "quarantine", "reason": "spam"}, 200),
        ({"action": "release"}, 200),
        ({"action": "burn"}, 422),
    ],
)
def test_every_verb_of_the_spool(world, program, message, body, status):
    body = {**body, "filter": {"destination": "far.example"}}
    assert program(world.root).call("post", "spool/actions/", body).status_code == status


def test_a_trace_is_found_by_those_whose_mail_it_is(world, program, message):
    RefusedMail.objects.create(
        id=new_id(), at=utc_now(), client_address="192.0.2.1", sender="s@far.example",
        recipient="alice@own.example", reply="550 no",
    )  # fmt: skip
    for who, count in (("root", 1), ("reseller", 1), ("other_reseller", 0)):
        asker = program(getattr(world, who))
        found = asker.call("get", "trace/?q=alice@own.example").json()
        assert len(found["messages"]) == len(found["refused"]) == count, who
    story = program(world.reseller).call("get", f"trace/{encode_id(message.pk)}/").json()["story"]
    assert "x@far.example" in story


def test_of_others_mail_nobody_learns_who_sent_it_from_where_and_to_whom_else(world, program):
    message = make_message(world.other, to="alice@own.example")
    SpooledMessage.objects.update(
        sender_account=world.other_admin, client_address="198.51.100.7", recipients_total=3
    )
    for number in range(2):
        to = f"elsewhere{number}@far.example"
        SpooledRecipient.objects.create(
            id=new_id(), message=message, address=to, original_address=to, route="remote",
            ledger_domain=world.other, destination="far.example", due_at=message.accepted_at,
        )  # fmt: skip
    SpooledRecipient.objects.filter(address="alice@own.example").update(
        ledger_domain=world.own, destination=""
    )
    path = encode_id(message.pk)
    for who in (world.admin, world.reseller):
        asker = program(who)
        (row,) = asker.call("get", "spool/").json()["items"]
        assert (row["recipients"], row["total"], row["submitter"]) == ("alice@own.example", 1, "")
        shown = asker.call("get", f"spool/{path}/").json()
        assert [one["address"] for one in shown["recipients"]] == ["alice@own.example"]
        story = asker.call("get", f"trace/{path}/").json()["story"]
        assert "alice@own.example" in story
        for hidden in ("198.51.100.7", "logged in", "elsewhere"):
            assert hidden not in story
        for wanted in ("recipient=elsewhere0@far.example", "destination=far.example"):
            assert asker.call("get", f"spool/?{wanted}").json()["items"] == [], wanted
        for wanted in ({"recipient": "elsewhere0@far.example"}, {"domain": "far.example"}):
            body = {"action": "hold", "reason": "?", "filter": wanted}
            assert asker.call("post", "spool/actions/", body).json()["done"] == 0
        found = asker.call("get", "spool/?recipient=alice@own.example").json()["items"]
        assert len(found) == 1
    (row,) = program(world.root).call("get", "spool/").json()["items"]
    assert (row["total"], row["submitter"]) == (3, "admin@other.example")
    assert "198.51.100.7" in program(world.root).call("get", f"trace/{path}/").json()["story"]


def test_where_aliases_of_others_lead_is_not_told(world, program, message):
    SpooledRecipient.objects.update(
        address="secret@hidden.example",
        original_address="info@other.example",
        ledger_domain=world.other,
    )
    path = encode_id(message.pk)
    for who in (world.admin, world.reseller):
        for at in ("spool/", f"spool/{path}/", f"trace/{path}/"):
            shown = program(who).call("get", at).content.decode()
            assert "info@other.example" in shown and "secret" not in shown, at
        for at in ("spool/?recipient=secret@hidden.example", "trace/?q=secret@hidden.example"):
            answer = program(who).call("get", at).json()
            assert (answer.get("items") or answer.get("messages") or []) == [], at
    assert "secret" in program(world.root).call("get", f"spool/{path}/").content.decode()


def test_users_read_what_became_of_their_own_mail(world, program, message):
    path = f"trace/{encode_id(message.pk)}/"
    assert program(world.user).call("get", path).status_code == 404
    SpooledMessage.objects.update(sender_account=world.user)
    assert "x@far.example" in program(world.user).call("get", path).json()["story"]


def test_the_ledger_is_cut_to_the_domains_in_sight(world, program):
    hour = hour_of(to_micros(utc_now()))
    for domain_id in (0, world.own.pk, world.other.pk):
        LedgerHour.objects.create(domain_id=domain_id, hour=hour, accepted=5)
    rows = program(world.reseller).call("get", "ledger/").json()["items"]
    assert [(row["domain"], row["accepted"]) for row in rows] == [("own.example", 5)]
    assert len(program(world.root).call("get", "ledger/").json()["items"]) == 3
    foreign = program(world.reseller).call("get", "ledger/?domain=other.example")
    assert foreign.status_code == 404


def test_a_throttle_is_released_by_those_above_the_domain(world, program):
    ThrottleCrossing.objects.create(
        kind="domain", key_id=world.own.pk, hour=hour_of(to_micros(utc_now())), reason="messages",
        domain_id=world.own.pk, who="own.example", used=5, allowed=5, at=utc_now(),
    )  # fmt: skip
    body = {"kind": "domain", "key_id": world.own.pk}
    path = "throttled/release/"
    assert program(world.other_reseller).call("post", path, body).status_code == 404
    assert len(program(world.admin).call("get", "throttled/").json()["items"]) == 1
    assert program(world.admin).call("post", path, body).status_code == 403
    assert program(world.reseller).call("post", path, body).status_code == 200
    assert program(world.reseller).call("get", "throttled/").json()["items"] == []


def test_logs_open_for_administrators_with_the_lines_of_their_domains(world, program):
    assert program(world.user).call("get", "logs/").status_code == 403
    kinds = {row["kind"] for row in program(world.admin).call("get", "logs/").json()["items"]}
    assert {"smtp", "imap", "delivery"} <= kinds
    for path in (
        "smtp/1990-01-01",
        "smtp/yesterday",
        "nothing/2026-01-01",
        "..%2f..%2fx/2026-01-01",
    ):
        assert program(world.root).call("get", f"logs/{path}/").status_code == 404


def test_an_action_on_very_many_messages_becomes_a_job(world, program, message, monkeypatch):
    monkeypatch.setattr(bulkjobs, "MOST_AT_ONCE", 1)
    make_message(world.own)
    asker = program(world.reseller)
    body = {"action": "hold", "filter": {"destination": "far.example"}, "reason": "wait"}
    begun = asker.call("post", "spool/actions/", body)
    assert begun.status_code == 202, begun.json()
    place = begun["Location"].removeprefix("/api/v1/")
    assert asker.call("get", place).json()["actor"] == "rob"
    assert program(world.other_reseller).call("get", place).status_code == 404
    job = Job.objects.get()
    result = bulkjobs.act_on_spool(Progress(job_id=job.pk, actor_id=job.actor_id), **job.arguments)
    assert result["done"] == SpooledRecipient.objects.filter(state=State.HELD).count() == 2
    undo = f"spool/changes/{result['change_ids'][0]}/undo/"
    assert program(world.other_reseller).call("post", undo).status_code == 404
    assert asker.call("post", undo).json()["kind"] == "undo-in-spool"
