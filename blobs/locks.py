"""Locks over all processes that share the data, each a file; the kernel frees them at any end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings


@contextmanager
def locked(name: str, how: int) -> Iterator[bool]:
    """Hold the lock of that name, as `fcntl.flock` has it; False: LOCK_NB, and others have it."""
    folder = Path(settings.MAILHOST_DATA) / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, how)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)
