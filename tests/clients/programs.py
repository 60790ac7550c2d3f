"""Mail programs as a user runs them: each in a home of its own, its output kept."""

from __future__ import annotations

import imaplib
import os
import shutil
import ssl
import subprocess
import time
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

import pytest

ARRIVAL_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Mail:
    """A running server as its users know it."""

    ports: dict[str, int]  # smtp submission submissions imap imaps pop3 pop3s
    alice: str
    bob: str
    password: str
    host: str = "127.0.0.1"

    def inbox(self, address: str) -> list[bytes]:
        """Every message in the inbox, whole, oldest first."""
        with imaplib.IMAP4(self.host, self.ports["imap"], timeout=20) as imap:
            imap.login(address, self.password)
            imap.select("INBOX", readonly=True)
            numbers = imap.search(None, "ALL")[1][0].split()
            if not numbers:
                return []
            parts = imap.fetch(f"1:{len(numbers)}", "BODY.PEEK[]")[1]
            return [part[1] for part in parts if isinstance(part, tuple)]

    def wait_for(self, address: str, needle: str) -> bytes:
        """The one message of the inbox that holds `needle`, once it is there."""
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while True:
            found = [message for message in self.inbox(address) if needle.encode() in message]
            if found:
                assert len(found) == 1
                return found[0]
            assert time.monotonic() < deadline, f"{needle} never came"
            time.sleep(0.1)

    def put(self, address: str, subject: str, text: str = "Hello", folder: str = "INBOX") -> bytes:
        """A message in the folder by APPEND; its bytes."""
        message = compose(self.bob, address, subject, text)
        with imaplib.IMAP4(self.host, self.ports["imap"], timeout=20) as imap:
            imap.login(address, self.password)
            status, detail = imap.append(
                folder, "", imaplib.Time2Internaldate(time.time()), message
            )
            assert status == "OK", detail
        return message

    def flags(self, address: str, subject: str) -> set[str]:
        """The flags of the one message with this subject in the inbox."""
        with imaplib.IMAP4(self.host, self.ports["imap"], timeout=20) as imap:
            imap.login(address, self.password)
            imap.select("INBOX", readonly=True)
            (number,) = imap.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
            response = imap.fetch(number.decode(), "(FLAGS)")[1][0]
            flags = imaplib.ParseFlags(response)
            return {flag.decode() for flag in flags} - {"\\Recent"}

    def certificate(self) -> str:
        """The server's certificate as PEM, for programs that must be told whom to trust."""
        return ssl.get_server_certificate((self.host, self.ports["imaps"]), timeout=20)

    def empty(self, address: str) -> None:
        """Nothing left in the inbox."""
        with imaplib.IMAP4(self.host, self.ports["imap"], timeout=20) as imap:
            imap.login(address, self.password)
            if int(imap.select("INBOX")[1][0]):
                imap.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
                imap.expunge()


def compose(author: str, to: str, subject: str, text: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = author, to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="clients.test")
    message.set_content(text)
    return message.as_bytes().replace(b"\n", b"\r\n")


@dataclass(slots=True)
class Program:
    """Runs one program; a run that takes too long or fails unexpectedly fails the test."""

    name: str
    home: Path

    def run(self, *words: str, stdin: bytes = b"", codes: tuple[int, ...] = (0,)) -> str:
        done = subprocess.run(
            [self.name, *words],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.home,
            env={
                "HOME": str(self.home),
                "PATH": os.environ["PATH"] + ":/usr/sbin",
                "TERM": "vt100",
                "LC_ALL": "C.UTF-8",
            },
            timeout=60,
            check=False,
        )
        output = done.stdout.decode("utf-8", "replace")
        assert done.returncode in codes, f"{self.name} ended with {done.returncode}:\n{output}"
        return output

    def write(self, name: str, text: str) -> Path:
        """A file in the program's home that only its owner reads, as such programs demand."""
        path = self.home / name
        path.write_text(text)
        path.chmod(0o600)
        return path


def program(name: str, home: Path) -> Program:
    """The installed program; skips the test only where it is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return Program(name, home)
