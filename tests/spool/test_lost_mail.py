"""Mail whose acceptance a crash cut off: put into the spool once, unless it came again."""

import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts import services
from accounts.models import User
from blobs import lostfound, reconcile
from blobs.ids import encode_id, new_id
from blobs.models import Area, Segment
from blobs.store import (
    NewRecord,
    ensure_area,
    locate,
    new_body,
    read_body,
)
from clock.moments import utc_now
from domains import services as domain_services
from events.models import AuditEntry
from mailboxes.models import Message
from mailhost.backup import taking
from mailhost.backup.contents import AreaPlace, SegmentFile
from mailhost.backup.files import Copied
from panel import attention
from spool import intake, lost, proof, requeueing, telling, trace
from spool.models import (
    LostRecord,
    LostState,
    Origin,
    RefusedMail,
    SpooledMessage,
    SpooledRecipient,
)
from spool.tasks import put_lost_mail_into_spool
from tests import factories
from tests.people import make_world
from tests.spool import outgoing
from tests.spool.crashing import crash, crash_with, prepared, start_again
from tests.spool.outgoing import MESSAGE, submit

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("one"),
    pytest.mark.spec("S-058"),
]
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _own_folder(one, settings, tmp_path):
    """What a test leaves in lost+found is no other test's."""
    outgoing.stop_committer()
    settings.MAILHOST_DATA = tmp_path


def a_while_later(after=HOUR):
    return requeueing.requeue_due(now=utc_now() + after)


def only():
    return LostRecord.objects.select_related("area").get()


def verdict():
    row = only()
    return LostState(row.state), row.reason


def is_buried(row=None):
    return lost.path_of(row or only()).exists()


def test_a_message_that_nobody_was_answered_for_arrives_an_hour_after_the_start():
    crash(prepared("alice@one.example", "bob@far.test"))
    start_again()
    assert (only().sender, only().recipients, only().message_id) == (
        "alice@one.example", ["alice@one.example", "bob@far.test"], "1@one.example",
    )  # fmt: skip
    assert a_while_later(HOUR - timedelta(minutes=1)) == 0
    assert is_buried()
    assert a_while_later() == 1
    message = SpooledMessage.objects.get()
    assert (message.sender, message.origin, message.domain.name) == (
        "alice@one.example", "relay", "one.example",
    )  # fmt: skip
    assert outgoing.states(message.pk) == {
        "alice@one.example": "DELIVERED",
        "bob@far.test": "QUEUED",
    }
    assert (only().state, only().spooled_id) == (LostState.REQUEUED, message.pk)
    assert not is_buried()
    assert [balance.missing for balance in proof.balances()] == [0]
    story = telling.tell(trace.trace(message), now=utc_now())
    assert "It was found after a crash: whoever handed it in on " in story
    assert "had not been answered" in story


def test_its_bytes_are_those_that_were_handed_in():
    accepted = prepared("alice@one.example", body=MESSAGE + b"caf\xc3\xa9\r\n" * 60_000)
    wanted = accepted.records[0].body.read()
    crash(accepted)
    start_again()
    assert a_while_later() == 1
    message = SpooledMessage.objects.get()
    assert (message.body_type, message.size_bytes) == ("8BITMIME", len(wanted))
    stored = Message.objects.get()
    assert read_body(locate([stored.blob_id])[stored.blob_id]) == wanted


def test_what_came_again_stays_buried_and_the_record_says_so():
    crash(prepared("bob@far.test", "eve@far.test"))
    start_again()
    again = submit("eve@far.test")
    assert a_while_later() == 0
    assert verdict() == (
        LostState.NEEDLESS,
        f"the same message came again: it is {encode_id(again)}",
    )
    assert is_buried()
    assert SpooledMessage.objects.count() == 1


def with_id(number):
    return MESSAGE.replace(b"<1@", b"<%d@" % number)


def test_the_same_message_has_the_same_sender_id_and_a_recipient():
    crash(*[prepared("bob@far.test", body=with_id(number)) for number in (1, 2, 3, 4)])
    start_again()
    submit("bob@far.test", "eve@far.test", body=with_id(1))
    submit("bob@far.test", sender="admin@one.example", body=with_id(2))
    submit("eve@far.test", body=with_id(3))
    submit("bob@far.test", body=with_id(5))
    assert a_while_later() == 3
    assert LostRecord.objects.get(state=LostState.NEEDLESS).message_id == "1@one.example"


def test_without_a_message_id_of_its_own_the_length_tells():
    head = b"From: a@one.example\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n\r\n"
    crash(*[prepared("bob@far.test", body=head + text) for text in (b"Hi.", b"Good-bye to you.")])
    start_again()
    submit("bob@far.test", body=head + b"Hi.")
    assert a_while_later() == 1
    same = LostRecord.objects.get(state=LostState.NEEDLESS)
    assert same.size_bytes < LostRecord.objects.get(state=LostState.REQUEUED).size_bytes


