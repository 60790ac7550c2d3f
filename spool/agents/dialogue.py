"""What two servers said to each other, for an operator who looks why they do not get along."""

from __future__ import annotations

MOST_LINES = 200
LONGEST_LINE = 500
MASK = "********"


class Dialogue:
    """Lines with `>` (ours), `<` (theirs) or `=` (what happened). What logs in is masked."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._is_logging_in = False
        self._rest = b""

    def sent(self, data: bytes) -> None:
        for line in data.splitlines():
            text = line.decode("utf-8", "replace")
            if self._is_logging_in:
                text = MASK
            elif line[:5].upper() == b"AUTH ":
                self._is_logging_in = True
                words = text.split(" ")
                text = " ".join(words[:2] + [MASK] * (len(words) > 2))
            self._add(">", text)

    def received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[-LONGEST_LINE:]
        for line in lines:
            # Only 334 goes on with a log-in; what is sent behind it is a secret.
            if not line.startswith(b"334"):
                self._is_logging_in = False
            self._add("<", line.rstrip(b"\r").decode("utf-8", "replace"))

    def note(self, text: str) -> None:
        self._add("=", text)

    def _add(self, mark: str, text: str) -> None:
        if len(self.lines) < MOST_LINES:
            plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
            self.lines.append(f"{mark} {plain[:LONGEST_LINE]}")
