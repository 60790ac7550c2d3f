"""A whole mailbox as one file: all of its mail, by a job, for who asked alone."""

from __future__ import annotations

import io
import json
import mailbox
import os
import random
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as conf
from django.core.management import CommandError, call_command

from accounts import provisioning
from accounts.errors import NotPermitted
from accounts.models import User
from blobs.committer import process_committer, stop_process_committer
from blobs.models import Blob
from blobs.reading import forget_all
from blobs.space import FreeSpace
from clock.moments import utc_now
from events.models import AuditEntry
from jobs import running
from jobs.errors import JobCancelled
from jobs.models import Job, State
from jobs.progress import Progress
from mailboxes import exports, mboxzip, tasks
from mailboxes.errors import ExportGone, NoRoomForExport
from mailboxes.expunging import Expunge
from mailboxes.models import Flag, Message
from tests import disks
from tests.mailboxes.filled import put
from tests.people import World, make_world

pytestmark = pytest.mark.django_db(transaction=True)
LETTER = b"Subject: %s\r\nX: 1\r\n\r\nHello\r\nFrom me\r\n>From you\r\n"


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[World]:
    settings.MAILHOST_DATA = tmp_path
    yield make_world()
    stop_process_committer()
    forget_all()


def export(user: User, by: User) -> Job:
    job = exports.start(user=user, by=by)
    running.run_waiting()
    job.refresh_from_db()
    return job


def opened(path: Path) -> zipfile.ZipFile:
    found = zipfile.ZipFile(path)
    assert found.testzip() is None
    return found


def messages(path: Path, name: str, tmp_path: Path) -> list[mailbox.mboxMessage]:
    """As a mail program reads them."""
    plain = tmp_path / "read.mbox"
    plain.write_bytes(opened(path).read(name))
    return list(mailbox.mbox(plain))


@pytest.mark.spec("U-024")
def test_every_message_of_every_folder_is_there_with_its_flags(
    world: World, tmp_path: Path
) -> None:
    put(world.user, LETTER % b"one", flags=Flag.SEEN | Flag.ANSWERED)
    put(world.user, LETTER % b"two", flags=Flag.FLAGGED | Flag.DRAFT, keywords="$Work later")
    put(world.user, LETTER % b"gone")
    put(world.user, LETTER % b"deep", "Archive/2024/Übung")
    put(world.admin, LETTER % b"somebody else's")
    inbox = Message.objects.filter(folder__account=world.user, folder__name="INBOX")
    gone = inbox.order_by("-uid")[0]
    process_committer().commit_now(
        Expunge(
            folder_id=gone.folder_id, domain_id=world.own.pk, uids=[gone.uid], even_unflagged=True
        )
    )
    job = export(world.user, world.user)
    assert (job.state, job.error) == (State.DONE, "")
    assert job.result is not None and (job.result["messages"], job.result["damaged"]) == (3, 0)
    assert (job.done, job.total) == (3, 3)
    path = exports.fetch(world.user, world.user, job.pk)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    one, two = messages(path, "INBOX.mbox", tmp_path)
    assert (one["Subject"], two["Subject"]) == ("one", "two")
    assert (set(one.get_flags()), set(two.get_flags())) == (set("ROA"), set("OFT"))
    assert two["X-Keywords"] == "$Work later"
    assert one.get_payload() == "Hello\n>From me\n>>From you\n"
    (deep,) = messages(path, "Archive.2024.Übung.mbox", tmp_path)
    assert deep["Subject"] == "deep"
    listing = json.loads(opened(path).read(mboxzip.CONTENTS))
    assert listing["address"] == "alice@own.example"
    by_file = {one["file"]: one for one in listing["folders"]}
    assert by_file["Archive.2024.Übung.mbox"]["name"] == "Archive/2024/Übung"
    assert set(by_file) | {mboxzip.CONTENTS} == set(opened(path).namelist())
    assert by_file["INBOX.mbox"]["uid_next"] == 4


def test_bytes_are_as_they_were_but_for_line_ends_and_quoting(world: World, tmp_path: Path) -> None:
    octets = bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"") * 5
    put(world.user, b"A: b\r\n\r\n" + octets + b"\r\nno end")
    job = export(world.user, world.user)
    raw = opened(exports.fetch(world.user, world.user, job.pk)).read("INBOX.mbox")
    separator, _, rest = raw.partition(b"\n")
    assert separator.startswith(b"From MAILER-DAEMON ")
    assert rest == b"Status: O\nA: b\n\n" + octets + b"\nno end\n\n"


