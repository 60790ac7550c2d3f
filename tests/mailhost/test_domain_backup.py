"""One domain of a running server is copied, deleted, and comes back as it was, here and there."""

from __future__ import annotations

import fcntl
import imaplib
import json
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests import databases
from tests.factories import PASSWORD
from tests.reading import may_log_in, open_mailbox, read_folder, wait_for
from tests.running import RunningServer

DOMAIN, NEIGHBOUR = "copied.example", "neighbour.example"
ANN = f"ann@{DOMAIN}"
FOLDERS = ("INBOX", "Work", "Work/Done", "Sent")


def send(server: RunningServer, subject: str, *recipients: str) -> None:
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=60) as client:
        text = f"Subject: {subject}\r\n\r\n{subject} {'x' * 3000}\r\n"
        client.sendmail("writer@elsewhere.example", list(recipients), text)


def contents(client: imaplib.IMAP4) -> dict[str, Any]:
    """Everything that IMAP tells: folders, subscriptions, UIDVALIDITY, UIDs, flags and bytes."""
    found: dict[str, Any] = {
        "list": sorted(client.list()[1], key=repr),
        "lsub": sorted(client.lsub()[1], key=repr),
    }
    for folder in FOLDERS:
        found[folder] = read_folder(client, folder, "MODSEQ")
    return found


def contents_of(server: RunningServer) -> dict[str, Any]:
    client = open_mailbox(server, ANN)
    try:
        return contents(client)
    finally:
        client.logout()


def uids(found: dict[str, Any], folder: str = "INBOX") -> list[int]:
    parts = [row[0] for row in found[folder][1] if isinstance(row, tuple)]
    return [int(part.partition(b"UID ")[2].split()[0]) for part in parts]


def fill(server: RunningServer) -> None:
    """Mail in folders, flagged, moved and expunged; some of it shared with another domain."""
    users = f"users: [{{username: ann, password: {PASSWORD}}}]"
    text = "".join(
        f"- {{name: {name}, admin: {{username: admin, password: {PASSWORD}}}, {users}}}\n"
        for name in (DOMAIN, NEIGHBOUR)
    )
    server.manage("apply", "-", text=f"domains:\n{text}")
    wait_for(lambda: may_log_in(server, ANN))
    for number in range(6):
        send(server, f"shared {number}", ANN, f"ann@{NEIGHBOUR}")
    client = open_mailbox(server, ANN)
    wait_for(lambda: client.select("INBOX")[1] == [b"6"])
    client.create("Work")
    client.create("Work/Done")
    client.unsubscribe("Work/Done")
    client.append(
        "Sent", r"(\Seen \Answered)", '" 3-Feb-2024 10:00:00 +0000"', b"Subject: s\r\n\r\n"
    )
    client.uid("STORE", "1,3", "+FLAGS", r"(\Seen \Flagged colour)")
    client.uid("COPY", "1", "Work/Done")
    client.uid("MOVE", "2", "Work")
    client.uid("STORE", "4", "+FLAGS", r"(\Deleted)")
    client.expunge()
    client.logout()


@pytest.fixture
def second(tmp_path: Path, database_url: str | None) -> Iterator[RunningServer]:
    """Another server, of which nothing but IMAP has to run."""
    with databases.fresh(database_url) as url:
        other = RunningServer(tmp_path / "second", database_url=url, failed_login_ms=20)
        other.data.mkdir(mode=0o700)
        if url is None:
            (other.data / "mailhost.sqlite3").write_bytes(databases.sqlite_with_tables())
        command = [sys.executable, str(databases.ROOT / "manage.py"), "serve_imap"]
        with other.log_path.open("wb") as log:
            process = subprocess.Popen(command, env=other.environment, stdout=log, stderr=log)
        try:
            yield other
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.timeout(300)
@pytest.mark.spec("X-032", "D-013")
def test_a_domain_comes_back_as_it_was_on_its_server_and_on_another(
    server: RunningServer, second: RunningServer, tmp_path: Path
) -> None:
    fill(server)
    before = contents_of(server)
    backup = tmp_path / "backup"
    made, during = backed_up(server, backup)
    assert len(uids(during)) == len(uids(before)) + 1
    assert made["damaged"] == [] and made["messages"] >= 9
    last = contents_of(server)

    server.manage("domain", "delete", DOMAIN, "--yes")
    wait_for(lambda: not may_log_in(server, ANN))
    came_back(server, restored(server, backup), made["messages"], during, last)
    # A UID that was given after the backup is not given to another message.
    send(server, "new", ANN)
    wait_for(lambda: uids(contents_of(server))[-1] > uids(last)[-1])
    came_back(second, restored(second, backup), made["messages"], during, last)
    assert "All counters and references are right." in server.manage("verify")
    # What it shared with the domain that was deleted.
    client = open_mailbox(server, f"ann@{NEIGHBOUR}")
    wait_for(lambda: client.select("INBOX")[1] == [b"6"])
    client.logout()


def backed_up(server: RunningServer, backup: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the command told, and what IMAP told when mail had come to it that was under way.

    Mail goes on coming until it ends.
    """
    stop = threading.Event()

    def go_on() -> None:
        for number in count():
            if stop.is_set():
                return
            send(server, f"meanwhile {number}", ANN)

    command = [sys.executable, str(databases.ROOT / "manage.py"), "backup", str(backup)]
    command += ["--domain", DOMAIN, "--json"]
    already = len(uids(contents_of(server)))
    writer = threading.Thread(target=go_on)
    with subprocess.Popen(command, env=server.environment, stdout=subprocess.PIPE) as process:
        try:
            with held_up(server):
                wait_for(backup.exists)  # it is under way
                send(server, "during", ANN)
                wait_for(lambda: len(uids(contents_of(server))) > already)
                during = contents_of(server)
                writer.start()
                wait_for(lambda: len(uids(contents_of(server))) > already + 1)
            told, _ = process.communicate(timeout=100)
        finally:
            process.kill()
            stop.set()
            if writer.ident is not None:
                writer.join()
    return dict(json.loads(told)), during


@contextmanager
def held_up(server: RunningServer) -> Iterator[None]:
    """A backup that begins meanwhile waits before it reads: segments are being removed."""
    with (server.data / "run" / "segments.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def restored(server: RunningServer, backup: Path) -> dict[str, Any]:
    """The domain is not there."""
    done = json.loads(server.manage("restore", str(backup), "--domain", DOMAIN, "--json"))
    assert done["users_added"] == 1
    return dict(done)


def came_back(
    server: RunningServer,
    done: dict[str, Any],
    messages: int,
    during: dict[str, Any],
    last: dict[str, Any],
) -> None:
    """`during` and `last`: what IMAP told before the backup read anything, and after its end."""
    assert done["errors"] == [] and done["messages_added"] == messages
    wait_for(lambda: may_log_in(server, ANN))
    after = contents_of(server)
    still = ("list", "lsub", *FOLDERS[1:])
    assert {key: after[key] for key in still} == {key: during[key] for key in still}
    assert after["INBOX"][0] == during["INBOX"][0]
    assert set(uids(during)) <= set(uids(after)) <= set(uids(last))
    assert after["INBOX"][1] == last["INBOX"][1][: len(after["INBOX"][1])]
