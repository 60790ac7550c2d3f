"""Looks after the certificates while the web part runs: a thread, and a process for orders."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import structlog
from django.conf import settings
from django.db import close_old_connections, connection

from certificates import files, keeping
from clock.moments import utc_now

log = structlog.get_logger(__name__)

ROUND_SECONDS = 60.0
# A change in the folder is taken in at once.
LOOK_SECONDS = 5.0
ENDING_SECONDS = 5.0


class Keeper:
    """Orders run in a process of their own: its library would burden this one for nothing."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="certificates", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """An order that is under way is given up; it is tried again later."""
        self._stop.set()
        self._thread.join(2 * ENDING_SECONDS)

    def _run(self) -> None:
        seen, due_at = -1, 0.0
        while not self._stop.is_set():
            stamp = _stamp()
            if stamp != seen or time.monotonic() >= due_at:
                seen, due_at = stamp, time.monotonic() + ROUND_SECONDS
                self._keep()
            self._stop.wait(LOOK_SECONDS)
        connection.close()

    def _keep(self) -> None:
        close_old_connections()
        try:
            if keeping.keep(now=utc_now()):
                self._order()
        except Exception:
            log.exception("certificates could not be looked after; tried again soon")
        finally:
            close_old_connections()

    def _order(self) -> None:
        command = (sys.executable, str(settings.BASE_DIR / "manage.py"), "certificate", "renew")
        with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:  # noqa: S603
            while process.poll() is None:
                if self._stop.wait(0.2):
                    process.terminate()
                    try:
                        process.wait(ENDING_SECONDS)
                    except subprocess.TimeoutExpired:
                        process.kill()


def _stamp() -> int:
    try:
        return files.folder().stat().st_mtime_ns
    except OSError:
        return 0