def test_what_a_message_says_of_flags_and_lengths_is_left_out(world: World, tmp_path: Path) -> None:
    put(world.user, b"Subject: a\r\nContent-Length: 1\r\nX-Status: D\r\n\r\nStatus: x\r\n")
    job = export(world.user, world.user)
    (found,) = messages(exports.fetch(world.user, world.user, job.pk), "INBOX.mbox", tmp_path)
    assert (found.get_flags(), found["Content-Length"]) == ("O", None)
    assert found.get_payload() == "Status: x\n"


def test_hostile_folder_names_stay_inside(world: World, tmp_path: Path) -> None:
    for name in ("../../evil", "..", "a\\b", "INBOX/\x01x", "inbox", "CON", "x" * 900):
        put(world.user, LETTER % b"x", name)
    job = export(world.user, world.user)
    file = opened(exports.fetch(world.user, world.user, job.pk))
    goal = tmp_path / "unpacked"
    file.extractall(goal)
    assert {path.parent for path in goal.rglob("*")} == {goal}
    assert len({name.casefold() for name in file.namelist()}) == len(file.namelist())
    names = {one["name"] for one in json.loads(file.read(mboxzip.CONTENTS))["folders"]}
    assert "../../evil" in names


def test_a_large_message_is_never_held_whole(
    world: World, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr(mboxzip, "PIECE_BYTES", 1000)
    body = b"".join(b"line %d\r\nFrom x\r\n" % n for n in range(5000))
    put(world.user, b"A: b\r\n\r\n" + body)
    largest = []
    feed = mboxzip.mbox.Quoter.feed

    def watched(self: Any, piece: bytes) -> bytes:
        largest.append(len(piece))
        return feed(self, piece)

    monkeypatch.setattr(mboxzip.mbox.Quoter, "feed", watched)
    job = export(world.user, world.user)
    raw = opened(exports.fetch(world.user, world.user, job.pk)).read("INBOX.mbox")
    assert max(largest) == 1000 and len(largest) > 50
    wanted = body.replace(b"\r\n", b"\n").replace(b"From x", b">From x")
    assert raw.partition(b"\n\n")[2] == wanted + b"\n"


def test_a_damaged_message_is_told_of_and_the_others_are_there(
    world: World, tmp_path: Path
) -> None:
    bad = put(world.user, LETTER % b"broken")
    put(world.user, LETTER % b"whole")
    blob = Blob.objects.select_related("segment__area").get(pk=bad.blob_id)
    with blob.segment.path.open("r+b") as file:
        file.seek(blob.offset + blob.length - 3)
        file.write(b"???")
    forget_all()
    job = export(world.user, world.user)
    assert job.result is not None and (job.result["messages"], job.result["damaged"]) == (1, 1)
    assert "INBOX, UID 1" in job.notes[-1][1]
    path = exports.fetch(world.user, world.user, job.pk)
    assert [one["Subject"] for one in messages(path, "INBOX.mbox", tmp_path)] == ["whole"]


@pytest.mark.spec("U-024")
def test_only_who_asked_has_the_file_and_all_is_on_record(world: World) -> None:
    put(world.user, LETTER % b"one")
    for stranger in (world.other_admin, world.other_reseller):
        with pytest.raises(NotPermitted):
            exports.start(user=world.user, by=stranger)
    with pytest.raises(NotPermitted):
        exports.start(user=world.admin, by=world.user)
    assert not Job.objects.exists()
    job = export(world.user, world.admin)
    assert exports.fetch(world.admin, world.user, job.pk).is_file()
    for other in (world.user, world.reseller, world.root):
        assert exports.latest(other, world.user) == []
        with pytest.raises(ExportGone):
            exports.fetch(other, world.user, job.pk)
    with pytest.raises(ExportGone):  # by the address of another mailbox
        exports.fetch(world.admin, world.admin, job.pk)
    trail = AuditEntry.objects.filter(object_name="alice@own.example").order_by("pk")
    assert list(trail.values_list("verb", "actor"))[-2:] == [
        ("began to export the mailbox", "admin@own.example"),
        ("downloaded the exported mailbox", "admin@own.example"),
    ]


def test_what_one_may_not_do_any_more_is_not_done_by_the_job_either(world: World) -> None:
    put(world.user, LETTER % b"one")
    job = exports.start(user=world.user, by=world.reseller)
    provisioning.hand_over(domain=world.own, reseller=world.other_reseller, by=None)
    running.run_waiting()
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert list((conf.MAILHOST_DATA / "exports").glob("*")) == []


def test_one_at_a_time_the_newest_replaces_the_older_and_days_end_it(world: World) -> None:
    put(world.user, LETTER % b"one")
    first = exports.start(user=world.user, by=world.user)
    assert exports.start(user=world.user, by=world.user) == first
    running.run_waiting()
    old = exports.fetch(world.user, world.user, first.pk)
    second = export(world.user, world.user)
    assert second.pk != first.pk and not old.exists()
    assert [one.path is not None for one in exports.latest(world.user, world.user)] == [True, False]
    path = exports.fetch(world.user, world.user, second.pk)
    assert exports.forget_old(now=utc_now()) == 0
    week_ago = time.time() - exports.KEPT.total_seconds() - 60
    os.utime(path, (week_ago, week_ago))
    assert tasks.forget_old_exports.call() == 1
    with pytest.raises(ExportGone):
        exports.fetch(world.user, world.user, second.pk)


def test_cancelled_or_without_room_it_leaves_nothing(world: World, monkeypatch: Any) -> None:
    put(world.user, LETTER % b"one")

    def cancel(self: Progress, *args: Any) -> None:
        raise JobCancelled

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "report", cancel)
        assert export(world.user, world.user).state == State.CANCELLED
    assert list((conf.MAILHOST_DATA / "exports").iterdir()) == []
    low = FreeSpace(total_bytes=1000, free_bytes=10, floor_bytes=50)
    monkeypatch.setattr(exports, "free_space", lambda directory: low)
    with pytest.raises(NoRoomForExport):
        exports.start(user=world.user, by=world.user)


