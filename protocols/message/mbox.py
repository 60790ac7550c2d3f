"""Messages as one file: the mboxrd form, with LF as RFC 4155 wants it, written piece by piece."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

NOBODY = "MAILER-DAEMON"
LONGEST_SENDER = 320

_SEPARATOR = b"From "
# A line that would begin another message; those with ">" before it have been quoted before.
_LIKE_ONE = re.compile(rb"(?m)^(>*From )")
# Fields in which mbox files keep flags, and by which mutt finds where a message ends.
_OF_FILES = re.compile(
    rb"(?im)^(?:status|x-status|x-keywords|content-length)[ \t]*:.*(?:\n|\Z)(?:[ \t].*(?:\n|\Z))*"
)
_END_OF_HEADER = re.compile(rb"(?m)^\r?\n")
_NOT_PLAIN = re.compile(r"[^\x21-\x7e]")


def separator(sender: str, at_seconds: float) -> bytes:
    """The line before each message; `sender` of the envelope, empty: nobody's. RFC 4155."""
    plain = _NOT_PLAIN.sub("", sender)[:LONGEST_SENDER] or NOBODY
    return f"From {plain} {time.asctime(time.gmtime(at_seconds))}\n".encode("ascii")


def marks(
    *,
    is_seen: bool,
    is_answered: bool,
    is_flagged: bool,
    is_deleted: bool,
    is_draft: bool,
    keywords: Iterable[str] = (),
) -> bytes:
    """The fields in which mail programs keep flags; they stand before all others."""
    lines = [f"Status: {'RO' if is_seen else 'O'}"]
    letters = zip("AFDT", (is_answered, is_flagged, is_deleted, is_draft), strict=True)
    if status := "".join(letter for letter, is_set in letters if is_set):
        lines.append(f"X-Status: {status}")
    if words := " ".join(filter(None, (_NOT_PLAIN.sub("", word) for word in keywords))):
        lines.append(f"X-Keywords: {words}")
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def without_marks(beginning: bytes) -> bytes:
    """The octets of a message, or the first of them, without fields that speak of such a file.

    Whoever wrote the message would set flags by them, or hide the messages behind it.
    """
    found = _END_OF_HEADER.search(beginning)
    end = found.start() if found is not None else len(beginning)
    return _OF_FILES.sub(b"", beginning[:end]) + beginning[end:]


class Quoter:
    """Takes the octets of one message in pieces, and gives them as an mbox holds them.

    Keeps four octets at most from one piece to the next, however long a line is.
    """

    def __init__(self) -> None:
        self._held = b""
        self._is_at_start = True  # of a line, of which nothing but ">" has been given
        self._ends_line = True

    def feed(self, piece: bytes) -> bytes:
        data, self._held = self._held + piece, b""
        if data.endswith(b"\r"):  # perhaps half of a CRLF
            data, self._held = data[:-1], b"\r"
        data = data.replace(b"\r\n", b"\n")
        if not self._held:
            begun = self._begun(data)
            if 0 < len(begun) < len(_SEPARATOR) and _SEPARATOR.startswith(begun):
                data, self._held = data[: -len(begun)], begun
        return self._quoted(data)

    def finish(self) -> bytes:
        """The rest, and the empty line behind each message."""
        rest, self._held = self._held, b""
        return rest + (b"\n" if self._ends_line and not rest else b"\n\n")

    def _begun(self, data: bytes) -> bytes:
        """What the last line has behind its ">"; empty if it began earlier with something else."""
        end = data.rfind(b"\n") + 1
        return data[end:].lstrip(b">") if end or self._is_at_start else b""

    def _quoted(self, data: bytes) -> bytes:
        if not data:
            return data
        first = 0 if self._is_at_start else data.find(b"\n") + 1
        end = data.rfind(b"\n") + 1
        if not (end or self._is_at_start):
            self._ends_line = False
            return data
        self._is_at_start = not data[end:].lstrip(b">")
        self._ends_line = data.endswith(b"\n")
        return data[:first] + _LIKE_ONE.sub(rb">\1", data[first:])
