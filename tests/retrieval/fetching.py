"""A user of a running server whose mail lies in another mailbox, on this or another server."""

from __future__ import annotations

import contextlib
import imaplib
import poplib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from tests.factories import PASSWORD
from tests.operations.outside import listed, wait_for
from tests.retrieval.remote import dovecot
from tests.running import RunningServer

LOOPBACK = "settings: {retrieval: {allowed_networks: [127.0.0.0/8]}}\n"
SECONDS = 60.0  # a busy machine takes its time


def letter(subject: str, *, more: str = "", size: int = 0) -> bytes:
    """`more`: further fields; `size`: about so many bytes."""
    head = (
        f"From: eve@elsewhere.example\r\nTo: somebody@old.example\r\nSubject: {subject}\r\n"
        f"Message-ID: <{subject.replace(' ', '.')}@elsewhere.example>\r\n{more}\r\n"
    )
    return f"{head}{subject}\r\n".encode() + (b"x" * 76 + b"\r\n") * (size // 78)


def open_domain(server: RunningServer, name: str, *users: str, **tabs: object) -> None:
    """With an administrator `admin`; all have the same password. Loopback may be fetched from."""
    lines = [
        LOOPBACK, "domains:", f"  - name: {name}",
        f'    admin: {{username: admin, password: "{PASSWORD}"}}',
        "    users:",
        *(f'      - {{username: {user}, password: "{PASSWORD}"}}' for user in users),
        *(f"    {tab}: {values}" for tab, values in tabs.items()),
    ]  # fmt: skip
    server.manage("apply", "-", text="\n".join(lines) + "\n")


@contextlib.contextmanager
def imap(server: RunningServer, address: str) -> Iterator[imaplib.IMAP4]:
    client = imaplib.IMAP4("127.0.0.1", server.port("imap"), timeout=30)
    try:
        client.login(address, PASSWORD)
        yield client
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            client.logout()


def put(
    server: RunningServer,
    address: str,
    *messages: bytes,
    folder: str = "INBOX",
    flags: str = "",
    at: datetime | None = None,
) -> None:
    """Into a mailbox, by IMAP."""
    with imap(server, address) as client:
        client.create(folder)
        for message in messages:
            when = imaplib.Time2Internaldate(at) if at else ""
            assert client.append(folder, flags, when, message)[0] == "OK"


def subjects(server: RunningServer, address: str, folder: str = "INBOX") -> list[str]:
    """Of all messages in a folder, in its order; of a folder that is not there: none."""
    with imap(server, address) as client:
        if client.select(f'"{folder}"', readonly=True)[0] != "OK":
            return []
        _, found = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        return [
            one[1].decode().partition(":")[2].strip() for one in found if isinstance(one, tuple)
        ]


def messages(server: RunningServer, address: str, folder: str = "INBOX") -> list[bytes]:
    with imap(server, address) as client:
        client.select(f'"{folder}"', readonly=True)
        _, found = client.fetch("1:*", "(BODY.PEEK[])")
        return [one[1] for one in found if isinstance(one, tuple)]


def described(server: RunningServer, address: str, folder: str = "INBOX") -> list[tuple[str, str]]:
    """Flags, sorted and without \\Recent, and INTERNALDATE of each message."""
    with imap(server, address) as client:
        client.select(f'"{folder}"', readonly=True)
        _, found = client.fetch("1:*", "(FLAGS INTERNALDATE)")
    told = []
    for line in found:
        flags = re.search(rb"FLAGS \(([^)]*)\)", line)
        date = re.search(rb'INTERNALDATE "([^"]*)"', line)
        names = sorted(set(flags[1].decode().split()) - {"\\Recent"})
        told.append((" ".join(names), date[1].decode().strip()))
    return told


def left_by_pop(server: RunningServer, address: str) -> int:
    pop = poplib.POP3("127.0.0.1", server.port("pop3"), timeout=30)
    pop.user(address)
    pop.pass_(PASSWORD)
    count = pop.stat()[0]
    pop.quit()
    return count


def add(
    server: RunningServer,
    owner: str,
    kind: str,
    there: str,
    *settings: str,
    of: RunningServer | None = None,
    password: str = PASSWORD,
) -> int:
    """An account of `owner` for the mailbox `there` on `of`, or on the server itself; its number.

    Visited each minute.
    """
    port = (of or server).port("pop3" if kind == "pop3" else "imap")
    server.manage(
        "retrieval", "add", owner, kind, "127.0.0.1", there,
        f"port={port}", "security=none", "interval_minutes=1", *settings,
        text=f"{password}\n",
    )  # fmt: skip
    return max(one["number"] for one in listed(server, "retrieval", "list", owner))


@dataclass
class Elsewhere:
    """A mailbox on Dovecot, and its user's own way into it."""

    ports: dict[str, int]
    username: str
    client: imaplib.IMAP4

    def put(self, *messages: bytes, folder: str = "INBOX", flags: str = "") -> None:
        self.client.create(folder)
        for message in messages:
            assert self.client.append(folder, flags, "", message)[0] == "OK"

    def add_to(self, server: RunningServer, owner: str, *settings: str, kind: str = "imap") -> int:
        """An account of `owner` for it; its number."""
        port = self.ports[kind]
        server.manage(
            "retrieval", "add", owner, kind, "127.0.0.1", self.username, f"port={port}",
            "security=none", "interval_minutes=1", *settings, text=f"{dovecot.PASSWORD}\n",
        )  # fmt: skip
        return max(one["number"] for one in listed(server, "retrieval", "list", owner))


@contextlib.contextmanager
def dovecots(ports: dict[str, int], name: str) -> Iterator[Elsewhere]:
    """A new mailbox there."""
    username = f"{name}-{uuid4().hex}"
    with imaplib.IMAP4("127.0.0.1", ports["imap"], timeout=30) as client:
        client.login(username, dovecot.PASSWORD)
        yield Elsewhere(ports, username, client)


def standing(server: RunningServer, number: int) -> dict[str, object]:
    found: dict[str, object] = listed(server, "retrieval", "show", str(number))
    return found


def fetch(server: RunningServer, number: int) -> dict[str, object]:
    """Fetch now, and wait until that is over."""
    before = standing(server, number)["last_run_at"]
    server.manage("retrieval", "fetch", str(number))

    def is_over() -> dict[str, object] | None:
        found = standing(server, number)
        return found if found["last_run_at"] != before else None

    return wait_for(is_over, SECONDS)


def visited(server: RunningServer, number: int) -> dict[str, object]:
    """How it stands after its first visit."""

    def is_over() -> dict[str, object] | None:
        found = standing(server, number)
        return found if found["last_run_at"] else None

    return wait_for(is_over, SECONDS)
