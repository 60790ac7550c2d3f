"""The body of a multi-line reply: dots stuffed and removed, and TOP's cut, chunk by chunk."""

from __future__ import annotations

END = b".\r\n"


class Stuffer:
    """Doubles the dot that begins a line and adds the end mark. RFC 1939 §3.

    A bare LF counts as a line end too: many clients take it for one, and a stored `LF . CR LF`
    would otherwise be a false end of the reply that lets a message speak for the server.
    """

    __slots__ = ("_at_line_start", "_last")

    def __init__(self) -> None:
        self._at_line_start = True
        self._last = b"\r\n"

    def feed(self, chunk: bytes) -> bytes:
        if not chunk:
            return b""
        stuffed = chunk.replace(b"\n.", b"\n..")
        if self._at_line_start and chunk.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_line_start = chunk.endswith(b"\n")
        self._last = (self._last + chunk[-2:])[-2:]
        return stuffed

    def finish(self) -> bytes:
        """The end mark, after a line end of its own where the message has none."""
        return END if self._last == b"\r\n" else b"\r\n" + END


class TopCutter:
    """Lets the headers, the empty line and the first lines of the body pass. RFC 1939 §7 (TOP)."""

    __slots__ = ("_in_header", "_line_is_empty", "_lines_left", "is_finished")

    def __init__(self, lines: int) -> None:
        self._lines_left = lines
        self._in_header = True
        self._line_is_empty = True  # what earlier chunks held of this line
        self.is_finished = False

    def feed(self, chunk: bytes) -> bytes:
        """The part of `chunk` that belongs to the answer; empty once it is finished."""
        if self.is_finished:
            return b""
        position = self._pass_header(chunk) if self._in_header else 0
        if not self._in_header:
            position = self._pass_lines(chunk, position)
        return chunk[:position]

    def _pass_header(self, chunk: bytes) -> int:
        position = 0
        while (at := chunk.find(b"\n", position)) >= 0:
            is_empty = self._line_is_empty and not chunk[position:at].strip(b"\r")
            position = at + 1
            self._line_is_empty = True
            if is_empty:
                self._in_header = False
                return position
        self._line_is_empty = self._line_is_empty and not chunk[position:].strip(b"\r")
        return len(chunk)

    def _pass_lines(self, chunk: bytes, position: int) -> int:
        while self._lines_left:
            at = chunk.find(b"\n", position)
            if at < 0:
                return len(chunk)
            position = at + 1
            self._lines_left -= 1
        self.is_finished = True
        return position
