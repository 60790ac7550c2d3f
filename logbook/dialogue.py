"""A conversation of a mail program with the server, made fit to keep: no secrets, no mail."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

LONGEST_LINE_BYTES = 16_384  # of what is waited for; then it counts as a line
SHOWN_CHARACTERS = 500
MOST_COMMANDS_AHEAD = 1_000

_LITERAL = re.compile(rb"~?\{(\d{1,12})\+?\}\Z")
_IMAP_LOGIN = re.compile(rb"(\S+ +(?:LOGIN|AUTHENTICATE(?: +[A-Z0-9_-]+)?))(?: |\Z)", re.I)
_SMTP_LOGIN = re.compile(rb"(AUTH(?: +[A-Z0-9_-]+)?)", re.I)
_POP_LOGIN = re.compile(rb"(PASS|APOP(?: +\S+)?|AUTH(?: +[A-Z0-9_-]+)?)", re.I)
_NEVER = re.compile(rb"(?!)()")  # LDAP's sessions say in words what passes; see Tap.line
_LOGIN = {"imap": _IMAP_LOGIN, "smtp": _SMTP_LOGIN, "pop": _POP_LOGIN, "ldap": _NEVER}
_BDAT = re.compile(rb"BDAT +(\d{1,12})", re.I)
MASK = "***"


class Dialogue:
    """Fed with octets of both sides, it gives lines; any octets, in any pieces, are taken.

    From the command that logs in until the server has judged it, nothing that the client sends is
    shown. Literals and messages are replaced by their size.
    """

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        self._login = _LOGIN[protocol]
        self._client, self._server = _Side(), _Side()
        self._is_secret = False
        self._login_tag = b""
        self._is_message = False  # the client sends one, up to a lone dot
        self._message_bytes = 0
        self._asked: deque[bytes] = deque(maxlen=MOST_COMMANDS_AHEAD)  # POP3
        self._is_retrieved = False  # the server sends one

    def heard(self, octets: bytes) -> list[str]:
        """What the client sent."""
        shown = []
        for kind, piece in self._client.take(octets, self._client_skips):
            if kind == "skipped":
                shown.append(f"C: [{piece.decode()} bytes]")
            else:
                shown += self._heard_line(piece)
        return shown

    def said(self, octets: bytes) -> list[str]:
        """What the server sent."""
        shown = []
        for kind, piece in self._server.take(octets, self._server_skips):
            if kind == "skipped":
                shown.append(f"S: [{piece.decode()} bytes]")
            else:
                shown += self._said_line(piece)
        return shown

    # --- the client ---

    def _client_skips(self, line: bytes) -> int:
        """How many octets after this line are none."""
        if self._protocol == "imap":
            return _literal(line)
        if self._protocol == "smtp" and not self._is_message and not self._is_secret:
            match = _BDAT.match(line)
            return int(match[1]) if match else 0
        return 0

    def _heard_line(self, line: bytes) -> list[str]:
        if self._is_message:
            if line != b".":
                self._message_bytes += len(line) + 2
                return []
            self._is_message = False
            return [f"C: [message of {self._message_bytes} bytes]"]
        if self._is_secret:
            return [f"C: {MASK}"]
        if self._protocol == "pop":
            self._asked.append(line.split(b" ", 1)[0].upper())
        match = self._login.match(line)
        if match is None:
            return [f"C: {_text(line)}"]
        self._is_secret = True
        self._login_tag = line.split(b" ", 1)[0]
        return [f"C: {_text(match[1])} {MASK}"]

    # --- the server ---

    def _server_skips(self, line: bytes) -> int:
        return _literal(line) if self._protocol == "imap" else 0

    def _said_line(self, line: bytes) -> list[str]:
        if self._protocol == "pop":
            return self._said_by_pop(line)
        if self._protocol == "smtp":
            if self._is_secret and not line.startswith(b"334"):
                self._is_secret = False
            if line.startswith(b"354"):
                self._is_message, self._message_bytes = True, 0
            if line.startswith(b"334"):
                return [f"S: 334 {MASK}"]
        elif self._is_secret:
            if line.startswith(b"+"):
                return [f"S: + {MASK}"]
            if line.split(b" ", 1)[0] == self._login_tag:
                self._is_secret = False
        return [f"S: {_text(line)}"]

    def _said_by_pop(self, line: bytes) -> list[str]:
        if self._is_retrieved:
            if line != b".":
                self._message_bytes += len(line) + 2
                return []
            self._is_retrieved = False
            return [f"S: [message of {self._message_bytes} bytes]"]
        if line.startswith((b"+OK", b"-ERR")):
            self._is_secret = False
            verb = self._asked.popleft() if self._asked else b""
            if verb in (b"RETR", b"TOP") and line.startswith(b"+OK"):
                self._is_retrieved, self._message_bytes = True, 0
        elif self._is_secret and line.startswith(b"+"):
            return [f"S: + {MASK}"]
        return [f"S: {_text(line)}"]


class _Side:
    """Cuts one side's octets into lines and what lies between them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        self._skipped = 0

    def take(self, octets: bytes, skips: Callable[[bytes], int]) -> list[tuple[str, bytes]]:
        self._buffer += octets
        found: list[tuple[str, bytes]] = []
        while self._buffer:
            if self._skip:
                count = min(self._skip, len(self._buffer))
                del self._buffer[:count]
                self._skip -= count
                if self._skip:
                    break
                found.append(("skipped", str(self._skipped).encode()))
                continue
            end = self._buffer.find(b"\n")
            if end < 0 and len(self._buffer) < LONGEST_LINE_BYTES:
                break
            end = len(self._buffer) if end < 0 else end
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            self._skip = self._skipped = skips(line)
            found.append(("line", line))
        return found


def _literal(line: bytes) -> int:
    match = _LITERAL.search(line)
    return int(match[1]) if match else 0


def _text(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
