"""Holding an area's directory under its name: by all who write into it, against who renames it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blobs.errors import StoreFailed
from blobs.models import Area
from blobs.segment import sync_directory

_TRY_AGAIN_SECONDS = 0.05
_MOST_MOVES = 10


class AreaBusy(Exception):
    """Others have not stopped writing into the directory in time."""

    def __init__(self, area: Area) -> None:
        super().__init__(f"the folder {area.path} is being written to")


@contextmanager
def held(area: Area) -> Iterator[None]:
    """The directory, made if it is missing, keeps its name meanwhile; many may hold it at once.

    `area.path` is brought up to date. Not inside a transaction: who moves the directory waits for
    its holders, and has one. Raises StoreFailed.
    """
    fd = _hold(area)
    try:
        yield
    finally:
        os.close(fd)


@contextmanager
def held_alone(area: Area, *, seconds: float) -> Iterator[None]:
    """Nobody else writes into the directory meanwhile.

    Raises AreaBusy after `seconds`, StoreFailed.
    """
    area.refresh_from_db()
    _make(area.directory)
    fd = _open(area.directory)
    try:
        if not _lock_alone(fd, seconds):
            raise AreaBusy(area)
        yield
    finally:
        os.close(fd)


@contextmanager
def left_alone(directory: Path, *, seconds: float) -> Iterator[bool]:
    """Whether nobody writes into the directory meanwhile; those who do are waited for so long.

    For a rename whose row says so already: who waits here follows it. Raises FileNotFoundError.
    """
    fd = _open(directory)
    try:
        yield _lock_alone(fd, seconds)
    finally:
        os.close(fd)


def _lock_alone(fd: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not _lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_TRY_AGAIN_SECONDS)
    return True


def _hold(area: Area) -> int:
    for _ in range(_MOST_MOVES):
        _make(area.directory)
        with suppress(FileNotFoundError):
            fd = _open(area.directory)
            _lock(fd, fcntl.LOCK_SH)
            if _is_in_place(fd, area):
                return fd
            os.close(fd)
    raise StoreFailed(f"the folder of {area} does not stay in its place")


def _is_in_place(fd: int, area: Area) -> bool:
    """Whether the directory still is the area's; else `area` has its new path."""
    opened_as = area.path
    path = Area.objects.filter(pk=area.pk).values_list("path", flat=True).first()
    if path is not None:
        area.path = path
    if area.path != opened_as:
        return False
    try:
        return os.path.samestat(os.fstat(fd), area.directory.stat())
    except FileNotFoundError:
        return False


def _make(directory: Path) -> None:
    if directory.is_dir():
        return
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        sync_directory(directory.parent)
    except OSError as error:
        raise StoreFailed(f"{directory}: {error.strerror}") from error


def _open(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _lock(fd: int, how: int) -> bool:
    # A lock on the directory itself goes with it, whatever it is called.
    try:
        fcntl.flock(fd, how)
    except BlockingIOError:
        return False
    return True
