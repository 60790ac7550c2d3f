"""kill -9 in the midst of the backup of a domain, and in the midst of restoring it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from accounts import provisioning
from blobs import keeping
from blobs.committer import stop_process_committer
from blobs.reading import forget_all
from clock.moments import utc_now
from domains.models import Domain
from mailboxes import folders
from mailhost.backup import files, onedomain
from mailhost.backup.contents import BackupError
from tests import databases
from tests.administration.reloadworld import all_is_counted, mail_world, receive, state
from tests.people import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.spec("X-032")]


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[World]:
    """With mail in folders of own.example."""
    with mail_world(settings, tmp_path / "data") as made:
        receive("alice@own.example", "one", "two", "three")
        receive("admin@own.example", "four")
        folders.create(account_id=made.user.pk, name="Work", now=utc_now())
        yield made


def kills(act: str, folder: Path) -> int:
    """How many processes were killed before one came to its end."""
    stop_process_committer()
    connections.close_all()
    done = subprocess.run(
        [sys.executable, "-m", "tests.administration.killed", act, "own.example", str(folder)],
        cwd=databases.ROOT,
        env=databases.own_environment(),
        stdout=subprocess.PIPE,
        check=True,
    )
    forget_all()
    return int(done.stdout.splitlines()[-1])


def test_a_killed_backup_is_none_and_stands_in_nobodys_way(world: World, tmp_path: Path) -> None:
    before = state(world.own)
    killed = kills("backup", tmp_path)
    assert killed >= 3
    whole = tmp_path / str(killed + 1)
    sizes = {path.suffix: path.stat().st_size for path in files.plain_files(whole)}
    for number in range(1, killed + 1):
        folder = tmp_path / str(number)
        if (folder / "domain-backup.json").exists():  # it had only to be synced
            found = {path.suffix: path.stat().st_size for path in files.plain_files(folder)}
            assert found == sizes
        else:
            with pytest.raises(BackupError, match="was not finished"):
                onedomain.restore("own.example", folder)
    with keeping.removing() as may_remove:
        assert may_remove, "whoever was killed keeps segments from being removed"
    assert onedomain.read(whole).messages == 4
    assert state(world.own) == before


def test_a_restore_killed_at_any_moment_is_completed_by_the_next(
    world: World, tmp_path: Path
) -> None:
    onedomain.take("own.example", tmp_path / "backup", now=utc_now())
    before, others = state(world.own), state(world.other)
    provisioning.close_domain(domain=world.own, by=None)
    assert kills("restore", tmp_path / "backup") >= 8
    assert state(Domain.objects.get(name="own.example")) == before
    assert state(world.other) == others
    all_is_counted()
