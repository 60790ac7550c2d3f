"""Folders on other file systems than the tests' own, for what links cannot reach; full disks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spool import settings
from spool.models import SpoolSettings

SHARED_MEMORY = Path("/dev/shm")


@contextmanager
def other_disk() -> Iterator[Path]:
    """Linux has one in memory."""
    folder = Path(tempfile.mkdtemp(prefix="mailhost-disk-", dir=SHARED_MEMORY))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def small_disk(disk: Path, size_bytes: int) -> Iterator[Path]:
    """A new disk of that size, there. The test is skipped where nobody may mount one."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    disk.mkdir(exist_ok=True)
    size = f"size={size_bytes}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@contextmanager
def full(disk: Path, *, left_bytes: int = 0) -> Iterator[None]:
    """Not a byte more is left there meanwhile."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for piece in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(bytes(piece))
            except OSError:
                continue
        if left_bytes:
            file.truncate(filler.stat().st_size - left_bytes)
    try:
        yield
    finally:
        filler.unlink()


def set_floor(*, megabytes: int, percent: int) -> None:
    """What is to stay free, as the operator sets it (S-057)."""
    SpoolSettings.objects.update_or_create(
        pk=1, defaults={"free_space_floor_mb": megabytes, "free_space_floor_percent": percent}
    )
    settings.forget()
