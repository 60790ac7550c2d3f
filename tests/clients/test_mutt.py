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
        "set ssl_starttls=no\nset ssl_force_tls=no\nset delete=yes\nset confirmappend=no\nset confirmcreate=no\n"
        "set wait_key=no\nset move=no\nset mbox_type=mbox\nset pop_delete=no\n"
    )


def read(mutt: Program, url: str, keys: str) -> str:
    """Open a mailbox on a terminal of its own and press `keys`; what the screen showed."""
    keyboard, terminal = pty.openpty()
    line = ["mutt", "-F", "muttrc", "-f", url, "-e", f'push "{keys}"']
    running = subprocess.Popen(
        line,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=mutt.home,
        env={"HOME": str(mutt.home), "TERM": "vt100", "PATH": os.environ["PATH"]},
        start_new_session=True,
    )
    os.close(terminal)
    shown, deadline = b"", time.monotonic() + READING_SECONDS
    try:
        while running.poll() is None and time.monotonic() < deadline:
            if select.select([keyboard], [], [], 0.2)[0]:
                try:
                    shown += os.read(keyboard, 65536)
                except OSError:  # the terminal is closed: mutt has ended
                    break
        assert running.poll() == 0 or running.wait(5) == 0, shown.decode("utf-8", "replace")
    finally:
        running.kill()
        running.wait()
        os.close(keyboard)
    return shown.decode("utf-8", "replace")


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
        "<limit>~s mutt<enter><save-message>=../kept<enter><sync-mailbox><quit>".replace(
            "=../kept", f"{mutt.home}/kept"
        ),
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
    read(mutt, url, f"<copy-message>{mutt.home}/kept<enter><exit>")
    assert "read me" in (mutt.home / "kept").read_text()
    assert len(mail.inbox(mail.alice)) == 1
