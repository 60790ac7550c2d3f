"""Keeping every segment for a while: a backup copies files that the sweep would remove."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from blobs.locks import locked


@contextmanager
def all_kept() -> Iterator[None]:
    """No segment file is removed meanwhile, by any process of this machine.

    Waits for a removal that is under way. The lock ends with the process that holds it.
    """
    with locked("segments", fcntl.LOCK_SH):
        yield


@contextmanager
def removing() -> Iterator[bool]:
    """Whether segment files may be removed inside."""
    with locked("segments", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_free:
        yield is_free
