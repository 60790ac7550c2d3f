"""Senders that remember what the server promised them, while it is being killed."""

from __future__ import annotations

import hashlib
import random
import smtplib
import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

RECONNECT_SECONDS = 0.1
MARK = "X-Crash-Id"


class Copy(NamedTuple):
    """One message for one recipient."""

    message_id: str
    recipient: str


@dataclass
class Promises:
    """What became of every copy that was sent. Shared by all senders."""

    accepted: set[Copy] = field(default_factory=set)  # the final reply was 250
    refused: set[Copy] = field(default_factory=set)  # it was 4xx or 5xx
    unknown: set[Copy] = field(default_factory=set)  # it never came
    replies: list[int] = field(default_factory=list)  # the codes of the refusals
    lock: threading.Lock = field(default_factory=threading.Lock)

    def record(self, fate: set[Copy], message_id: str, recipients: list[str]) -> None:
        with self.lock:
            fate.update(Copy(message_id, recipient) for recipient in recipients)


class Sender(threading.Thread):
    """One SMTP client after the other: each sends until its connection breaks."""

    def __init__(
        self, name: str, port: int, recipients: list[str], promises: Promises, message_bytes: int
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._port = port
        self._recipients = recipients
        self._promises = promises
        self._message_bytes = message_bytes
        self._is_stopping = threading.Event()
        self._dice = random.Random(name)
        self._sent = 0

    def run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self._port, timeout=30) as smtp:
                    smtp.ehlo("crash.test")
                    while not self._is_stopping.is_set():
                        self._send(smtp)
            except (OSError, smtplib.SMTPException):
                time.sleep(RECONNECT_SECONDS)

    def stop(self) -> None:
        self._is_stopping.set()
        self.join(60)
        assert not self.is_alive(), "a sender hangs"

    def _send(self, smtp: smtplib.SMTP) -> None:
        self._sent += 1
        message_id = f"{self.name}-{self._sent}"
        recipients = self._dice.sample(self._recipients, self._dice.choice((1, 1, 1, 2)))
        self._expect_250(smtp.mail("sender@origin.test")[0])
        for recipient in recipients:
            self._expect_250(smtp.rcpt(recipient)[0])
        try:
            code, _ = smtp.data(compose(message_id, self._dice.randrange(self._message_bytes)))
        except smtplib.SMTPDataError as error:  # DATA itself was refused
            code = error.smtp_code
        except (OSError, smtplib.SMTPException):
            self._promises.record(self._promises.unknown, message_id, recipients)
            raise
        if code == 250:
            self._promises.record(self._promises.accepted, message_id, recipients)
        else:
            self._promises.record(self._promises.refused, message_id, recipients)
            self._expect_250(code)

    def _expect_250(self, code: int) -> None:
        """A refusal is remembered, and a new connection begins."""
        if code != 250:
            self._promises.replies.append(code)
            raise smtplib.SMTPException(f"refused: {code}")


def compose(message_id: str, body_bytes: int) -> bytes:
    """A message that proves its own body by a digest in its header."""
    line = f"{message_id} the quick brown fox jumps over the lazy dog\r\n"
    body = line * (body_bytes // len(line) + 1)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return (
        f"From: sender@origin.test\r\nSubject: {message_id}\r\n"
        f"Message-ID: <{message_id}@origin.test>\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        f"{MARK}: {message_id} {digest}\r\n\r\n{body}"
    ).encode()
