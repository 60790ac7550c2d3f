"""Keeping every segment for a while: a backup copies files that the sweep would remove."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings


@contextmanager
def all_kept() -> Iterator[None]:
    """No segment file is removed meanwhile, by any process of this machine.

    Waits for a removal that is under way. The lock ends with the process that holds it.
    """
    with _locked(fcntl.LOCK_SH) as _:
        yield


@contextmanager
def removing() -> Iterator[bool]:
    """Whether segment files may be removed inside."""
    with _locked(fcntl.LOCK_EX | fcntl.LOCK_NB) as is_free:
        yield is_free


@contextmanager
def _locked(how: int) -> Iterator[bool]:
    folder = Path(settings.MAILHOST_DATA) / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    fd = os.open(folder / "segments.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, how)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)
