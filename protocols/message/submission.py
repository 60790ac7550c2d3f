"""What a submitted message lacks and its server adds: Date, Message-ID, From. RFC 6409 §8."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from protocols.message import addresses, headers
from protocols.message.dates import format_date

_FIRST_LINE_IS_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:|\r?\n")


def missing_fields(
    message: bytes,
    listed: Iterable[tuple[bytes, bytes]],
    *,
    author_name: str,
    author: str,
    message_id: str,
    now: datetime,
) -> bytes:
    """The fields to put in front of `message`, which has those `listed`; empty: it needs none.

    `message_id` is written without its angle brackets. A message that begins with its text
    instead of a header gets the blank line between them too.
    """
    present = {name.lower() for name, value in listed if value.strip()}
    added = []
    if b"date" not in present:
        added.append(b"Date: " + format_date(now) + b"\r\n")
    if b"from" not in present:
        value = addresses.format_address(author_name, author, utf8=not author.isascii())
        added.append(headers.structured_field("From", value))
    if b"message-id" not in present:
        added.append(headers.structured_field("Message-ID", f"<{message_id}>".encode()))
    if message and not _FIRST_LINE_IS_HEADER.match(message):
        added.append(b"\r\n")
    return b"".join(added)
