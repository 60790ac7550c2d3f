"""What a mail program reads on a running server."""

from __future__ import annotations

import imaplib
import time
from collections.abc import Callable

from tests.factories import PASSWORD
from tests.running import RunningServer

WITHIN_SECONDS = 60.0
BYTES = "BODY.PEEK[]"


def wait_for(question: Callable[[], object]) -> None:
    """Raises AssertionError when the answer does not become yes."""
    end = time.monotonic() + WITHIN_SECONDS
    while not question():
        assert time.monotonic() < end, question
        time.sleep(0.1)


def open_mailbox(server: RunningServer, login: str) -> imaplib.IMAP4:
    """Raises imaplib.IMAP4.error when the log-in is refused."""
    client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=60)
    try:
        client.login(login, PASSWORD)
    except imaplib.IMAP4.error:
        client.shutdown()
        raise
    return client


def may_log_in(server: RunningServer, login: str) -> bool:
    try:
        open_mailbox(server, login).logout()
    except (imaplib.IMAP4.error, ConnectionError):  # or it has not started yet
        return False
    return True


def read_folder(client: imaplib.IMAP4, folder: str, *more: str) -> tuple[object, list[object]]:
    """UIDVALIDITY, and of every message UID, flags, date, bytes, and `more` such as MODSEQ."""
    assert client.select(f'"{folder}"', readonly=True)[0] == "OK", folder
    validity = client.response("UIDVALIDITY")[1]
    asked = ("UID", *more, "FLAGS", "INTERNALDATE", BYTES)
    _, rows = client.uid("FETCH", "1:*", f"({' '.join(asked)})")
    return validity, [row for row in rows if row is not None]
