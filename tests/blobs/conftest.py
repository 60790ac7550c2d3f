"""An area, a committer and records for the tests of the blob store."""

import os
import subprocess

import pytest

from blobs.committer import Committer
from blobs.ids import new_id
from blobs.models import Area
from blobs.reading import forget_all
from blobs.store import Body, NewRecord, ensure_area


@pytest.fixture
def area(transactional_db, tmp_path):
    forget_all()
    return ensure_area("spool", path=str(tmp_path / "spool"), kind=Area.Kind.SPOOL)


@pytest.fixture
def committer(area):
    committer = Committer(area)
    yield committer
    committer.stop(timeout=20)


@pytest.fixture
def record(area):
    """Makes a record to be written."""

    def make(body=b"Subject: hello\r\n\r\nbody\r\n", *, meta=b"meta", facts=b"facts", **others):
        return NewRecord(new_id(), meta, facts, Body(area, body), **others)

    return make


@pytest.fixture
def small_disk(tmp_path):
    """A directory on a disk of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk here: {mounted.stderr.decode().strip()}")
    yield directory
    forget_all()
    subprocess.run(["umount", "-l", directory], check=True)
