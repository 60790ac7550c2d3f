"""`manage.py serve_jobs` as a real process on a data folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import databases

ROOT = databases.ROOT
SECONDS = 60.0


class Workers:
    def __init__(self, data: Path, **settings: object) -> None:
        self.data = data
        self.log_path = data.with_name(f"{data.name}.log")
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MAILHOST_")}
        self.environment.update(
            DJANGO_SETTINGS_MODULE="tests.jobs.worker_settings",
            MAILHOST_DATA=str(data),
            MAILHOST_LOG_FORMAT="logfmt",
            MAILHOST_HOSTNAME="mail.test",
            PYTHONPATH=str(ROOT),
        )
        for name, value in settings.items():
            self.environment[f"MAILHOST_{name.upper()}"] = str(value)
        self.process: subprocess.Popen[bytes] | None = None
        data.mkdir(mode=0o700)
        (data / "mailhost.sqlite3").write_bytes(databases.sqlite_with_tables())
        self.manage("migrate")  # Celery's scheduler has tables of its own

    def manage(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment, check=True, capture_output=True, text=True, timeout=120,
        ).stdout  # fmt: skip

    def run(self, code: str) -> str:
        """What a bit of code prints in a process of the same server."""
        return self.manage("shell", "--no-imports", "-c", code).strip()

    def start_job(self, kind: str, **arguments: Any) -> int:
        return int(
            self.run(
                "from jobs import services; from tests.jobs.room import tasks;"
                f"print(services.start(tasks.{kind}, by=None, **{arguments!r}).pk)"
            )
        )

    def start(self) -> None:
        path = self.data.with_name("notify")
        path.unlink(missing_ok=True)
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notes,
            self.log_path.open("ab") as log,
        ):
            notes.bind(str(path))
            notes.settimeout(SECONDS)
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "serve_jobs"],
                env={**self.environment, "NOTIFY_SOCKET": str(path)},
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            assert b"READY=1" in notes.recv(1000)

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            self.kill()

    def kill(self) -> None:
        """Everything at once, as a power cut does."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def children(self) -> list[int]:
        assert self.process is not None
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in path.read_text().split()]

    def marks(self, name: str) -> list[str]:
        path = self.data / name
        return path.read_text().split() if path.exists() else []

    def row(self, job_id: int) -> dict[str, Any]:
        with sqlite3.connect(self.data / "mailhost.sqlite3", timeout=10) as connection:
            connection.row_factory = sqlite3.Row
            return dict(
                connection.execute("SELECT * FROM jobs_job WHERE id = ?", (job_id,)).fetchone()
            )

    def fall_silent(self, job_id: int) -> None:
        """As if its worker had not been heard of for so long that it counts as dead."""
        with sqlite3.connect(self.data / "mailhost.sqlite3", timeout=10) as connection:
            connection.execute("UPDATE jobs_job SET seen_at = 1 WHERE id = ?", (job_id,))

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")


def until(condition: Callable[[], Any], seconds: float = SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never became true: {condition}"
        time.sleep(0.1)
    return value
