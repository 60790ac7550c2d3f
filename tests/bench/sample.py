"""Messages like those people have: trace headers, a text, HTML, sometimes an attachment."""

from __future__ import annotations

import base64
import random

WORDS = [
    *[
        "meeting",
        "report",
        "invoice",
        "delivery",
        "summer",
        "garden",
        "travel",
        "train",
        "question",
    ],
    *["answer", "offer", "contract", "figures", "table", "server", "mailbox", "quarter", "budget"],
    *["holiday", "project", "review", "draft", "version", "customer"],
]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
NEEDLE = "chrysanthemum"  # one message in fifty has it in its subject and in its body


def message(number: int, text_bytes: int = 1500) -> bytes:
    """The same message for the same number, about 3 KB long by default."""
    dice = random.Random(number)
    date = f"{number % 28 + 1} {MONTHS[number % 12]} 2025 10:{number % 60:02}:00 +0000"
    needle = f" {NEEDLE}" if number % 50 == 0 else ""
    subject = " ".join(dice.choices(WORDS, k=6)) + needle
    text = needle + "\r\n".join(
        " ".join(dice.choices(WORDS, k=10)) for _ in range(max(1, text_bytes // 75))
    )
    headers = (
        f"Received: from relay{number % 7}.example.org (relay.example.org [192.0.2.7])\r\n"
        f"\tby mx.bench.test with ESMTPS id {number:08x}\r\n\tfor <user@bench.test>; {date}\r\n"
        f"Message-ID: <{number}.{dice.random()}@example.org>\r\n"
        f"Date: {date}\r\nFrom: Anne Author <anne{number % 40}@example.org>\r\n"
        f'To: "Bob, Reader" <bob@bench.test>, carol@bench.test\r\nSubject: {subject}\r\n'
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/mixed; boundary="=_b{number}"\r\n\r\n'
    )
    html = f"<html><body><p>{text[:600]}</p></body></html>"
    attached = base64.encodebytes(dice.randbytes(300)).decode().replace("\n", "\r\n")
    parts = [
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n",
        f"Content-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n",
        "Content-Type: application/octet-stream; name=table.bin\r\n"
        "Content-Disposition: attachment; filename=table.bin\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{attached}",
    ]
    boundary = f"--=_b{number}"
    body = "".join(f"{boundary}\r\n{part}" for part in parts) + f"{boundary}--\r\n"
    return (headers + body).encode()


def append(folder: str, blob: bytes) -> bytes:
    """An APPEND command with its literal."""
    return f'APPEND "{folder}" {{{len(blob)}+}}\r\n'.encode() + blob
