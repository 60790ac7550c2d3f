"""What this process has written and dropped, where the metrics of all processes find it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import msgspec
import structlog
from django.conf import settings as conf
from django.db import close_old_connections

from logbook.writer import BOOK
from operations import logs

log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 5.0


class Counts(msgspec.Struct, frozen=True):
    written: dict[str, int]
    dropped: dict[str, int]


def tell() -> None:
    """Put this process's counts where `all_counts` reads them; they go with the process's file."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{os.getpid()}.json"
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(Counts(dict(BOOK.written), dict(BOOK.dropped))))
    fresh.rename(path)


def all_counts() -> Counts:
    """Of the processes of this machine that live."""
    written: dict[str, int] = {}
    dropped: dict[str, int] = {}
    for path in _folder().glob("*.json"):
        if not Path(f"/proc/{path.stem}").exists():
            path.unlink(missing_ok=True)
            continue
        try:
            counts = msgspec.json.decode(path.read_bytes(), type=Counts)
        except (OSError, msgspec.DecodeError):
            continue
        for total, part in ((written, counts.written), (dropped, counts.dropped)):
            for name, number in part.items():
                total[name] = total.get(name, 0) + number
    return Counts(written, dropped)


def follow_in_thread() -> threading.Thread:
    """For processes without a loop: settings of the logs act in them, and their counts are told."""
    thread = threading.Thread(target=_follow, args=(threading.Event(),), name="logs", daemon=True)
    thread.start()
    return thread


def _follow(never: threading.Event) -> None:
    while True:
        close_old_connections()
        try:
            logs.apply()
            tell()
        except Exception:
            log.exception("the settings of the logs could not be read; tried again")
        close_old_connections()
        never.wait(FOLLOW_SECONDS)


def _folder() -> Path:
    return Path(conf.MAILHOST_RUN) / "counts"
