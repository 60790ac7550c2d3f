"""mutt sends and reads without a person at its keyboard."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
import uuid

import pytest

from tests.clients.programs import Mail, Program, program

READING_SECONDS = 40


@pytest.fixture
def mutt(tmp_path) -> Program:
    return program("mutt", tmp_path)


def settings(mail: Mail) -> str:
    name, host = mail.alice.replace("@", "%40"), mail.host
    return (
        f'set from="{mail.alice}"\nset realname="Alice"\nset use_from\nset copy=no\n'
        f'set imap_user="{mail.alice}"\nset imap_pass="{mail.password}"\n'
        f'set smtp_url="smtp://{name}@{host}:{mail.ports["submission"]}/"\n'
        f'set smtp_pass="{mail.password}"\nset pop_user="{mail.alice}"\n'
        f'set pop_pass="{mail.password}"\n'
        'set ssl_starttls=no\nset ssl_force_tls=no\nset folder="~"\nset delete=yes\n'
        "set confirmappend=no\nset confirmcreate=no\n"
        "set wait_key=no\nset move=no\nset mbox_type=mbox\nset pop_delete=no\n"
    )


def read(mutt: Program, url: str, *steps: tuple[str, str]) -> None:
    """Open a mailbox on a terminal: for each step wait until its text shows, then press its keys.

    The last step must make mutt end well.
    """
    keyboard, terminal = pty.openpty()
    running = subprocess.Popen(
        ["mutt", "-F", "muttrc", "-f", url],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=mutt.home,
        env={"HOME": str(mutt.home), "TERM": "vt100", "PATH": os.environ["PATH"]},
        start_new_session=True,
    )
    os.close(terminal)
    shown, waiting, deadline = "", list(steps), time.monotonic() + READING_SECONDS
    try:
        while time.monotonic() < deadline:
            if select.select([keyboard], [], [], 0.2)[0]:
                try:
                    shown += os.read(keyboard, 65536).decode("utf-8", "replace")
                except OSError:  # the terminal is closed: mutt has ended
                    break
            if waiting and waiting[0][0] in shown:
                shown, keys = "", waiting.pop(0)[1]
                os.write(keyboard, keys.encode())
        assert not waiting, f"never shown: {waiting[0][0]!r}; last: {shown!r}"
        assert running.wait(30) == 0, shown
    finally:
        running.kill()
        running.wait()
        os.close(keyboard)


REPLACE = "\x15"  # control-U empties the line that mutt proposes


def test_mutt_sends(mail, mutt):
    needle = uuid.uuid4().hex
    mutt.write("muttrc", settings(mail))
    mutt.run("-F", "muttrc", "-s", needle, "--", mail.bob, stdin=b"by mutt\n.\nend\n")
    message = mail.wait_for(mail.bob, needle)
    assert b"\r\n\r\nby mutt\r\n.\r\nend\r\n" in message


def test_mutt_reads_and_deletes_by_imap(mail, mutt):
    mail.empty(mail.alice)
    mail.put(mail.alice, "for mutt", "read me")
    mail.put(mail.alice, "stays here", "not me")
    mutt.write("muttrc", settings(mail))
    url = f"imap://{mail.host}:{mail.ports['imap']}/INBOX"
    read(
        mutt,
        url,
        ("stays here", "/~s mutt\n"),
        ("Searching", "s"),
        ("Save", f"{REPLACE}{mutt.home}/kept\n"),
        ("ing to ", "$"),
        ("1 kept, 1 deleted", "q"),
    )
    assert "read me" in (mutt.home / "kept").read_text()
    (left,) = mail.inbox(mail.alice)
    assert b"stays here" in left


@pytest.mark.spec("N-030")
def test_mutt_reads_by_pop3(mail, mutt):
    mail.empty(mail.alice)
    mail.put(mail.alice, "for mutt", "read me")
    mutt.write("muttrc", settings(mail))
    url = f"pop://{mail.host}:{mail.ports['pop3']}/"
    read(
        mutt,
        url,
        ("for mutt", "C"),
        ("Copy", f"{REPLACE}{mutt.home}/kept\n"),
        ("Fetching message", "x"),
    )
    assert "read me" in (mutt.home / "kept").read_text()
    assert len(mail.inbox(mail.alice)) == 1
