"""Takes lines from whoever has something to say; a thread brings them to the files (M-089)."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path

from logbook import lines
from logbook.kinds import Kind, Level

GATHER_SECONDS = 0.2  # one write for what comes in meanwhile
# Beyond this, details are counted and dropped; the rest is kept.
MOST_DETAILED = 20_000
# Beyond this, whoever says more writes it himself: nothing that matters is dropped.
MOST_LINES = 200_000
RETRY_SECONDS = 5.0  # after the disk refused
SECONDS_OF_A_DAY = 86_400

LARGEST_TRANSCRIPT_BYTES = 5 * 1024 * 1024

_Noted = tuple[float, str, str, int, tuple[str, ...]]  # the second: a Kind, or a transcript's file


class Logbook:
    """One for each process. `note` costs a microsecond or two and never waits for a disk."""

    def __init__(self, folder: Path | None = None) -> None:
        self.levels: dict[Kind, Level] = dict.fromkeys(Kind, Level.NORMAL)
        self.to_syslog = False
        self.dropped: Counter[str] = Counter()
        self.written: Counter[str] = Counter()
        self._folder = folder
        self._is_woken = False
        self._begin()

    def open(self, folder: Path) -> None:
        """Where the logs are; until then nothing is noted."""
        self._folder = folder

    def note(
        self,
        kind: Kind,
        text: str,
        *,
        session: int = 0,
        domains: tuple[str, ...] = (),
        level: Level = Level.NORMAL,
    ) -> None:
        """Add a line, if the log's level takes it. Neither blocks nor raises."""
        if self.levels[kind] < level or self._folder is None:
            return
        if len(self._waiting) >= MOST_DETAILED:
            if level is Level.DETAILED:
                self.dropped[kind] += 1
                return
            if len(self._waiting) >= MOST_LINES:
                self.flush()
        self._add((time.time(), kind, text, session, domains))

    def record(self, name: str, text: str, *, session: int) -> None:
        """Add a line to a transcript's file."""
        if self._folder is None or len(self._waiting) >= MOST_DETAILED:
            self.dropped["transcripts"] += 1
            return
        self._add((time.time(), name, text, session, ()))

    def _add(self, noted: _Noted) -> None:
        self._waiting.append(noted)
        if not self._is_woken:
            self._is_woken = True
            self._wake()

    def takes(self, kind: Kind, level: Level = Level.DETAILED) -> bool:
        """Whether a line of that level would be kept: asked before it is put together."""
        return self.levels[kind] >= level

    def flush(self) -> None:
        """Write what waits; called at the end of the process."""
        with self._writing:
            noted: list[_Noted] = []
            with contextlib.suppress(IndexError):
                while True:
                    noted.append(self._waiting.popleft())
            if noted and not self._write(noted):
                self._waiting.extendleft(reversed(noted))

    # --- the thread ---

    def _begin(self) -> None:
        self._waiting: deque[_Noted] = deque()
        self._is_woken = False
        self._bell = threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._has_complained = False

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="logbook", daemon=True)
            self._thread.start()
        self._bell.set()

    def _run(self) -> None:
        while True:
            self._bell.wait()
            time.sleep(GATHER_SECONDS)
            self._bell.clear()
            self._is_woken = False
            self.flush()
            if self._waiting:
                time.sleep(RETRY_SECONDS)
                self._bell.set()

    def _write(self, noted: list[_Noted]) -> bool:
        by_file: dict[tuple[str, int], list[bytes]] = {}
        for at, kind, text, session, domains in noted:
            encoded = lines.encode(at, text, session, domains)
            by_file.setdefault((kind, int(at) // SECONDS_OF_A_DAY), []).append(encoded)
        try:
            for (kind, day), octets in by_file.items():
                self._append(kind, day, b"".join(octets))
                self.written[kind] += len(octets)
        except OSError as error:
            if not self._has_complained:
                self._has_complained = True
                sys.stderr.write(f"logs cannot be written: {error}\n")
            return False
        self._has_complained = False
        if self.to_syslog:
            _send_to_syslog(noted)
        return True

    def _append(self, kind: str, day: int, octets: bytes) -> None:
        assert self._folder is not None
        if isinstance(kind, Kind):
            path = path_of(self._folder, kind, day)
        else:
            path = self._folder / "transcripts" / kind
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fd = os.open(path, flags, 0o600)
        try:
            if not isinstance(kind, Kind) and os.fstat(fd).st_size > LARGEST_TRANSCRIPT_BYTES:
                return
            # One call, so lines of several processes do not get into each other.
            os.write(fd, octets)
        finally:
            os.close(fd)


def path_of(folder: Path, kind: Kind, day: int) -> Path:
    """`day` in days since 1970."""
    date = time.strftime("%Y-%m-%d", time.gmtime(day * SECONDS_OF_A_DAY))
    return folder / kind / f"{date}.log"


def _send_to_syslog(noted: list[_Noted]) -> None:
    """RFC 5424 §6, facility mail; the system's log is a copy, so it may refuse."""
    host, pid = socket.gethostname(), os.getpid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out, contextlib.suppress(OSError):
        out.setblocking(False)
        out.connect("/dev/log")
        for at, kind, text, _, _ in noted:
            if not isinstance(kind, Kind):
                continue
            priority = 2 * 8 + (3 if kind is Kind.ERRORS else 6)
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
            plain = text.replace("\n", " ").replace("\r", " ")
            out.send(f"<{priority}>1 {moment} {host} mailhost {pid} {kind} - {plain}".encode())


BOOK = Logbook()
atexit.register(BOOK.flush)
# The child has neither the thread nor a right to the parent's lines.
os.register_at_fork(after_in_child=BOOK._begin)
