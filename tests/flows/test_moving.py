"""The folder of a domain goes elsewhere in a running server, and is killed on its way."""

from __future__ import annotations

import email
import imaplib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.test_renaming import PASSWORD, Writer, wait_for
from tests.running import ROOT, RunningServer

NAME, ANN = "onthemove.example", "ann@onthemove.example"


def logged_in(server: RunningServer) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=10)
    client.login(ANN, PASSWORD)
    client.select("INBOX")
    return client


def seen(client: imaplib.IMAP4) -> dict[int, tuple[str, str]]:
    """Subject and flags by UID, of whole messages."""
    client.noop()
    _, found = client.uid("fetch", "1:*", "(FLAGS BODY.PEEK[])")
    rows = {}
    for part in found:
        if isinstance(part, tuple):
            head = part[0].decode()
            uid = int(head.partition("UID ")[2].split()[0].rstrip(")"))
            flags = head.partition("FLAGS (")[2].partition(")")[0].replace("\\Recent", "").strip()
            rows[uid] = (str(email.message_from_bytes(part[1])["Subject"]), flags)
    return rows


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.spec("D-034")
def test_mail_goes_on_while_the_folder_moves_and_after_a_kill(server: RunningServer) -> None:
    people = f"admin: {{username: admin}}, users: [{{username: ann, password: {PASSWORD}}}]"
    server.manage("apply", "-", text=f"domains: [{{name: {NAME}, {people}}}]")
    old = server.data / "domains" / NAME
    goal = server.data / "domains" / "elsewhere" / "moved"
    command = ("domain", "move", NAME, str(goal))
    reader = logged_in(server)
    with Writer(server, ANN) as writer:
        # Settled mail is what lies in the folder.
        wait_for(lambda: any(path.suffix == ".seg" for path in files_below(old)))
        wait_for(lambda: len(seen(reader)) > 0)
        reader.store("1", "+FLAGS", r"(\Flagged)")
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), *command],
            env=server.environment, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: goal.exists() or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert seen(reader)[1][1] == r"\Flagged"
        try:
            server.manage(*command)
        except subprocess.CalledProcessError as error:
            # It was over before it was killed.
            assert "is the folder of the domain already" in error.stderr
        after = len(writer.accepted)
        wait_for(lambda: len(writer.accepted) > after + 5)
    assert (writer.refused, writer.deferred) == ([], 0)
    wait_for(lambda: len(seen(reader)) == len(writer.accepted))
    rows = seen(reader)
    assert sorted(rows) == list(range(1, len(rows) + 1))
    assert [subject for subject, _ in rows.values()] == writer.accepted
    assert seen(logged_in(server)) == rows
    assert any(path.suffix == ".seg" for path in files_below(goal))
    assert files_below(old) == []
    reader.logout()
