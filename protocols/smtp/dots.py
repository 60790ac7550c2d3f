"""Dot-stuffing: the lines of a message made safe for DATA, chunk by chunk. RFC 5321 §4.5.2."""

from __future__ import annotations

import re

from protocols.smtp.lineends import are_crlf

_BARE_LINE_END = re.compile(rb"\r\n|\r|\n")


class CanonicalLines:
    """Turns bare CR and LF into CRLF, across chunk borders. RFC 5321 §2.3.8.

    A lone LF is never sent on: a sloppy receiver takes `LF.LF` for the end of data, and what
    follows for commands (SMTP smuggling).
    """

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = False  # a CR at the end of the last chunk: its LF may come with the next one

    def encode(self, chunk: bytes) -> bytes:
        if self._held:
            chunk = b"\r" + chunk
        self._held = chunk[-1:] == b"\r"
        if self._held:
            chunk = chunk[:-1]
        if not are_crlf(chunk):
            chunk = _BARE_LINE_END.sub(b"\r\n", chunk)
        return chunk

    def finish(self) -> bytes:
        """What was held back: the rest of a message that ends with a bare CR."""
        held, self._held = self._held, False
        return b"\r\n" if held else b""


class DotStuffer:
    """Doubles each dot that starts a line; `finish` ends the data with `CRLF.CRLF`."""

    __slots__ = ("_lines", "_tail")

    def __init__(self) -> None:
        self._lines = CanonicalLines()
        self._tail = b"\r\n"  # the last two bytes sent: the message starts at the start of a line

    def encode(self, chunk: bytes) -> bytes:
        return self._stuff(self._lines.encode(chunk))

    def finish(self) -> bytes:
        rest = self._stuff(self._lines.finish())
        return rest + (b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n")

    def _stuff(self, lines: bytes) -> bytes:
        if not lines:
            return lines
        # A chunk never ends between CR and LF: CanonicalLines holds such a CR back.
        starts_with_dot = lines[:1] == b"." and self._tail == b"\r\n"
        self._tail = (self._tail + lines[-2:])[-2:]
        if b"\r\n." in lines:
            lines = lines.replace(b"\r\n.", b"\r\n..")
        return b"." + lines if starts_with_dot else lines
