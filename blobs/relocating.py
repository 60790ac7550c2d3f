"""Bringing the files of an area into another directory while they are read and added to.

Until its row is switched the area lies in the old directory, and the files brought so far are seen
by nobody. On one file system a file gets a second name and no byte is copied; elsewhere it is
copied, synced, and only then gets its name: what has a name in the new directory is whole.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from blobs.segment import SUFFIX, sync_directory

MODE = 0o700
PART = ".moving-"  # how the name of a file begins that is not whole yet
PIECE_BYTES = 4 << 20
# A file changed so recently may be changed once more without its time telling.
TICK_SECONDS = 2.0
_NO_SECOND_NAME = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
)

Tell = Callable[[int], None]


@dataclass(slots=True)
class Brought:
    """What one pass did."""

    files: int = 0
    size_bytes: int = 0
    left: int = 0  # what is neither a file nor a directory, such as a link: it stays


@dataclass(frozen=True, slots=True)
class Measured:
    files: int
    size_bytes: int


def measure(directory: Path) -> Measured:
    """What there is to bring."""
    sizes = [found.st_size for _, found in _files(directory)]
    return Measured(len(sizes), sum(sizes))


def is_one_file_system(directory: Path, other: Path) -> bool:
    """Whether both lie on the same; of what is not there yet its nearest parent counts."""
    return nearest(directory).stat().st_dev == nearest(other).stat().st_dev


def nearest(path: Path) -> Path:
    """The path itself if it is there, else the first of its parents that is."""
    while not path.exists():
        path = path.parent
    return path


def bring(source: Path, goal: Path, tell: Tell, *, is_last: bool = False) -> Brought:
    """Bring what the goal has not yet, or not as it is now. May be done again and again.

    `tell` gets the bytes of each piece, and may raise to end it. `is_last`: nobody writes into
    the source meanwhile, and afterwards the goal has exactly what the source has. Raises OSError.
    """
    done = Brought()
    _make(goal)
    changed = {goal, goal.parent}
    wanted = set()
    for name, found in _files(source, done):
        wanted.add(name)
        path, target = source / name, goal / name
        try:
            if _is_there(found, target):
                tell(found.st_size)
                continue
            _make(target.parent)
            _link_or_copy(path, found, target, tell, is_last=is_last)
        except FileNotFoundError:
            if path.exists():
                raise
            continue  # swept since
        changed |= {target.parent, target.parent.parent}
        done.files += 1
        done.size_bytes += found.st_size
    if is_last:
        for name, _ in list(_files(goal)):
            if name not in wanted:
                (goal / name).unlink(missing_ok=True)
    for directory in changed:
        sync_directory(directory)
    return done


def drop(directory: Path, *, other: Path) -> int:
    """Remove the files that `other` has, too, then what is empty; how many files have stayed.

    The directory of an area that was moved: what somebody else put there stays.
    """
    for name, _ in list(_files(directory)):
        if (other / name).is_file() or name.name.startswith(PART):
            (directory / name).unlink(missing_ok=True)
    return _drop_empty(directory)


def take_back(goal: Path, *, source: Path, ours: Collection[str] = ()) -> int:
    """Remove what was brought until the move was given up; how many files have stayed.

    `ours`: names of files that are nobody else's, wherever the source may be by now.
    """
    for name, _ in list(_files(goal)):
        is_ours = name.suffix == SUFFIX or name.name.startswith(PART) or str(name) in ours
        if is_ours or (source / name).is_file():
            (goal / name).unlink(missing_ok=True)
    return _drop_empty(goal)


def _files(directory: Path, done: Brought | None = None) -> Iterator[tuple[Path, os.stat_result]]:
    """Plain files below the directory, by their names below it; links are not followed."""
    waiting = [Path()]
    while waiting:
        below = waiting.pop()
        try:
            entries = sorted(os.scandir(directory / below), key=lambda entry: entry.name)
        except FileNotFoundError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(below / entry.name)
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    yield below / entry.name, entry.stat(follow_symlinks=False)
            elif done is not None:
                done.left += 1


def _is_there(found: os.stat_result, target: Path) -> bool:
    try:
        there = target.lstat()
    except FileNotFoundError:
        return False
    if os.path.samestat(found, there):
        return True
    return (found.st_size, found.st_mtime_ns) == (there.st_size, there.st_mtime_ns)


def _link_or_copy(
    path: Path, found: os.stat_result, target: Path, tell: Tell, *, is_last: bool
) -> None:
    part = target.with_name(f"{PART}{target.name}")
    part.unlink(missing_ok=True)
    try:
        try:
            os.link(path, part, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_SECOND_NAME:
                raise
            _copy(path, part, tell, is_last=is_last)
        else:
            tell(found.st_size)
        part.rename(target)
    finally:
        # Two names of one file are left as they are by rename(2).
        part.unlink(missing_ok=True)


def _copy(path: Path, part: Path, tell: Tell, *, is_last: bool) -> None:
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(source)
        mode = stat.S_IMODE(found.st_mode)
        target = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            while count := _copy_piece(source, target):
                tell(count)
            if os.fstat(target).st_size < found.st_size:
                raise OSError(errno.EIO, f"{path.name} cannot be read to its end")
            os.fchmod(target, mode)
            is_still_moving = time.time() - found.st_mtime < TICK_SECONDS
            changed_at = 0 if is_still_moving and not is_last else found.st_mtime_ns
            os.utime(target, ns=(found.st_atime_ns, changed_at))
            os.fsync(target)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_piece(source: int, target: int) -> int:
    """Bytes that were copied; 0 at the end."""
    try:
        return os.copy_file_range(source, target, PIECE_BYTES)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAME:
            raise
    return os.sendfile(target, source, None, PIECE_BYTES)


def _make(directory: Path) -> None:
    """With its parents, for the server's own user alone."""
    if not directory.is_dir():
        _make(directory.parent)
        directory.mkdir(mode=MODE, exist_ok=True)
        sync_directory(directory.parent)


def _drop_empty(directory: Path) -> int:
    left = sum(1 for _ in _files(directory))
    for path, _, _ in os.walk(directory, topdown=False):
        with suppress(OSError):  # not empty, or where a volume is mounted
            Path(path).rmdir()
    return left
