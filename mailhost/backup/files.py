"""Copying files so that they are on the disk when the copy is done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODE = 0o700


@dataclass(slots=True)
class Copied:
    """Counted while it is done."""

    files: int = 0
    size_bytes: int = 0

    def copy(self, source: Path, goal: Path) -> None:
        """Raises OSError, FileNotFoundError if there is no such file (any more)."""
        goal.parent.mkdir(parents=True, exist_ok=True, mode=MODE)
        shutil.copyfile(source, goal, follow_symlinks=True)
        goal.chmod(0o600)
        sync(goal)
        self.files += 1
        self.size_bytes += goal.stat().st_size

    def copy_tree(self, source: Path, goal: Path) -> None:
        """All plain files below; what goes away meanwhile is left out."""
        for path in plain_files(source):
            try:
                self.copy(path, goal / path.relative_to(source))
            except FileNotFoundError:
                continue


def plain_files(folder: Path) -> Iterator[Path]:
    """Neither links nor sockets."""
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent) / name
            if path.is_file() and not path.is_symlink():
                yield path


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_folders(folder: Path) -> None:
    """All folders below, deepest first, and the one above."""
    for parent, _, _ in os.walk(folder, topdown=False):
        sync(Path(parent))
    sync(folder.parent)
