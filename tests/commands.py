"""Management commands of servers under test, each in a copy of a process that has read all code.

To read it takes longer by far than what most commands do. `Commands` is the side of the tests; run
as a program, `python -m tests.commands FD`, this is the process that is copied.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import weakref
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = str(ROOT / "manage.py")
LONGEST_BYTES = 1 << 17  # of a command's words
READY = b"ready"


class Commands:
    """Of one server; the process is made anew when its environment or its keys have changed."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None
        self._end: weakref.finalize[..., Commands] | None = None
        self._made_for: object = None
        self._lock = threading.Lock()

    def run(
        self, *arguments: str, environment: dict[str, str], text: str | None, seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """What `subprocess.run` of manage.py returns and raises."""
        with contextlib.ExitStack() as stack:
            streams = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
            streams[0].write((text or "").encode())
            for stream in streams:
                stream.seek(0)
            ours, theirs = socket.socketpair()
            stack.enter_context(ours)
            with theirs:
                fds = [*(stream.fileno() for stream in streams), theirs.fileno()]
                if not self._hand_over(arguments, fds, environment):
                    return subprocess.run(
                        [sys.executable, PROGRAM, *arguments],
                        env=environment, input=text, capture_output=True, text=True,
                        timeout=seconds,
                    )  # fmt: skip
            code = _told_end(ours, arguments, seconds)
            output = []
            for stream in streams[1:]:
                stream.seek(0)
                output.append(stream.read().decode())
        return subprocess.CompletedProcess(arguments, code, *output)

    def _hand_over(
        self, arguments: tuple[str, ...], fds: list[int], environment: dict[str, str]
    ) -> bool:
        """Whether there is a process to hand it to: settings may be refused, too."""
        data = Path(environment["MAILHOST_DATA"])
        with self._lock:
            if self._line is None or self._made_for != (environment, _keys(data)):
                self._begin(environment)
                self._made_for = dict(environment), _keys(data)
            if self._line is None:
                return False
            socket.send_fds(self._line, [json.dumps(arguments).encode()], fds)
        return True

    def _begin(self, environment: dict[str, str]) -> None:
        if self._end is not None:
            self._end()
        self._line = None
        if "MAILHOST_USER" in environment:
            return  # manage.py gives privileges away before it reads anything
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.commands", str(theirs.fileno())],
                cwd=ROOT, env=environment, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        self._end = weakref.finalize(self, _end, ours, process)
        if ours.recv(len(READY)) == READY:
            self._line = ours


def _end(line: socket.socket, process: subprocess.Popen[bytes]) -> None:
    line.close()
    process.kill()
    process.wait()


def _keys(data: Path) -> object:
    """What settings have read of the data folder."""
    found = sorted((data / "keys").glob("*"))
    return [(path.name, path.stat().st_ino, path.stat().st_mtime_ns) for path in found]


def _told_end(line: socket.socket, arguments: tuple[str, ...], seconds: float) -> int:
    """The exit code. Raises subprocess.TimeoutExpired: then it was killed."""
    line.settimeout(seconds)
    with line.makefile("r") as told:
        pid = int(told.readline())
        try:
            return int(told.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(arguments, seconds) from None


def _serve(line: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies here
    gc.collect()
    gc.freeze()
    line.send(READY)
    while True:
        words, fds, _, _ = socket.recv_fds(line, LONGEST_BYTES, 4)
        if not words:
            return
        if os.fork() == 0:
            line.close()
            _watch(json.loads(words), fds)
        for fd in fds:
            os.close(fd)


def _watch(arguments: list[str], fds: list[int]) -> None:
    """Tells the process that runs the command, and how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.close(fds[3])
        _command(arguments, fds)
    with open(fds[3], "w") as told:
        print(child, file=told, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=told, flush=True)
    os._exit(0)


def _command(arguments: list[str], fds: list[int]) -> None:
    """As manage.py does it. Never returns."""
    from django.core.management import execute_from_command_line

    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, fd in enumerate(fds[:3]):
        os.dup2(fd, number)
        os.close(fd)
    sys.argv = [PROGRAM, *arguments]
    code: Any = 1
    try:
        execute_from_command_line(sys.argv)
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            threading._shutdown()  # type: ignore[attr-defined]  # as at the end of any program
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    gc.set_threshold(50_000)  # as in manage.py
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailhost.settings")
    with socket.socket(fileno=int(sys.argv[1])) as own_line:
        import django
        from django.urls import get_resolver

        django.setup()
        assert get_resolver().url_patterns  # checks of commands read all pages
        _serve(own_line)
