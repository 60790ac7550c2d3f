"""manage.py spool: the operator's verbs by their own door."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from blobs.ids import encode_id
from clock.moments import utc_now
from events.models import AuditEntry
from spool import undoing
from spool.models import HoldRule, SpooledMessage, SpooledRecipient, State
from tests.spool import outgoing
from tests.spool.outgoing import states, submit

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("one")]


def spool(*words):
    out = StringIO()
    call_command("spool", *words, stdout=out)
    return out.getvalue()


def row(address):
    return SpooledRecipient.objects.get(address=address)


@pytest.mark.spec("S-016", "S-042")
def test_a_verb_acts_on_all_that_fits_a_filter():
    submit("bob@far.test", "eve@near.test")
    submit("dan@near.test")
    counted = spool("priority", "9", "--filter", "destination:near.test", "--dry-run")
    assert counted == "2 messages would be met: mail with destination:near.test\n"
    done = spool("priority", "9", "--filter", "destination:near.test")
    assert done.startswith("2 done\nTo undo: manage.py spool undo ")
    assert (row("dan@near.test").priority, row("bob@far.test").priority) == (9, 5)
    undo = done.split()[-1]
    assert spool("undo", undo) == "2 messages are as they were before\n"
    assert row("dan@near.test").priority == 5
    with pytest.raises(CommandError, match="done already"):
        spool("undo", undo)
    entry = AuditEntry.objects.filter(verb="priority set mail in the spool").get()
    assert "(manage.py spool)" in entry.actor


@pytest.mark.spec("S-014", "S-016", "X-001")
def test_the_list_can_be_filtered_sorted_and_read_by_programs():
    first = submit("bob@far.test")
    second = submit("eve@near.test", body=outgoing.MESSAGE + b"x" * 5000)
    rows = json.loads(spool("list", "--json", "--sort", "size", "--descending"))
    assert [one["id"] for one in rows] == [encode_id(second), encode_id(first)]
    assert (rows[0]["status"], rows[0]["size_kb"]) == ("Queued", 6)
    (only,) = json.loads(spool("list", "--json", "--filter", "to:bob@far.test"))
    assert only["message_id"] == first
    assert "2 of 2 messages" in spool("list")
    assert "next (UTC)" in spool("list")
    with pytest.raises(CommandError, match="priority:99"):
        spool("list", "--filter", "priority:99")


@pytest.mark.spec("S-031")
def test_a_message_is_shown_safely_and_that_is_on_record():
    spool_id = submit("bob@far.test", body=outgoing.MESSAGE + b"\x1b]0;gotcha\x07")
    shown = spool("view", encode_id(spool_id))
    assert "Subject: Hello" in shown and "Hi." in shown
    assert "\x1b" not in shown
    assert spool("source", encode_id(spool_id)).endswith("Hi.\r\n\x1b]0;gotcha\x07")
    verbs = list(AuditEntry.objects.order_by("id").values_list("verb", flat=True))
    assert verbs[-2:] == ["viewed mail in the spool", "downloaded mail in the spool"]
    spool("delete", "--now", encode_id(spool_id))
    with pytest.raises(CommandError, match="has left the spool"):
        spool("view", encode_id(spool_id))


@pytest.mark.spec("S-032")
def test_each_recipient_is_shown_with_its_state_and_way():
    spool_id = submit("bob@far.test", "eve@near.test")
    spool("route", "host:mx.other.test:2525", "--filter", "to:eve@near.test")
    shown = " ".join(spool("recipients", encode_id(spool_id)).split())
    assert "bob@far.test │ Queued" in shown
    assert "mx.other.test:2525, chosen by hand" in shown
    assert "far.test, by the rules" in shown


@pytest.mark.spec("S-038", "S-041")
def test_deleting_all_must_be_said_and_can_be_undone_for_a_moment():
    spool_id = submit("bob@far.test")
    with pytest.raises(CommandError):
        spool("delete")
    with pytest.raises(CommandError):
        spool("delete", "--all", encode_id(spool_id))
    done = spool("delete", "--all")
    assert states(spool_id) == {"bob@far.test": "DELETING"}
    assert spool("list").endswith("0 of 0 messages\n")
    spool("undo", done.split()[-1])
    assert states(spool_id) == {"bob@far.test": "QUEUED"}
    done = spool("delete", "--all")
    undoing.finish_changes(now=utc_now() + timedelta(seconds=11))
    assert states(spool_id) == {"bob@far.test": "DELETED"}
    with pytest.raises(CommandError, match="cannot be undone"):
        spool("undo", done.split()[-1])


def test_mail_is_held_by_hand_and_by_standing_rules():
    spool_id = submit("bob@far.test")
    assert spool("hold", "--reason", "looks odd", encode_id(spool_id)).startswith("1 done")
    assert "Held (looks odd)" in spool("list")
    assert spool("release", "--all").startswith("1 done")
    added = spool("rules", "add", "--destination", "far.test", "--reason", "repair", "--hours", "2")
    assert "1 done" in added
    assert "repair" in spool("rules", "list")
    assert HoldRule.objects.get().until > utc_now() + timedelta(minutes=119)
    outgoing.forget_everything()
    later = submit("dan@far.test")
    assert states(later) == {"dan@far.test": "HELD"}
    number = str(HoldRule.objects.get().pk)
    assert "2 done" in spool("rules", "remove", number)
    assert row("dan@far.test").state == State.QUEUED
    with pytest.raises(CommandError):
        spool("rules", "remove", number)
    with pytest.raises(CommandError):
        spool("rules", "add", "--reason", "everything")


@pytest.mark.spec("S-060", lacks="a spam filter of its own")
def test_mail_is_put_in_quarantine_listed_and_let_go():
    first, second = submit("bob@far.test"), submit("eve@near.test")
    with pytest.raises(CommandError):
        spool("quarantine", encode_id(first))
    done = spool("quarantine", "--reason", "looks like spam", encode_id(first))
    assert done.startswith("1 done\nTo undo: manage.py spool undo ")
    shown = " ".join(spool("list", "--quarantine").split())
    assert "removed (UTC)" in shown and "1 of 1 messages" in shown
    assert "removed (UTC)" not in spool("list", "--waiting")
    (only,) = json.loads(spool("list", "--quarantine", "--json"))
    assert only["status"] == "Held (quarantine: looks like spam)"
    assert only["removed_at"] == row("bob@far.test").quarantined_until.isoformat()
    assert spool("count", "--filter", "status:quarantine") == "1 messages in the spool\n"
    assert spool("count", "--filter", "status:held") == "0 messages in the spool\n"
    assert "1 in quarantine" in spool("release", "--all")
    spool("undo", done.split()[-1])
    assert row("bob@far.test").state == State.QUEUED
    added = spool(
        "rules", "add", "--destination", "near.test", "--reason", "spam run", "--quarantine"
    )
    assert "1 done" in added and "put in quarantine" in spool("rules", "list")
    spool("rules", "remove", str(HoldRule.objects.get().pk))
    assert [one["id"] for one in json.loads(spool("list", "--quarantine", "--json"))] == [
        encode_id(second)
    ]
    assert "1 done" in spool("release", "--filter", "status:quarantine")
    spool("quarantine", "--reason", "x", "--all")
    numbers = spool("statistics", "--measure")
    assert "of these held: 2, in quarantine: 2" in numbers


def test_programs_get_the_result_as_json():
    first = submit("bob@far.test")
    found = json.loads(spool("force", "--json", encode_id(first), encode_id(first + 1)))
    assert (found["done"], found["skipped"]) == (1, 1)
    assert found["reasons"] == {"no longer in the spool": 1}
    assert SpooledMessage.objects.get().worst_state == State.QUEUED


@pytest.mark.spec("S-068")
def test_the_statistics_are_shown():
    submit("bob@far.test")
    SpooledMessage.objects.update()
    shown = spool("statistics", "--measure")
    assert "Messages in the spool: 1, recipients: 1, of these held: 0" in shown
    assert "far.test" in shown
    assert "At this rate empty" in shown
    assert json.loads(spool("statistics", "--json"))["recipients"] == 1


def test_what_was_done_is_listed():
    submit("bob@far.test")
    spool("force", "--all")
    spool("hold", "--reason", "x", "--all")
    shown = " ".join(spool("changes").split())
    assert "Forced │ the whole spool" in shown
    assert "Held │ the whole spool │ x │ 1" in shown