def test_two_that_were_cut_off_of_one_message_arrive_as_one():
    crash(prepared("bob@far.test"), prepared("bob@far.test"))
    start_again()
    assert a_while_later() == 1
    states = LostRecord.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == [LostState.REQUEUED, LostState.NEEDLESS]


def test_killed_before_the_orphan_is_removed_it_still_goes_once(monkeypatch):
    crash(prepared("bob@far.test"))
    start_again()

    def killed(_row):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(lost, "let_go", killed)
        with pytest.raises(KeyboardInterrupt):
            a_while_later()
    assert only().state == LostState.REQUEUED
    assert is_buried()
    start_again()
    assert a_while_later() == 0
    assert not is_buried()
    assert SpooledMessage.objects.count() == 1


def test_of_two_processes_at_once_one_puts_it_in(monkeypatch):
    crash(prepared("bob@far.test"))
    start_again()
    row = only()
    # As both see it that have looked whether it came again, and read it, at the same time.
    monkeypatch.setattr(requeueing, "_came_again", lambda _row, _envelope: None)
    monkeypatch.setattr(lost, "let_go", lambda _row: None)
    requeueing.requeue(row=row, now=utc_now() + HOUR)
    with pytest.raises(requeueing.NotRequeued, match="it is in the spool already"):
        requeueing.requeue(row=row, now=utc_now() + HOUR)
    assert SpooledMessage.objects.count() == 1
    assert [balance.missing for balance in proof.balances()] == [0]


def test_recipients_are_asked_anew_and_refusals_leave_a_record():
    domain = factories.make_domain("two.example", "carol", "dave")
    crash(prepared("carol@two.example", "dave@two.example", origin=Origin.SMTP, sender="x@y.test"))
    start_again()
    services.delete_user(user=User.objects.get(domain=domain, local_part="dave"), by=None)
    outgoing.forget_everything()
    assert a_while_later() == 1
    assert list(SpooledRecipient.objects.values_list("address", flat=True)) == ["carol@two.example"]
    refused = RefusedMail.objects.get()
    assert (refused.sender, refused.recipient) == ("x@y.test", "dave@two.example")
    assert refused.reply == "550 5.1.1 No such mailbox here"
    assert "this server, which had found it after a crash" in telling.tell_refused(refused)


def test_whom_nobody_knows_any_more_it_is_kept_from_and_the_operator_is_told():
    make_world()
    crash(prepared("bob@far.test", origin=Origin.SMTP, sender="x@y.test"))
    start_again()
    assert a_while_later() == 0
    state, reason = verdict()
    assert state is LostState.KEPT
    assert reason == "nobody takes it: bob@far.test (550 5.7.1 Relaying denied)"
    (told,) = attention._lost_mail(None)
    assert told.text.startswith("A crash has left 1 piece of mail whose acceptance it cut off")
    assert a_while_later() == 0
    assert RefusedMail.objects.count() == 1


def test_who_cannot_take_it_now_is_waited_for_and_then_the_others_get_it():
    domain = factories.make_domain("two.example", "carol")
    crash(prepared("bob@far.test", "carol@two.example"))
    start_again()
    domain_services.set_disabled(domain=domain, is_disabled=True, by=None)
    outgoing.forget_everything()
    assert a_while_later() == 0
    state, reason = verdict()
    assert state is LostState.WAITING
    assert reason.startswith("not taken at the moment: carol@two.example")
    assert a_while_later(timedelta(days=1)) == 1
    assert list(SpooledRecipient.objects.values_list("address", flat=True)) == ["bob@far.test"]


def test_a_report_of_this_server_is_not_sent_twice():
    accepted = prepared(
        "alice@one.example", sender="", origin=Origin.SERVER, kind=intake.Kind.BOUNCE
    )
    crash(accepted)
    start_again()
    assert verdict() == (LostState.NEEDLESS, lost.WRITTEN_ANEW)
    assert a_while_later() == 0


def test_a_copy_of_accepted_mail_is_no_message_on_its_way():
    """Settling and reloading write the meta along, under another id and elsewhere."""
    (record,) = prepared("alice@one.example").records
    row = submit("alice@one.example")
    accepted = re.sub(rb'"id":\d+', b'"id":%d' % row, record.meta)
    folder = ensure_area("one", path="domains/one", kind=Area.Kind.DOMAIN)
    paths = [
        crash_with(NewRecord(new_id() + (1 << 12), record.meta, b"", new_body(b"a"))),
        crash_with(NewRecord(new_id(), record.meta, b"", new_body(b"b")), area=folder),
        crash_with(NewRecord(new_id(), accepted, b"", new_body(b"c"))),
        crash_with(NewRecord(new_id(), b"", b"", new_body(b"saved by a program"))),
    ]
    assert len(reconcile.bury(paths)) == 4
    lost.take_in(now=utc_now())
    assert dict(LostRecord.objects.values_list("reason", "state")) == {
        "it is a copy of a message that had been accepted before": LostState.KEPT,
        lost.OF_MAILBOX: LostState.NEEDLESS,
        lost.ACCEPTED: LostState.NEEDLESS,
        lost.NO_MAIL: LostState.KEPT,
    }
    assert a_while_later() == 0


