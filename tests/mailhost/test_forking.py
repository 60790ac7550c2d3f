"""Copies of a process: what they keep of it, what they forget, how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BEGIN = """
import atexit, os, signal, sys, threading, time
from mailhost.forking import Copy, call_it
atexit.register(print, "the supervisor's own end")
signal.signal(signal.SIGTERM, lambda *_: print("asked to stop"))
"""


def run(code: str, **environment: str) -> tuple[list[str], str]:
    """The lines that it prints, and what it says on standard error."""
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    return done.stdout.splitlines(), done.stderr


def test_a_copy_has_its_own_environment_session_and_descriptors():
    printed, _ = run("""
reader, writer = os.pipe()
kept, also_kept = os.pipe()
def work():
    call_it("a-part")
    def is_open(fd):
        try:
            os.fstat(fd)
        except OSError:
            return False
        return True
    print(dict(os.environ), os.getsid(0) == os.getpid(), sys.stdin.read() == "")
    print([is_open(fd) for fd in (1, 2, reader, writer)], open("/proc/self/comm").read().strip())
    return 7
copy = Copy(work, {"NAME": "value"}, keep=())
assert copy.wait() == copy.poll() == 7
def look():
    os.fstat(kept)
    return 0
print(Copy(look, {}, keep=range(3, also_kept + 1)).wait())
""")
    assert printed == [
        "{'NAME': 'value'} True True",
        "[True, True, False, False] a-part",
        "0",
        "the supervisor's own end",
    ]


def test_a_copy_ends_by_signals_that_its_original_handles():
    printed, _ = run("""
copy = Copy(lambda: time.sleep(60) or 0, {}, keep=())
assert copy.poll() is None
time.sleep(0.3)
copy.terminate()
print(copy.wait())
copy.terminate()
""")
    assert printed == ["-15", "the supervisor's own end"]


def test_a_copy_that_is_told_to_end_in_its_first_moment_ends():
    """It does not hear it by the handler that it still has from its original."""
    printed, _ = run("""
reader, writer = os.pipe()
os.register_at_fork(after_in_child=lambda: os.read(reader, 1))
copy = Copy(lambda: time.sleep(60) or 0, {}, keep=())
copy.terminate()
os.write(writer, b".")
print(copy.wait())
signal.raise_signal(signal.SIGTERM)
""")
    assert printed == ["-15", "asked to stop", "the supervisor's own end"]


def test_the_last_lines_of_a_copy_reach_the_logs(tmp_path: Path):
    run(
        """
from pathlib import Path
from logbook.kinds import Kind
from logbook.writer import BOOK
BOOK.open(Path(os.environ["LOGS"]))
BOOK.note(Kind.SMTP, "of the original")
copy = Copy(lambda: BOOK.note(Kind.SMTP, "last words") or 0, {}, keep=())
assert copy.wait() == 0
""",
        LOGS=str(tmp_path),
    )
    [written] = (tmp_path / "smtp").iterdir()
    text = written.read_text()
    assert (text.count("of the original"), text.count("last words")) == (1, 1)


def test_a_copy_that_fails_says_why_and_never_goes_on_as_its_original():
    printed, said = run("""
def work():
    raise RuntimeError("not today")
print(Copy(work, {}, keep=()).wait())
def leave():
    sys.exit("no way")
print(Copy(leave, {}, keep=()).wait())
""")
    assert printed == ["1", "1", "the supervisor's own end"]
    assert "RuntimeError: not today" in said and "no way" in said


def test_a_copy_waits_for_its_threads_and_does_what_it_has_registered():
    printed, _ = run("""
def work():
    atexit.register(print, "registered")
    threading.Thread(target=lambda: time.sleep(0.2) or print("thread")).start()
    return 0
print(Copy(work, {}, keep=()).wait())
""")
    assert printed == ["thread", "registered", "0", "the supervisor's own end"]


@pytest.mark.parametrize("engine", ["django-q", "celery"])
def test_loading_the_program_begins_no_thread_and_opens_no_connection(engine: str, tmp_path: Path):
    printed, _ = run(
        """
from mailhost.forking import load_shared
load_shared()
from django.db import connections
print(len(os.listdir("/proc/self/task")), {each.connection for each in connections.all()})
print("listeners.imap.session" in sys.modules, "panel.urls" in sys.modules)
""",
        MAILHOST_DATA=str(tmp_path),
        MAILHOST_JOBS=engine,
    )
    assert printed[:2] == ["1 {None}", "True True"]


def test_what_a_library_has_opened_stays_open_in_copies(tmp_path: Path):
    """django-q2 makes shared memory when it is loaded, and closes it by number in a copy."""
    printed, _ = run(
        """
from mailhost.forking import load_shared
load_shared()
def shared_memory():
    links = {}
    for name in os.listdir("/proc/self/fd"):
        if os.path.exists(f"/proc/self/fd/{name}") or os.path.islink(f"/proc/self/fd/{name}"):
            links[name] = os.readlink(f"/proc/self/fd/{name}")
    return {name: link for name, link in links.items() if "/pym-" in link}
before = shared_memory()
opened_since = os.pipe()
def work():
    print(bool(before), shared_memory() == before)
    print(any(os.path.exists(f"/proc/self/fd/{each}") for each in opened_since))
    return 0
print(Copy(work, dict(os.environ), keep=()).wait())
""",
        MAILHOST_DATA=str(tmp_path),
    )
    assert printed[:3] == ["True True", "False", "0"]
