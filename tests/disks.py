"""A folder on another file system than the tests' own, for what links cannot reach."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")


@contextmanager
def other_disk() -> Iterator[Path]:
    """Linux has one in memory."""
    folder = Path(tempfile.mkdtemp(prefix="mailhost-disk-", dir=SHARED_MEMORY))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