def test_what_is_incomplete_is_told_of_and_the_sound_one_beside_it_arrives():
    path = crash(prepared("bob@far.test"), prepared("eve@far.test"))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 10)
    start_again()
    assert a_while_later() == 1
    assert outgoing.states(SpooledMessage.objects.get().pk) == {"bob@far.test": "QUEUED"}
    kept = LostRecord.objects.get(state=LostState.KEPT)
    assert kept.reason == "incomplete or damaged: torn"
    assert is_buried(kept)
    row = LostRecord.objects.select_related("area").get(pk=kept.pk)
    lost.delete(row=row, by=None)
    assert not is_buried(row)


def test_it_is_forgotten_with_the_traces_of_its_time_but_not_before_it_could_go():
    crash(prepared("bob@far.test", sender="x@y.test", origin=Origin.SMTP))
    start_again()
    row = only()
    soon = utc_now() + timedelta(minutes=1)
    assert lost.forget(before=row.found_at) == 0
    assert is_buried()
    assert lost.forget(before=soon) == 1
    assert not LostRecord.objects.exists()
    assert not lost.path_of(row).exists()


def test_the_schedule_does_it():
    crash(prepared("bob@far.test"))
    start_again()
    assert put_lost_mail_into_spool.call() == 0
    LostRecord.objects.update(found_at=utc_now() - HOUR)
    assert put_lost_mail_into_spool.call() == 1
    assert SpooledMessage.objects.count() == 1


def command(*words):
    out = StringIO()
    call_command("spool", "lost", *words, stdout=out)
    return out.getvalue()


def test_the_command_lists_requeues_and_deletes():
    crash(prepared("bob@far.test"), prepared("eve@far.test", body=MESSAGE.replace(b"<1@", b"<2@")))
    start_again()
    submit("bob@far.test")
    assert a_while_later(HOUR) == 1
    (shown,) = json.loads(command("list", "--json"))
    assert (shown["state"], shown["recipients"]) == ("needless", ["bob@far.test"])
    assert shown["file"].startswith("spool/lost+found/")
    assert shown["id"] in command("list")
    assert "Subject: Hello" in command("view", shown["id"])
    assert command("requeue", shown["id"]).startswith("it is in the spool as ")
    assert SpooledRecipient.objects.filter(address="bob@far.test").count() == 2
    with pytest.raises(CommandError, match="nothing in lost\\+found has the id"):
        command("delete", shown["id"])
    crash(prepared("bob@far.test"))
    start_again()
    (shown,) = json.loads(command("list", "--json"))
    path = lost.path_of(lost.by_id(LostRecord.objects.latest("pk").pk))
    assert command("delete", shown["id"]) == "deleted\n"
    assert not path.exists()
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {
        "put what a crash had left into the spool",
        "deleted what a crash had left",
    } < verbs


def test_a_deleted_one_cannot_be_read_any_more_though_its_file_stays():
    crash(prepared("bob@far.test"), prepared("eve@far.test", body=b"Subject: secret\r\n\r\n"))
    start_again()
    row = LostRecord.objects.select_related("area").get(recipients=["eve@far.test"])
    lost.delete(row=row, by=None)
    content = lost.path_of(row).read_bytes()
    assert b"secret" not in content and b"eve@far.test" not in content
    assert len(lostfound.contents(lost.path_of(row)).records) == 1


def test_a_backup_takes_nothing_along_that_its_copy_of_the_database_does_not_know(tmp_path):
    """Restored, it would look like mail that a crash has cut off."""
    submit("bob@far.test")
    outgoing.stop_committer()
    segment = Segment.objects.select_related("area").get()
    area = AreaPlace(segment.area.pk, segment.area.path)
    known = SegmentFile(segment.pk, area.key, segment.size_bytes, is_needed=True)
    with segment.path.open("ab") as file:
        file.write(b"accepted while the backup was made")
    copied = Copied()
    taking._copy_segment(tmp_path, area, known, copied)
    goal = taking.goal_of(tmp_path, area) / segment.path.name
    assert goal.stat().st_size == copied.size_bytes == segment.size_bytes
    assert segment.path.stat().st_size > segment.size_bytes
