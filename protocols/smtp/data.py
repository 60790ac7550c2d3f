"""The message after DATA: dots undone, the end found, line ends watched. RFC 5321 §4.5.2.

Only CR LF dot CR LF ends the message (RFC 5321 §4.1.1.4). Whatever else a client or an attacker
holds for an end, such as LF dot LF, is part of the message, and makes it a faulty one.
"""

from __future__ import annotations

import enum

from protocols.smtp.lineends import are_crlf

_END = b"\r\n.\r\n"


class Fault(enum.Enum):
    """Why a message that was read to its end must be refused."""

    BARE_NEWLINE = "a CR or LF stands alone"
    NUL = "a NUL character"


class LineWatch:
    """Looks for what text must not hold, in pieces that may split a CRLF."""

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self._ended_in_cr = False

    def feed(self, piece: bytes) -> None:
        if not piece or self.fault is not None:
            return
        if self._ended_in_cr:
            piece = b"\r" + piece
        self._ended_in_cr = piece.endswith(b"\r")
        if self._ended_in_cr:
            piece = piece[:-1]
        if not are_crlf(piece):
            self.fault = Fault.BARE_NEWLINE
        elif b"\0" in piece:
            self.fault = Fault.NUL

    def end(self) -> None:
        """No more pieces come."""
        if self._ended_in_cr and self.fault is None:
            self.fault = Fault.BARE_NEWLINE


class DataReader:
    """Takes the bytes as they arrive, in pieces of any size, and gives the message's own."""

    def __init__(self) -> None:
        self._watch = LineWatch()
        # The message begins as if after a CRLF, so that a lone dot ends an empty one.
        self._held = b"\r\n"
        self._begins = True
        self.rest: bytes | None = None

    @property
    def is_complete(self) -> bool:
        """The end was seen; `rest` holds what followed it: the next commands."""
        return self.rest is not None

    @property
    def fault(self) -> Fault | None:
        return self._watch.fault

    def feed(self, piece: bytes) -> bytes:
        """The part of the message that is certain now. Not to be called after the end."""
        piece = self._held + piece
        end = piece.find(_END)
        if end >= 0:
            self.rest = piece[end + len(_END) :]
            piece = piece[: end + 2]
        else:
            piece = self._hold_back(piece)
        self._watch.feed(piece)
        if b"\r\n." in piece:
            piece = piece.replace(b"\r\n.", b"\r\n")
        if self._begins and piece:
            self._begins = False
            return piece[2:]
        return piece

    def _hold_back(self, piece: bytes) -> bytes:
        """Keep an ending that the next piece may turn into the end of the message."""
        for length in (4, 3, 2, 1):
            if piece.endswith(_END[:length]):
                self._held = piece[-length:]
                return piece[:-length]
        self._held = b""
        return piece
