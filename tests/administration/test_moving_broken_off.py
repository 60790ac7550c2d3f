"""A move of a folder that was broken off, or killed: nothing is lost, nothing left behind."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as conf
from django.db import connections

from accounts import provisioning, recyclebin
from accounts.models import Recycled
from accounts.settings import DELETION
from administration import movejob, moving
from blobs import relocating, sweep
from blobs.committer import stop_process_committer
from blobs.models import Area
from clock.moments import utc_now
from domains import folders
from domains import moving as of_domains
from domains.errors import FolderRefused
from domains.models import Domain, FolderMove
from jobs.progress import Progress
from mailboxes import verify
from tests.administration.movedfolders import ALICE, begin, files, subjects
from tests.administration.reloadworld import directory, mail_world, receive
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[World]:
    with mail_world(settings, tmp_path / "data") as made:
        yield made


class Killed(BaseException):
    """What nothing but a signal does."""


def kill_at(monkeypatch: Any, point: str) -> None:
    """The process ends there, so that nothing of it is put right."""
    link_or_copy, done = relocating._link_or_copy, []

    def dies(*_: Any, **__: Any) -> None:
        raise Killed

    def dies_at_the_second(*args: Any, **options: Any) -> None:
        if done:
            raise Killed
        done.append(True)
        link_or_copy(*args, **options)

    if point == "files are brought":
        monkeypatch.setattr(relocating, "_link_or_copy", dies_at_the_second)
    elif point == "all are brought":
        monkeypatch.setattr(of_domains, "switch", dies)
    elif point == "it is switched":
        monkeypatch.setattr(relocating, "drop", dies)
    else:
        monkeypatch.setattr(relocating, "_drop_empty", dies)


def break_off(domain: Domain, goal: Path, point: str, monkeypatch: Any) -> None:
    row = Domain.objects.select_related("area").get(pk=domain.pk)
    with monkeypatch.context() as patched:
        kill_at(patched, point)
        with pytest.raises(Killed):
            movejob.run_now(domain=row, folder_path=str(goal), progress=Progress(job_id=0))
    assert FolderMove.objects.exists()


def mend() -> int:
    return moving.mend(now=utc_now() + moving.GRACE * 2)


def sweep_all() -> None:
    """What hours of sweeping and ticks do."""
    stop_process_committer()
    later, at_once = utc_now() + timedelta(days=1), timedelta()
    for _ in range(3):
        sweep.sweep(now=later, unreferenced_grace=at_once, readers_grace=at_once)
    folders.empty_trash()


def add_other_files(domain: Domain) -> None:
    (directory(domain) / "lost+found").mkdir()
    (directory(domain) / "lost+found" / "kept").write_text("here")


POINTS = ("files are brought", "all are brought", "it is switched", "the old place is emptied")


@pytest.mark.spec("D-034", "D-008")
@pytest.mark.parametrize("point", POINTS)
def test_purged_after_a_move_was_broken_off_nothing_is_left_at_either_place(
    world: World, disk: Path, monkeypatch: Any, point: str
) -> None:
    for subject in ("one", "two"):
        receive(ALICE, subject)
    add_other_files(world.own)
    old, goal = directory(world.own), disk / "own"
    area = Area.objects.get(pk=world.own.area_id)
    break_off(world.own, goal, point, monkeypatch)
    if point in POINTS[1::2]:
        DELETION.change({"recycle_days": 0}, by=None)
    provisioning.close_domain(domain=world.own, by=None)
    for item in Recycled.objects.all():
        recyclebin.purge(item=item, by=None)
    with pytest.raises(FolderRefused):  # nobody else's before it is empty
        begin(world.other, goal)
    assert mend() == 1
    assert not goal.exists() and not old.exists() and not FolderMove.objects.exists()
    sweep_all()
    assert not Area.objects.filter(pk=area.pk).exists()
    assert files(conf.MAILHOST_DATA / "trash") | files(disk) == set()
    assert begin(world.other, goal)


@pytest.mark.spec("D-034", "D-008")
@pytest.mark.parametrize("point", POINTS)
def test_restored_after_a_move_was_broken_off_it_has_all_its_mail(
    world: World, disk: Path, monkeypatch: Any, point: str
) -> None:
    for subject in ("one", "two"):
        receive(ALICE, subject)
    add_other_files(world.own)
    break_off(world.own, disk / "own", point, monkeypatch)
    here = directory(world.own)
    provisioning.close_domain(domain=world.own, by=None)
    assert mend() == 1
    places = {disk / "own", conf.MAILHOST_DATA / "domains/own.example"}
    assert [place for place in places if place.exists()] == []
    recyclebin.restore(item=Recycled.objects.get(), by=None)
    assert directory(world.own) == here
    assert subjects(world.own) == ["one", "two"]
    assert (here / "lost+found" / "kept").exists()
    assert verify.verify() == []


def kill_while_moving(domain: Domain, places: list[Path], *, after_seconds: float) -> None:
    """Another process moves the folder from place to place until it is killed."""
    stop_process_committer()
    connections.close_all()
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            for place in places:
                row = Domain.objects.select_related("area").get(pk=domain.pk)
                progress = Progress(job_id=0)
                movejob.run_now(domain=row, folder_path=str(place), progress=progress)
        os._exit(0)
    deadline = time.monotonic() + 60
    while not places[0].exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(after_seconds)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def slower(monkeypatch: Any) -> None:
    """So that a kill hits every step."""
    link_or_copy, drop = relocating._link_or_copy, relocating.drop

    def bring_slowly(*args: Any, **options: Any) -> None:
        link_or_copy(*args, **options)
        time.sleep(0.002)

    def drop_later(*args: Any, **options: Any) -> int:
        time.sleep(0.005)
        return drop(*args, **options)

    monkeypatch.setattr(relocating, "PIECE_BYTES", 512)
    monkeypatch.setattr(relocating, "_link_or_copy", bring_slowly)
    monkeypatch.setattr(relocating, "drop", drop_later)


@pytest.mark.spec("D-034")
def test_killed_at_any_moment_it_loses_nothing_and_can_be_gone_on_with(
    world: World, other: Path, monkeypatch: Any
) -> None:
    """kill -9 while copying, before and after the switch, while the old place is emptied."""
    for number in range(5):
        receive(ALICE, f"message {number}")  # each settler leaves a file of its own
    wanted = subjects(world.own)
    chance, left_behind = random.Random(7), 0
    slower(monkeypatch)
    for turn in range(6):
        places = [other / f"{turn}-{number}" for number in range(8)]
        kill_while_moving(world.own, places, after_seconds=chance.uniform(0, 0.1))
        assert subjects(world.own) == wanted
        left = FolderMove.objects.first()
        if left is None:
            continue
        left_behind += 1
        if turn % 2:
            assert moving.mend(now=utc_now() + moving.GRACE * 2) == 1
        else:
            goal = of_domains.of_row(left).goal
            domain = Domain.objects.select_related("area").get(pk=world.own.pk)
            movejob.run_now(domain=domain, folder_path=str(goal), progress=Progress(job_id=0))
            assert directory(world.own) == goal
        assert not FolderMove.objects.exists()
        assert subjects(world.own) == wanted
    assert left_behind and verify.verify() == []
    # Every place but the last one is empty again.
    here = directory(world.own)
    assert files(other) == {str((here / name).relative_to(other)) for name in files(here)}