@pytest.mark.spec("S-057")
def test_what_the_operator_keeps_free_stays_free(world: World) -> None:
    put(world.user, LETTER % b"one")
    disks.set_floor(megabytes=2**31 - 1, percent=100)
    with pytest.raises(NoRoomForExport):
        exports.start(user=world.user, by=world.user)
    # Of the two the smaller one counts.
    disks.set_floor(megabytes=2**31 - 1, percent=0)
    assert export(world.user, world.user).state == State.DONE


@pytest.mark.spec("U-024")
def test_a_full_disk_ends_it_in_plain_words_and_leaves_nothing(world: World) -> None:
    dice = random.Random(2)
    for number in range(3):
        put(world.user, LETTER % b"%d" % number + dice.randbytes(60_000).hex().encode())
    with disks.small_disk(conf.MAILHOST_DATA / "exports", 1 << 20) as disk:
        with disks.full(disk, left_bytes=40_000):
            assert export(world.user, world.user).state == State.FAILED
            (told,) = exports.latest(world.user, world.user)
            words = "the server has no room for a copy of the mailbox of alice@own.example"
            assert (told.path, told.reason) == (None, words)
            assert [path.name for path in disk.iterdir()] == ["filler"]
        job = export(world.user, world.user)
        assert job.result is not None and job.result["messages"] == 3
        now, _ = exports.latest(world.user, world.user)
        assert now.path is not None and now.reason == ""


def test_by_a_command(world: World, tmp_path: Path) -> None:
    put(world.user, LETTER % b"one")
    out, path = io.StringIO(), tmp_path / "alice.zip"
    call_command("mailbox", "export", "alice@own.example", str(path), "--json", stdout=out)
    assert json.loads(out.getvalue())["messages"] == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one["Subject"] for one in messages(path, "INBOX.mbox", tmp_path)] == ["one"]
    with pytest.raises(CommandError, match="is there already"):
        call_command("mailbox", "export", "alice@own.example", str(path))
    with pytest.raises(CommandError, match="there is no user"):
        call_command("mailbox", "export", "nobody@own.example", str(tmp_path / "x.zip"))
    entry = AuditEntry.objects.get(verb="exported the mailbox")
    assert entry.object_name == "alice@own.example" and "manage.py mailbox" in entry.actor
