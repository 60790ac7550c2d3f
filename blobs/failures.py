"""Which fact an error of the disk or the database states."""

from __future__ import annotations

import errno
import sqlite3

from blobs.errors import StoreError, StoreFailed, StoreFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_PG_DISK_FULL = "53100"
_PG_RETRY = frozenset({"40001", "40P01", "55P03"})  # serialization, deadlock, lock not available
_PG_TAKEN = "23505"  # unique_violation
_SQLITE_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def store_error(error: OSError, needed_bytes: int | None = None) -> StoreError:
    """StoreFull or StoreFailed, as the errno says."""
    if error.errno in _FULL:
        return StoreFull(needed_bytes)
    return StoreFailed(f"cannot write: {error.strerror}")


def is_full(error: BaseException) -> bool:
    """Did the database say that its disk is full?"""
    cause = error.__cause__ or error
    return (
        getattr(cause, "sqlstate", None) == _PG_DISK_FULL
        or getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    )


def is_contention(error: BaseException) -> bool:
    """Did other writers get in the way, so that the same transaction may pass if tried again?"""
    cause = error.__cause__ or error
    code = getattr(cause, "sqlite_errorcode", None)
    return getattr(cause, "sqlstate", None) in _PG_RETRY or (
        code is not None and code & 0xFF in _SQLITE_BUSY
    )


def is_taken(error: BaseException) -> bool:
    """Did another writer enter the same meanwhile? SQLite has one writer: there it is a fault."""
    cause = error.__cause__ or error
    return getattr(cause, "sqlstate", None) == _PG_TAKEN
