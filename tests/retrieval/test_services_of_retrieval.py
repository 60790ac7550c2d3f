"""The services POP retrieval and IMAP retrieval: stopped, started, killed, alone (M-015, M-016)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tests import databases
from tests.operations.outside import listed, wait_for
from tests.retrieval import fetching
from tests.retrieval.fetching import add, fetch, letter, put, standing, subjects, visited
from tests.running import RunningServer

LONG_AGO = datetime(2019, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def pair(tmp_path_factory, database_url):
    """The server that fetches, with two mail processes that share the work."""
    folder = tmp_path_factory.mktemp("retrieval")
    with databases.fresh(database_url) as url:
        running = RunningServer(folder / "data", database_url=url, mail_processes=2)
        running.start()
        yield running
        running.stop()


def state_of(server, service):
    return next(one for one in listed(server, "service", "list") if one["service"] == service)


class SlowPop3:
    """A POP3 server with some messages, each of which takes a while."""

    def __init__(self, *, messages: int, pause_seconds: float) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._messages = {f"uidl-{n}": letter(f"slow {n}") for n in range(1, messages + 1)}
        self._pause_seconds = pause_seconds
        self.sessions = 0
        self.most_at_once = 0
        self.retrieved: list[str] = []
        self.now = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def left(self) -> int:
        return len(self._messages)

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self.sessions += 1
            self.now += 1
            self.most_at_once = max(self.most_at_once, self.now)
        try:
            with client, client.makefile("rwb") as stream:
                self._talk(stream)
        except OSError:
            pass
        finally:
            with self._lock:
                self.now -= 1

    def _talk(self, stream) -> None:
        names = list(self._messages)
        deleted: set[str] = set()

        def say(text: bytes) -> None:
            stream.write(text)
            stream.flush()

        say(b"+OK slow\r\n")
        for line in stream:
            verb, _, rest = line.decode().strip().partition(" ")
            if verb == "UIDL":
                rows = "".join(f"{n} {name}\r\n" for n, name in enumerate(names, 1))
                say(f"+OK\r\n{rows}.\r\n".encode())
            elif verb == "LIST":
                rows = "".join(
                    f"{n} {len(self._messages[name])}\r\n" for n, name in enumerate(names, 1)
                )
                say(f"+OK\r\n{rows}.\r\n".encode())
            elif verb == "RETR":
                time.sleep(self._pause_seconds)
                name = names[int(rest) - 1]
                self.retrieved.append(name)
                say(b"+OK\r\n" + self._messages[name] + b".\r\n")
            elif verb == "DELE":
                deleted.add(names[int(rest) - 1])
                say(b"+OK\r\n")
            elif verb == "QUIT":
                for name in deleted:
                    self._messages.pop(name, None)
                say(b"+OK\r\n")
                return
            else:
                say(b"-ERR\r\n" if verb in ("CAPA", "AUTH") else b"+OK\r\n")


@contextmanager
def slow(**given):
    server = SlowPop3(**given)
    try:
        yield server
    finally:
        server.close()


def add_slow(server, owner, slow_server, *settings):
    server.manage(
        "retrieval", "add", owner, "pop3", "127.0.0.1", "x", f"port={slow_server.port}",
        "security=none", "interval_minutes=1", *settings, text="y\n",
    )  # fmt: skip
    return max(one["number"] for one in listed(server, "retrieval", "list", owner))


@pytest.mark.spec("M-015", "M-016")
def test_a_stopped_service_fetches_nothing_until_it_is_started(pair):
    fetching.open_domain(pair, "stop.example", "reader", "old")
    put(pair, "old@stop.example", letter("waiting"))
    for service in ("pop_retrieval", "imap_retrieval"):
        assert state_of(pair, service)["state"] == "running"
        pair.manage("service", "stop", service)
        assert state_of(pair, service)["state"] == "stopped"
    numbers = [
        add(pair, "reader@stop.example", kind, "old@stop.example") for kind in ("pop3", "imap")
    ]
    time.sleep(3)
    assert [standing(pair, number)["last_run_at"] for number in numbers] == [None, None]
    pair.manage("service", "start", "pop_retrieval")
    assert visited(pair, numbers[0])["last_count"] == 1
    time.sleep(2)
    assert standing(pair, numbers[1])["last_run_at"] is None
    pair.manage("service", "start", "imap_retrieval")
    assert visited(pair, numbers[1])["last_count"] == 1


@pytest.mark.spec("M-008")
@pytest.mark.spec("M-015")
def test_a_service_that_stops_finishes_the_account_under_way(pair):
    fetching.open_domain(pair, "finish.example", "reader")
    with slow(messages=6, pause_seconds=0.5) as there:
        number = add_slow(pair, "reader@finish.example", there)
        wait_for(lambda: there.retrieved)
        pair.manage("service", "stop", "pop_retrieval")
        other = add_slow(pair, "reader@finish.example", there)
        assert visited(pair, number)["last_count"] == 6
        wait_for(lambda: state_of(pair, "pop_retrieval")["state"] == "stopped")
        assert standing(pair, other)["last_run_at"] is None
        pair.manage("service", "start", "pop_retrieval")
        assert visited(pair, other)["last_count"] == 6


@pytest.mark.spec("N-060", lacks="filters of fetched mail")
def test_one_account_is_fetched_by_one_process_and_ten_of_all_at_once(pair):
    users = [f"reader{n}" for n in range(14)]
    fetching.open_domain(pair, "many.example", *users)
    with slow(messages=3, pause_seconds=0.5) as there:
        numbers = [add_slow(pair, f"{user}@many.example", there) for user in users]
        for number in numbers:
            assert visited(pair, number)["last_count"] == 3
        assert there.sessions == len(users)
        assert there.most_at_once <= 10


@pytest.mark.spec("N-060", lacks="filters of fetched mail")
@pytest.mark.timeout(400)
def test_killed_in_the_middle_nothing_is_lost_and_nothing_comes_twice(pair):
    fetching.open_domain(pair, "killed.example", "reader")
    with slow(messages=25, pause_seconds=0.2) as there:
        number = add_slow(pair, "reader@killed.example", there, "afterwards=delete")
        wait_for(lambda: len(set(there.retrieved)) >= 8, 150)
        for pid in pair.pids("serve_mail"):
            os.kill(pid, signal.SIGKILL)
        # The claim of the dead lapses; then another visit goes on.
        wait_for(lambda: there.left == 0, 240)
        wait_for(lambda: standing(pair, number)["last_error"] == "")
        found = subjects(pair, "reader@killed.example")
        assert sorted(found) == sorted(f"slow {n}" for n in range(1, 26))
        # What was durable was not even asked for again, but the one under way.
        assert len(there.retrieved) <= 26


@pytest.mark.spec("S-057")
def test_a_disk_that_is_nearly_full_stops_it_and_says_so(pair):
    fetching.open_domain(pair, "disk.example", "reader", "old")
    put(pair, "old@disk.example", letter("waiting"))
    floor = "settings: {{spool: {{free_space_floor_mb: {}, free_space_floor_percent: {}}}}}\n"
    pair.manage("apply", "-", text=floor.format(10**9, 90))
    try:
        wait_for(lambda: state_of(pair, "pop_retrieval")["state"] == "failing", 30)
        assert "short of disk space" in state_of(pair, "imap_retrieval")["reason"]
        number = add(pair, "reader@disk.example", "pop3", "old@disk.example")
        time.sleep(3)
        assert standing(pair, number)["last_run_at"] is None
    finally:
        pair.manage("apply", "-", text=floor.format(500, 5))
    assert visited(pair, number)["last_count"] == 1
    wait_for(lambda: state_of(pair, "pop_retrieval")["state"] == "running", 30)


@pytest.mark.spec("N-062", lacks="the archive, content filters and events, which would act on it")
@pytest.mark.spec("N-061", lacks="filters of fetched mail")
def test_mail_that_has_to_wait_in_the_spool_keeps_its_place(pair):
    fetching.open_domain(pair, "spooled.example", "reader", "old")
    put(pair, "old@spooled.example", letter("held"), flags="\\Seen \\Flagged", at=LONG_AGO)
    pair.manage("service", "stop", "spool")
    try:
        number = add(
            pair, "reader@spooled.example", "imap", "old@spooled.example",
            "target_folder=Fetched", "afterwards=delete",
        )  # fmt: skip
        found = visited(pair, number)
        assert (found["last_count"], found["last_error"]) == (1, "")
        assert subjects(pair, "reader@spooled.example", "Fetched") == []
    finally:
        pair.manage("service", "start", "spool")
    wait_for(lambda: subjects(pair, "reader@spooled.example", "Fetched") == ["held"], 60)
    assert fetching.described(pair, "reader@spooled.example", "Fetched") == [
        ("\\Flagged \\Seen", "6-May-2019 07:08:09 +0000")
    ]


@pytest.mark.spec("D-036")
@pytest.mark.spec("D-072", "D-073")
def test_for_a_domain_that_is_off_or_lacks_the_feature_nothing_is_fetched(pair):
    fetching.open_domain(pair, "off.example", "reader", "old")
    fetching.open_domain(pair, "there.example", "old")
    numbers = [
        add(pair, "reader@off.example", kind, "old@there.example") for kind in ("pop3", "imap")
    ]
    for number in numbers:
        visited(pair, number)
    put(pair, "old@there.example", letter("waiting"))
    pair.manage("domain", "disable", "off.example")
    pair.manage("retrieval", "fetch", str(numbers[0]))
    wait_for(lambda: "switched off" in standing(pair, numbers[0])["last_error"])
    pair.manage("domain", "enable", "off.example")
    features = "domains: [{name: off.example, admin: {username: admin}, features: {%s: %s}}]\n"
    pair.manage("apply", "-", text=features % ("imap_retrieval", "off"))
    assert fetch(pair, numbers[0])["last_count"] == 1
    with pytest.raises(subprocess.CalledProcessError):
        pair.manage("retrieval", "fetch", str(numbers[1]))
    pair.manage("apply", "-", text=features % ("imap_retrieval", "on"))
    assert fetch(pair, numbers[1])["last_count"] == 1


@pytest.mark.spec("D-008")
def test_with_the_user_or_the_domain_its_accounts_go(pair):
    pair.manage("apply", "-", text="settings: {deletion: {recycle_days: 0}}\n")
    fetching.open_domain(pair, "gone.example", "reader", "other")
    with slow(messages=40, pause_seconds=0.3) as there:
        add_slow(pair, "reader@gone.example", there)
        add_slow(pair, "other@gone.example", there)
        wait_for(lambda: there.sessions == 2)
        pair.manage("user", "delete", "reader@gone.example", "--yes")
        left = listed(pair, "retrieval", "list")
        assert "reader@gone.example" not in [one["user"] for one in left]
        pair.manage("domain", "delete", "gone.example", "--yes")
        assert "gone.example" not in str(listed(pair, "retrieval", "list"))
        # The visits that were under way end with their next message.
        wait_for(lambda: there.now == 0, 30)
        assert len(there.retrieved) < 60
