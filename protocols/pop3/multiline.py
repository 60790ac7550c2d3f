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


class Unstuffer:
    """Takes the added dots out of the body of a multi-line reply and finds its end. RFC 1939 §3.

    Lines end with CRLF. A lone dot behind a bare LF ends the body only where no line of it ended
    with CRLF so far, for servers that know LF alone: elsewhere it is a line of the message, which
    would otherwise speak for the server (as in SMTP smuggling).
    """

    __slots__ = ("_at_line_start", "_has_crlf", "_held", "_last", "is_finished", "rest")

    def __init__(self) -> None:
        self._at_line_start = True
        self._has_crlf = False
        self._held = b""  # a dot, and what follows it, until it is known what it means
        self._last = b"\r\n"
        self.is_finished = False
        self.rest = b""  # what came behind the end

    def feed(self, data: bytes) -> bytes:
        """The part of the body that `data` brings, otherwise unchanged; nothing once finished."""
        data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        position = 0
        while not self.is_finished:
            if self._at_line_start:
                start = self._begin_line(data, position)
                if start is None:
                    self._held = data[position:]
                    break
                position = start
                continue
            at = data.find(b"\n.", position)
            pieces.append(self._pass(data[position : at + 1] if at >= 0 else data[position:]))
            position = at + 1
            self._at_line_start = at >= 0 or data.endswith(b"\n")
            if at < 0:
                break
        if self.is_finished:
            self.rest = data[position:]
        return b"".join(pieces)

    def _begin_line(self, data: bytes, position: int) -> int | None:
        """Where the line goes on without its added dot; None: more octets are needed."""
        dot, after = data[position : position + 1], data[position + 1 : position + 3]
        if not dot:
            return None
        if dot == b".":
            if self._last != b"\r\n" and self._has_crlf:
                if not after:
                    return None
                position += after[:1] == b"."  # our own Stuffer doubles dots here too
            elif after in (b"", b"\r"):
                return None
            else:
                position += 1
                self.is_finished = after == b"\r\n" or after[:1] == b"\n"
                if self.is_finished:
                    position += 2 if after == b"\r\n" else 1
        self._at_line_start = False
        return position

    def _pass(self, piece: bytes) -> bytes:
        self._has_crlf = self._has_crlf or b"\r\n" in self._last[-1:] + piece
        self._last = (self._last + piece[-2:])[-2:]
        return piece


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
