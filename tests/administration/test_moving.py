"""The folder of a domain goes to another place, on the same disk and on another one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as conf
from django.core import mail
from django.core.management import CommandError, call_command

from accounts import provisioning
from accounts.errors import NotPermitted
from accounts.settings import DELETION
from administration import movejob, moving, reloadjob, renamejob, undo
from administration.errors import DomainInUse, NothingToUndo, RenameRefused, UndoRefused
from blobs import keeping, relocating
from blobs.models import Segment
from blobs.reading import forget_all
from blobs.space import FreeSpace
from clock.moments import utc_now
from domains import folders
from domains.errors import FolderInMove, FolderRefused, ValuesRefused
from domains.models import Domain, FolderMove
from events.models import AuditEntry
from jobs import running, services
from jobs.errors import JobCancelled, JobInterrupted
from jobs.models import Job, State
from jobs.progress import Progress
from mailboxes import indexing, verify
from mailboxes.models import Flag
from mailboxes.settler import Settler
from tests import disks
from tests.administration.movedfolders import ALICE, begin, files, subjects
from tests.administration.reloadworld import directory, folder_of, mail_world, receive, state
from tests.administration.test_reloading_mail import mark
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[World]:
    with mail_world(settings, tmp_path / "data") as made:
        yield made


def move(domain: Domain, goal: Path | str, *, by: Any = None) -> Job:
    job = begin(domain, goal, by=by)
    running.run_waiting()
    job.refresh_from_db()
    return job


def in_the_middle(monkeypatch: Any, act: Callable[[], object]) -> None:
    """Once, between the first pass and the switch."""
    bring, done = relocating.bring, []

    def brought(*args: Any, **options: Any) -> relocating.Brought:
        found = bring(*args, **options)
        if not done:
            done.append(True)
            act()
        return found

    monkeypatch.setattr(relocating, "bring", brought)


def send(settler: Settler, subject: str) -> None:
    mail.EmailMessage(subject, "text", to=[ALICE]).send()
    while settler.run_once():
        pass


@pytest.mark.spec("D-034")
def test_everything_is_as_it_was_at_the_new_place(world: World, disk: Path) -> None:
    receive(ALICE, "one", "two", "three")
    mark(folder_of(world.own, "alice"), 2, Flag.SEEN | Flag.FLAGGED, "later")
    indexing.write(world.own, now=utc_now())
    old, goal = directory(world.own), disk / "below" / "own"
    (old / "lost+found").mkdir()
    (old / "lost+found" / "kept").write_text("here")
    before, names = state(world.own), files(old)
    job = move(world.own, goal, by=world.root)
    assert (job.state, job.error) == (State.DONE, "")
    assert directory(world.own) == goal and not old.exists()
    assert files(goal) == names | {"manifest.json"}
    assert (goal / "lost+found" / "kept").read_text() == "here"
    assert goal.stat().st_mode & 0o777 == goal.parent.stat().st_mode & 0o777 == 0o700
    forget_all()
    assert state(world.own) == before
    receive(ALICE, "four")
    assert subjects(world.own) == ["one", "two", "three", "four"]
    rows = Segment.objects.filter(area=world.own.area_id).select_related("area")
    assert {row.path.parent for row in rows} == {goal}
    assert verify.verify() == [] and not FolderMove.objects.exists()


@pytest.mark.spec("D-034")
def test_mail_that_comes_and_goes_meanwhile_is_neither_lost_nor_doubled(
    world: World, disk: Path, monkeypatch: Any
) -> None:
    settler = Settler(settle_after=timedelta(seconds=-1))
    send(settler, "one")
    swept = directory(world.own) / "swept"
    swept.write_text("compaction removes files, too")

    def live_on() -> None:
        send(settler, "two")
        swept.unlink()

    in_the_middle(monkeypatch, live_on)
    assert move(world.own, disk / "own").state == State.DONE
    assert subjects(world.own) == ["one", "two"]
    assert not (disk / "own" / "swept").exists()
    # What the settler has open lies elsewhere now, or nowhere: there and back at once.
    send(settler, "three")
    for goal in ("", disk / "own"):
        assert move(world.own, goal).state == State.DONE
    send(settler, "four")
    settler.close()
    assert subjects(world.own) == ["one", "two", "three", "four"]
    assert verify.verify() == []


def test_what_cannot_be_the_folder_is_refused_before_anything_is_done(
    world: World, other: Path, monkeypatch: Any
) -> None:
    here = directory(world.own)
    (other / "used").mkdir()
    (other / "used" / "file").touch()
    (other / "link").symlink_to("/tmp")  # noqa: S108
    theirs = directory(world.other)
    wrong = (
        "relative", "/etc/mail", other, other / "used", other / "link" / "x", other / ".." / "x",
        theirs, theirs / "below", theirs.parent, here / "below", conf.MAILHOST_DATA / "keys",
    )  # fmt: skip
    for path in wrong:
        with pytest.raises(FolderRefused):
            begin(world.own, path)
    for same in (here, ""):
        with pytest.raises(ValuesRefused):
            begin(world.own, same)
    receive(ALICE, "one")
    low = FreeSpace(total_bytes=10**9, free_bytes=10**6, floor_bytes=10**6)
    monkeypatch.setattr(folders, "free_space", lambda directory: low)
    with pytest.raises(FolderRefused, match="it needs .* there, and 977 KB are free"):
        begin(world.own, other / "own")
    for actor in (world.reseller, world.admin):
        with pytest.raises(NotPermitted):
            begin(world.own, other / "own", by=actor)
    assert not Job.objects.exists() and not FolderMove.objects.exists()
    assert sorted(path.name for path in other.iterdir()) == ["link", "used"]


@pytest.mark.spec("S-057")
def test_what_the_operator_keeps_free_stays_free(world: World, other: Path) -> None:
    receive(ALICE, "one")
    disks.set_floor(megabytes=2**31 - 1, percent=100)
    with pytest.raises(FolderRefused, match="it needs .* there"):
        begin(world.own, other / "own")
    disks.set_floor(megabytes=0, percent=100)
    begin(world.own, other / "own")


def test_both_places_are_kept_while_it_is_on_its_way(world: World, other: Path) -> None:
    begin(world.own, other / "own")
    for path in (other / "own", other / "own" / "below"):
        with pytest.raises(FolderRefused):
            begin(world.other, path)
    (other / "own" / "x").parent.mkdir()
    with pytest.raises(FolderInMove):
        begin(world.own, other / "elsewhere")
    with pytest.raises(FolderInMove):
        reloadjob.start_reload(domain=world.own, by=None)
    with pytest.raises(RenameRefused, match="is being moved"):
        renamejob.start_rename(domain=world.own, name="new.example", keeps_old=True, by=None)
    running.run_waiting()
    assert directory(world.own) == other / "own"
    reloadjob.start_reload(domain=world.own, by=None)
    with pytest.raises(DomainInUse):
        begin(world.own, "")


def test_cancelled_or_failed_it_leaves_all_as_it_was(
    world: World, other: Path, monkeypatch: Any
) -> None:
    receive(ALICE, "one")
    old, before = directory(world.own), files(directory(world.own))

    def cancel() -> None:
        services.cancel(Job.objects.get(state=State.RUNNING).pk, by=None)
        raise JobCancelled

    def full() -> None:
        raise OSError(28, "No space left on device")

    for act, ends in ((cancel, State.CANCELLED), (full, State.FAILED)):
        with monkeypatch.context() as patched:
            in_the_middle(patched, act)
            job = move(world.own, other / "own")
        assert job.state == ends
        assert directory(world.own) == old and files(old) == before
        assert not (other / "own").exists() and not FolderMove.objects.exists()
    assert any("No space left" in words for _, words in job.notes)
    assert subjects(world.own) == ["one"]
    # Cancelled while it waits: nobody has begun, so the minute's look gives the place back.
    waiting = begin(world.own, other / "own")
    services.cancel(waiting.pk, by=None)
    assert moving.mend(now=utc_now() + moving.GRACE * 2) == 1 and not FolderMove.objects.exists()


def test_interrupted_by_the_end_of_the_server_it_goes_on(
    world: World, other: Path, monkeypatch: Any
) -> None:
    receive(ALICE, "one")

    def interrupt() -> None:
        raise JobInterrupted

    with monkeypatch.context() as patched:
        in_the_middle(patched, interrupt)
        job = begin(world.own, other / "own")
        running.run_waiting()  # the second run of the same job comes to its end
    job.refresh_from_db()
    assert (job.state, job.runs) == (State.DONE, 1)
    assert directory(world.own) == other / "own"
    assert subjects(world.own) == ["one"]


@pytest.mark.spec("D-034")
def test_undo_moves_it_back_unless_it_has_moved_on(world: World, other: Path) -> None:
    old = directory(world.own)
    receive(ALICE, "one")
    job = move(world.own, other / "own", by=world.root)
    entry = AuditEntry.objects.get(verb="moved folder")
    assert (entry.operation, entry.actor) == (f"job-{job.pk}", "root")
    assert entry.changes == {"folder_path": ["domains/own.example", str(other / "own")]}
    undo.undo([entry], by=world.root)
    running.run_waiting()
    assert directory(world.own) == old and not (other / "own").exists()
    assert subjects(world.own) == ["one"]
    with pytest.raises(NothingToUndo):
        undo.undo([entry], by=world.root)
    move(world.own, other / "third")
    with pytest.raises(UndoRefused, match="the folder was changed again since"):
        undo.undo([entry], by=world.root)


@pytest.mark.parametrize("days", [14, 0])
def test_a_domain_that_goes_meanwhile_is_not_moved(
    world: World, other: Path, monkeypatch: Any, days: int
) -> None:
    DELETION.change({"recycle_days": days}, by=None)
    receive(ALICE, "one")
    in_the_middle(monkeypatch, lambda: provisioning.close_domain(domain=world.own, by=None))
    job = move(world.own, other / "own")
    assert job.state == State.FAILED
    assert files(other) == set() and not FolderMove.objects.exists()


def test_it_waits_for_the_end_of_a_backup(world: World, other: Path) -> None:
    receive(ALICE, "one")
    job = begin(world.own, other / "own")
    progress = Progress(job_id=job.pk)
    with keeping.all_kept():
        seen: list[str] = []

        def report(done: int, total: int | None = None, words: str = "") -> None:
            seen.append(words)
            if "backup" in words:
                raise JobInterrupted

        progress.report = report  # type: ignore[method-assign]
        with pytest.raises(JobInterrupted):
            movejob.move_folder(progress, **job.arguments)
        assert directory(world.own).name == "own.example"
    running.run_waiting()
    assert directory(world.own) == other / "own"


def test_by_a_command_and_by_a_file(world: World, other: Path) -> None:
    out = StringIO()
    call_command("domain", "move", "own.example", str(other / "own"), "--json", stdout=out)
    assert json.loads(out.getvalue())["new"] == str(other / "own")
    assert directory(world.own) == other / "own"
    with pytest.raises(CommandError, match="is the folder of the domain already"):
        call_command("domain", "move", "own.example", str(other / "own"))
    call_command("domain", "move", "own.example", stdout=out)
    assert directory(world.own) == conf.MAILHOST_DATA / "domains/own.example"
    wanted = other / "file.yaml"
    text = f"domains: [{{name: own.example, folder_path: {other / 'third'}}}]"
    wanted.write_text(text)
    for _ in range(2):  # the second time it is on its way already
        call_command("apply", str(wanted), stdout=out)
    assert Job.objects.count() == 1
    running.run_waiting()
    assert directory(world.own) == other / "third"
