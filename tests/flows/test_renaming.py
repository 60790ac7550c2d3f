"""A domain is renamed in a running server: nothing is lost, and a killed rename goes on."""

from __future__ import annotations

import fcntl
import imaplib
import json
import os
import signal
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path

import pytest

from tests.reading import wait_for
from tests.running import ROOT, RunningServer

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def hosting(server: RunningServer) -> RunningServer:
    """Each command takes seconds on a busy machine: one for the domains of all tests here."""
    people = f"admin: {{username: admin}}, users: [{{username: ann, password: {PASSWORD}}}]"
    names = ("moving.example", "killed.example", "open.example")
    listed = ", ".join(f"{{name: {name}, {people}}}" for name in names)
    server.manage("apply", "-", text=f"domains: [{listed}]")
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=10) as client:
        client.sendmail("x@else.example", ["ann@open.example"], "Subject: hello\r\n\r\nx\r\n")
    return server


def may_log_in(server: RunningServer, login: str) -> bool:
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        try:
            client.login(login, PASSWORD)
        except imaplib.IMAP4.error:
            return False
    return True


def is_told_bye(client: imaplib.IMAP4) -> bool:
    try:
        client.noop()
    except imaplib.IMAP4.abort:
        return bool(client.untagged_responses.get("BYE"))
    return False


def subjects(server: RunningServer, login: str) -> list[str]:
    with imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10) as client:
        client.login(login, PASSWORD)
        client.select("INBOX", readonly=True)
        _, found = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[TEXT])")
    return [part[1].decode().removeprefix("Subject: ").strip() for part in found[::3]]


def answer_to(server: RunningServer, recipient: str) -> int:
    with smtplib.SMTP("127.0.0.1", server.port("smtp"), timeout=10) as client:
        client.ehlo("else.example")
        client.mail("x@else.example")
        return client.rcpt(recipient)[0]


class Writer:
    """Another server that writes to one address again and again, as long as it is asked to."""

    def __init__(self, server: RunningServer, recipient: str) -> None:
        self.accepted: list[str] = []
        self.deferred = 0
        self.refused: list[str] = []
        self._server, self._recipient = server, recipient
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(0.02):
            subject = f"number {number}"
            text = f"Subject: {subject}\r\n\r\nx\r\n"
            try:
                with smtplib.SMTP("127.0.0.1", self._server.port("smtp"), timeout=10) as client:
                    client.sendmail("x@else.example", [self._recipient], text)
            except smtplib.SMTPRecipientsRefused as error:
                code, words = error.recipients[self._recipient]
                if code != 450:
                    self.refused.append(f"{code} {words!r}")
                self.deferred += 1  # it tries the same again, as servers do
            else:
                self.accepted.append(subject)
                number += 1


@pytest.mark.spec("D-113", "D-114", "D-100")
def test_a_rename_under_running_deliveries_loses_nothing(hosting: RunningServer) -> None:
    server = hosting
    with Writer(server, "ann@moving.example") as writer:
        wait_for(lambda: len(writer.accepted) > 5)
        done = json.loads(
            server.manage("domain", "rename", "moving.example", "moved.example", "--json")
        )
        after = len(writer.accepted)
        # Mail to the old name goes on to arrive: it is an alias.
        wait_for(lambda: len(writer.accepted) > after + 5)
    assert (done["old"], done["new"]) == ("moving.example", "moved.example")
    assert writer.refused == []
    wait_for(lambda: len(subjects(server, "ann@moved.example")) >= len(writer.accepted))
    assert sorted(subjects(server, "ann@moving.example")) == sorted(writer.accepted)
    assert not (server.data / "domains/moving.example").exists()
    assert (server.data / "domains/moved.example/manifest.json").exists()
    # And back, while the old name is kept; then the new one is foreign.
    server.manage("domain", "rename", "moved.example", "moving.example", "--drop-old-name")
    wait_for(lambda: not may_log_in(server, "ann@moved.example"))
    assert answer_to(server, "ann@moved.example") == 550
    assert sorted(subjects(server, "ann@moving.example")) == sorted(writer.accepted)


@pytest.mark.spec("D-115")
def test_what_the_server_itself_has_open_is_no_foreign_program(hosting: RunningServer) -> None:
    folder = hosting.data / "domains/open.example"
    wait_for(lambda: is_open(folder))
    rehearsed = ("open.example", "shut.example", "--rehearse", "--json")
    told = hosting.manage("domain", "rename", *rehearsed)
    assert json.loads(told)["opened_by"] == []


def is_open(folder: Path) -> bool:
    """Whether any process has a file of it open: the server, once it has settled mail there."""
    for fd in glob("/proc/[0-9]*/fd/*"):
        with suppress(OSError):
            if os.readlink(fd).startswith(f"{folder}/"):
                return True
    return False


@contextmanager
def writing_into(server: RunningServer, name: str) -> Iterator[None]:
    """As the server itself does while it settles mail: the rename waits for it."""
    fd = os.open(server.data / "domains" / name, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


@pytest.mark.spec("D-113")
def test_a_rename_that_is_killed_in_the_middle_goes_on(hosting: RunningServer) -> None:
    server = hosting
    wait_for(lambda: may_log_in(server, "ann@killed.example"))
    reader = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10)
    reader.login("ann@killed.example", PASSWORD)
    command = [sys.executable, str(ROOT / "manage.py"), "domain", "rename"]
    with writing_into(server, "killed.example"):
        process = subprocess.Popen(
            [*command, "killed.example", "alive.example"],
            env=server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: answer_to(server, "ann@killed.example") == 450)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # The domain is closed: nobody logs in, sessions end, and others try again later.
    wait_for(lambda: not may_log_in(server, "ann@killed.example"))
    wait_for(lambda: is_told_bye(reader))
    assert answer_to(server, "ann@killed.example") == 450
    server.manage("domain", "rename", "killed.example", "alive.example")
    wait_for(lambda: may_log_in(server, "ann@alive.example"))
    wait_for(lambda: answer_to(server, "ann@killed.example") == 250)
