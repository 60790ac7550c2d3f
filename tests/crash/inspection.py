"""Reads every mailbox back and compares it with what was promised."""

from __future__ import annotations

import hashlib
import imaplib
import re
import time
from collections import Counter
from subprocess import CalledProcessError

from tests.crash.load import MARK, Copy, Promises
from tests.running import RunningServer

SETTLE_SECONDS = 90
_MARK = re.compile(rf"^{MARK}: (\S+) ([0-9a-f]{{64}})\r$".encode(), re.MULTILINE)


class Broken(AssertionError):
    """A promise was broken; the text says which."""


def inspect(
    server: RunningServer, promises: Promises, recipients: list[str], password: str
) -> Counter[Copy]:
    """Wait until the spool is empty, then read everything; how often each copy is there.

    Raises Broken if a message is lost, doubled, damaged, half-visible, or counted wrongly.
    """
    wait_for_empty_spool(server)
    found: Counter[Copy] = Counter()
    for recipient in recipients:
        found.update(_read(server.port("imap"), recipient, password))
    doubled = [copy for copy, number in found.items() if number > 1]
    lost = promises.accepted - found.keys()
    ghosts = found.keys() & promises.refused
    if doubled or lost or ghosts:
        raise Broken(
            f"{len(lost)} lost {sorted(lost)[:5]}, {len(doubled)} doubled {doubled[:5]}, "
            f"{len(ghosts)} delivered though refused {sorted(ghosts)[:5]}"
        )
    strangers = found.keys() - promises.accepted - promises.unknown
    if strangers:
        raise Broken(f"nobody sent {sorted(strangers)[:5]}")
    for command in ("verify", "ledger"):
        try:
            server.manage(command)
        except CalledProcessError as failed:
            raise Broken(f"{command}: {failed.stdout}{failed.stderr}") from failed
    return found


def wait_for_empty_spool(server: RunningServer) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while waiting := int(server.manage("spool", "count").split()[0]):
        if time.monotonic() > deadline:
            raise Broken(f"{waiting} messages still wait in the spool")
        time.sleep(0.3)


def _read(port: int, recipient: str, password: str) -> list[Copy]:
    with imaplib.IMAP4("127.0.0.1", port, timeout=60) as imap:
        imap.login(recipient, password)
        exists = int(imap.select("INBOX", readonly=True)[1][0] or 0)
        counted = imap.status("INBOX", "(MESSAGES)")[1][0]
        if not counted.endswith(b"(MESSAGES %d)" % exists):
            raise Broken(f"{recipient}: {exists} exist, STATUS says {counted!r}")
        if not exists:
            return []
        copies = []
        answer = imap.fetch(f"1:{exists}", "(RFC822.SIZE BODY.PEEK[])")
        for part in answer[1]:
            if isinstance(part, tuple):
                copies.append(_check(recipient, part[0], part[1]))
        if len(copies) != exists:
            raise Broken(
                f"{recipient}: {exists} exist, {len(copies)} can be read: {answer!r}"[:900]
            )
        return copies


def _check(recipient: str, facts: bytes, message: bytes) -> Copy:
    mark = _MARK.search(message)
    if mark is None:
        raise Broken(f"{recipient}: a message without its mark: {message[:300]!r}")
    body = message.partition(b"\r\n\r\n")[2]
    if hashlib.sha256(body).hexdigest().encode() != mark[2]:
        raise Broken(f"{recipient}: {mark[1]!r} has another body than was sent")
    if b"RFC822.SIZE %d " % len(message) not in facts:
        raise Broken(f"{recipient}: {mark[1]!r} is {len(message)} bytes long, not {facts!r}")
    return Copy(mark[1].decode(), recipient)
