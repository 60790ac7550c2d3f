"""The parts of one server: what runs as a process of its own, and one such process."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from listeners.activation import FIRST
from listeners.readiness import Listening
from mailhost.forking import Copy

LARGEST_NOTE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Part:
    """What the supervisor keeps running."""

    name: str  # "mail", "web"
    # A program with its arguments, or what a copy of this process does and exits with.
    work: tuple[str, ...] | Callable[[], int]
    environment: Mapping[str, str] = field(default_factory=dict)


class Process:
    """One run of a part: its process and the socket by which it says that it is ready."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.is_ready = False
        self.listening: tuple[Listening, ...] = ()
        # An abstract socket: no file is left behind, however this process ends.
        name = f"mailhost-{os.getpid()}-{part.name}-{secrets.token_hex(8)}"
        self.notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.notes.setblocking(False)
        self.notes.bind(f"\0{name}")
        self.started_at = time.monotonic()  # seconds
        environment = _environment(part, f"@{name}")
        self._child: Copy | subprocess.Popen[bytes]
        if isinstance(part.work, tuple):
            self._child = subprocess.Popen(  # noqa: S603  # this program's own commands
                part.work,
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=_inherited_sockets(),
                # Ctrl-C in a terminal is for the supervisor alone: it drains the parts in order.
                start_new_session=True,
            )
        else:
            self._child = Copy(part.work, environment, keep=_inherited_sockets())
        self.pid = self._child.pid

    @property
    def lived_seconds(self) -> float:
        return time.monotonic() - self.started_at

    def exit_code(self) -> int | None:
        """None while it runs; -N if signal N ended it."""
        return self._child.poll()

    def terminate(self) -> None:
        self._child.terminate()

    def kill(self) -> None:
        """End it now, with all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def read_notes(self) -> bool:
        """Take in what the part has told; True when it has just become ready."""
        was_ready = self.is_ready
        while True:
            try:
                note = self.notes.recv(LARGEST_NOTE_BYTES)
            except BlockingIOError:
                return self.is_ready and not was_ready
            self._take(note.decode("utf-8", "replace").splitlines())

    def _take(self, assignments: list[str]) -> None:
        if "READY=1" not in assignments:
            return
        listening = []
        for assignment in assignments:
            name, _, value = assignment.partition("=")
            if name == "X_LISTENING":
                with contextlib.suppress(ValueError):
                    listening.append(Listening.decode(value))
        self.listening = tuple(listening)
        self.is_ready = True

    def close(self) -> None:
        """Clear up after the end: nothing that it started may outlive it."""
        self.kill()
        self._child.wait()
        self.notes.close()


def _inherited_sockets() -> tuple[int, ...]:
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return ()
    return tuple(range(FIRST, FIRST + int(os.environ.get("LISTEN_FDS", "0"))))


def _environment(part: Part, notify_socket: str) -> dict[str, str]:
    environment = {**os.environ, **part.environment}
    environment.update(
        MAILHOST_PART=part.name,
        MAILHOST_SUPERVISOR=str(os.getpid()),
        NOTIFY_SOCKET=notify_socket,
    )
    if environment.pop("LISTEN_PID", None) != str(os.getpid()):
        environment.pop("LISTEN_FDS", None)  # they were for somebody else
    return environment
