"""Parts as copies of a process that has loaded what all of them need: its memory stays shared."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

import django
from django.conf import settings

from listeners.readiness import give_back_memory
from logbook.writer import BOOK

_PR_SET_NAME = 15
FIRST_DESCRIPTOR = 3  # behind standard error
# What the supervisor has handlers for.
HANDLED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}

# All of the program: behind these stand the models and the settings.
SHARED = ("listeners.mail_process", "mailhost.urls")


# Descriptors that belong to what has been loaded, such as those of multiprocessing's shared memory:
# a library that closed its own in a copy would close what has got its number there.
_of_the_program: frozenset[int] = frozenset()


def load_shared() -> None:
    """Load the whole program once, for the copies to come.

    Loading it opens no connection and begins no thread: a copy would have neither.
    """
    global _of_the_program
    before = _open_descriptors()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailhost.settings")
    django.setup()
    for name in (*SHARED, settings.MAILHOST_JOBS_ENGINE):
        import_module(name)
    _of_the_program = _open_descriptors() - before
    # What is collected in a copy would be written to, and so no longer shared.
    give_back_memory()


class Copy:
    """A running copy of this process, in a session of its own, with the face of a Popen.

    For a process with one thread: in a copy the others would be gone, and their locks held.
    """

    def __init__(
        self, work: Callable[[], int], environment: Mapping[str, str], *, keep: Iterable[int]
    ) -> None:
        self._exit_code: int | None = None
        sys.stdout.flush()
        sys.stderr.flush()
        with _signals_wait():
            self.pid = os.fork()
            if self.pid == 0:
                _become_a_part(work, environment, keep=keep)

    def poll(self) -> int | None:
        """The exit code, None while it runs; -N if signal N ended it."""
        if self._exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code

    def wait(self) -> int:
        if self._exit_code is None:
            _, status = os.waitpid(self.pid, 0)
            self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


@contextmanager
def _signals_wait() -> Iterator[None]:
    """A copy that is told to end at once must not hear it by its original's handlers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def _become_a_part(
    work: Callable[[], int], environment: Mapping[str, str], *, keep: Iterable[int]
) -> None:
    """Never returns: what the supervisor would do on its way out is not this process's business."""
    exit_code = 1
    try:
        _forget_the_supervisor(environment, keep=keep)
        exit_code = work()
        threading._shutdown()  # type: ignore[attr-defined]  # as at the end of any program
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(exit_code)


def _forget_the_supervisor(environment: Mapping[str, str], *, keep: Iterable[int]) -> None:
    os.setsid()  # Ctrl-C in a terminal is for the supervisor alone
    signal.set_wakeup_fd(-1)
    for number in HANDLED - {signal.SIGINT}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for descriptor in _open_descriptors() - _of_the_program - frozenset(keep):
        if descriptor >= FIRST_DESCRIPTOR:
            os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    atexit._clear()
    atexit.register(BOOK.flush)  # this process's own lines, the last of them too


def _open_descriptors() -> frozenset[int]:
    with os.scandir("/proc/self/fd") as entries:
        found = [int(entry.name) for entry in entries]
    return frozenset(number for number in found if _is_open(number))


def _is_open(number: int) -> bool:
    """All of /proc/self/fd are, but that of the look itself."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def call_it(name: str) -> None:
    """What `ps -e` and `top` show of this process; 15 characters at most."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
