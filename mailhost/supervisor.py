"""Starts the parts of one server, watches them, restarts what crashes and drains at the end."""

from __future__ import annotations

import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from types import FrameType

import structlog

from listeners.readiness import Listening, tell_ready, tell_stopping
from mailhost.parts import Part, Process

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
# A part that has lived this long has recovered: the next crash starts from the first pause again.
RECOVERED_SECONDS = 60.0
# A part gets its drain time, and this much more to close files and exit.
GRACE_SECONDS = 5.0

DRAINED = 0
COULD_NOT_START = 1
KILLED = 2  # the drain time was not enough


def pause_seconds(crashes: int) -> float:
    """How long a part rests after its `crashes`-th crash in a row (1 or more)."""
    # 2**16 is far past the ceiling; without a bound the power would grow for ever.
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(crashes - 1, 16))


class _Watched:
    """A part with its present process, if it has one, and its record of crashes."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.process: Process | None = None
        self.crashes = 0
        self.was_ready = False
        self.start_at = time.monotonic()


class Supervisor:
    """Runs `parts` until SIGTERM, SIGINT or SIGHUP. One for each process: it owns the signals."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        drain_seconds: float,
        on_ready: Callable[[Sequence[Listening]], None],
    ) -> None:
        self._watched = [_Watched(part) for part in parts]
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._is_announced = False
        self._exit_code = DRAINED
        self._is_stopping = False
        self._is_impatient = False
        self._kill_at: float | None = None
        self._selector = selectors.DefaultSelector()

    def run(self) -> int:
        """The exit code: DRAINED, COULD_NOT_START or KILLED."""
        with _Wakeup() as wakeup:
            self._selector.register(wakeup.reader, selectors.EVENT_READ)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, self._ask_to_stop)
            try:
                while not self._is_over():
                    self._start_what_is_due()
                    self._wait(wakeup)
                    self._take_notes()
                    self._bury_the_dead()
                    self._drain()
            finally:
                for watched in self._watched:
                    self._close(watched)
        return self._exit_code

    def _ask_to_stop(self, number: int, _: FrameType | None) -> None:
        # Only Ctrl-C twice means "at once": service managers may repeat SIGTERM.
        self._is_impatient |= self._is_stopping and number == signal.SIGINT
        self._is_stopping = True

    def _is_over(self) -> bool:
        return self._is_stopping and all(w.process is None for w in self._watched)

    def _start_what_is_due(self) -> None:
        if self._is_stopping:
            return
        for watched in self._watched:
            if watched.process is None and watched.start_at <= time.monotonic():
                process = Process(watched.part)
                self._selector.register(process.notes, selectors.EVENT_READ)
                watched.process = process
                log.debug("part started", name=watched.part.name, pid=process.pid)

    def _wait(self, wakeup: _Wakeup) -> None:
        """Sleep until a signal, a note, or the next moment at which something is due."""
        moments = [w.start_at for w in self._watched if w.process is None and not self._is_stopping]
        if self._kill_at is not None:
            moments.append(self._kill_at)
        now = time.monotonic()
        if self._is_stopping and self._kill_at is None:
            return
        self._selector.select(max(0.0, min(moments) - now) if moments else None)
        wakeup.clear()

    def _take_notes(self) -> None:
        for watched in self._watched:
            if watched.process is not None and watched.process.read_notes():
                if watched.crashes:
                    log.info("part is ready again", name=watched.part.name)
                watched.was_ready = True
        if self._is_announced or self._is_stopping:
            return
        processes = [w.process for w in self._watched if w.process is not None]
        if len(processes) == len(self._watched) and all(p.is_ready for p in processes):
            self._is_announced = True
            # Several mail processes share their ports; they are shown once.
            self._on_ready(sorted({one for process in processes for one in process.listening}))
            tell_ready()

    def _bury_the_dead(self) -> None:
        for watched in self._watched:
            process = watched.process
            if process is None or (exit_code := process.exit_code()) is None:
                continue
            lived = process.lived_seconds
            self._close(watched)
            if self._is_stopping:
                log.debug("part ended", name=watched.part.name, exit_code=exit_code)
            elif watched.was_ready:
                self._plan_restart(watched, exit_code, lived)
            else:
                # What never worked will not work by trying: say so and let the operator act.
                log.error("part could not start", name=watched.part.name, exit_code=exit_code)
                self._exit_code = COULD_NOT_START
                self._is_stopping = True

    def _plan_restart(self, watched: _Watched, exit_code: int, lived_seconds: float) -> None:
        if lived_seconds >= RECOVERED_SECONDS:
            watched.crashes = 0
        watched.crashes += 1
        pause = pause_seconds(watched.crashes)
        watched.start_at = time.monotonic() + pause
        log.error(
            "part crashed",
            name=watched.part.name,
            exit_code=exit_code,
            crashes=watched.crashes,
            restart_in_seconds=pause,
        )

    def _drain(self) -> None:
        if not self._is_stopping:
            return
        running = [w for w in self._watched if w.process is not None]
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._drain_seconds + GRACE_SECONDS
            tell_stopping()
            log.info("draining", seconds=self._drain_seconds)
            for watched in running:
                assert watched.process is not None
                watched.process.terminate()
        elif running and (self._is_impatient or time.monotonic() >= self._kill_at):
            for watched in running:
                log.error("part killed: it did not end in time", name=watched.part.name)
                self._close(watched)
            self._exit_code = self._exit_code or KILLED

    def _close(self, watched: _Watched) -> None:
        if watched.process is not None:
            self._selector.unregister(watched.process.notes)
            watched.process.close()
            watched.process = None


class _Wakeup:
    """Makes signals readable, so that one `select` waits for everything."""

    def __enter__(self) -> _Wakeup:
        self.reader, self._writer = socket.socketpair()
        self.reader.setblocking(False)
        self._writer.setblocking(False)
        self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        # Without any handler SIGCHLD would not reach the wake-up descriptor.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._before)
        self.reader.close()
        self._writer.close()

    def clear(self) -> None:
        try:
            while self.reader.recv(4096):
                pass
        except BlockingIOError:
            return
