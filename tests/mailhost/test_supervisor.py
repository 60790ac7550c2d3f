"""The supervisor with real processes: readiness, crashes, drain and its own sudden death."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mailhost.supervisor import COULD_NOT_START, DRAINED, KILLED, pause_seconds

ROOT = Path(__file__).resolve().parents[2]


class Run:
    """A supervisor over fake parts, and the record of what these did."""

    def __init__(self, folder: Path, *kinds: str) -> None:
        self.record = folder / "record"
        self.record.touch()
        self.log = folder / "log"
        script = Path(__file__).with_name("supervise.py")
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, script, self.record, *kinds],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def events(self, name: str) -> list[int]:
        """The process ids of the parts that recorded this event."""
        lines = [line.split() for line in self.record.read_text().splitlines()]
        return [int(pid) for event, pid in lines if event == name]

    def wait_until(self, is_true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not is_true():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def wait_ready(self) -> None:
        self.wait_until(lambda: "ready 80" in self.log.read_text())

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(90)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*kinds: str) -> Run:
        runs.append(Run(tmp_path, *kinds))
        return runs[-1]

    yield start
    for one in runs:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_it_announces_all_ports_when_every_part_is_ready(run):
    server = run("good", "good")
    server.wait_ready()
    assert "ready 8000 8001" in server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_every_part_and_the_exit_code_is_0(run, number):
    server = run("good", "good")
    server.wait_ready()
    assert server.end(number) == DRAINED
    assert sorted(server.events("drained")) == sorted(server.events("ready"))


def test_a_killed_part_is_started_again_and_the_others_stay(run):
    server = run("good", "good")
    server.wait_ready()
    first, second = server.events("ready")
    os.kill(first, signal.SIGKILL)
    server.wait_until(lambda: len(server.events("ready")) == 3)
    assert is_alive(second)
    assert "part crashed" in server.log.read_text()
    assert server.end() == DRAINED
    assert server.log.read_text().count("ready 8000 8001") == 1


def test_a_part_that_does_not_drain_in_time_is_killed(run):
    server = run("good", "deaf")
    server.wait_ready()
    assert server.end() == KILLED
    assert not any(map(is_alive, server.events("started")))
    assert len(server.events("drained")) == 1


def test_a_part_that_never_worked_ends_the_start(run):
    server = run("good", "broken")
    assert server.process.wait(90) == COULD_NOT_START
    assert not any(map(is_alive, server.events("started")))
    assert "it cannot start" in server.log.read_text()


def test_parts_drain_when_the_supervisor_is_killed(run):
    server = run("good", "good")
    server.wait_ready()
    server.process.kill()
    server.process.wait()
    server.wait_until(lambda: len(server.events("drained")) == 2)


def test_sockets_of_systemd_reach_the_parts(tmp_path):
    record = tmp_path / "record"
    program = (
        "import os, socket, sys\n"
        "opened = socket.create_server(('127.0.0.1', 0))\n"
        "os.dup2(opened.fileno(), 3)\n"
        "os.set_inheritable(3, True)\n"
        "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()),\n"
        "                  FIRST_PORT=str(opened.getsockname()[1]))\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])\n"
    )
    script = Path(__file__).with_name("supervise.py")
    process = subprocess.Popen(
        [sys.executable, "-c", program, script, record, "heir"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout.readline().startswith(b"ready ")
        assert "\ninherited " in record.read_text()
    finally:
        process.terminate()
        assert process.wait(90) == DRAINED
        process.stdout.close()


def test_pauses_double_up_to_half_a_minute():
    assert [pause_seconds(n) for n in (1, 2, 3, 6, 7, 8, 10_000)] == [0.5, 1, 2, 16, 30, 30, 30]
