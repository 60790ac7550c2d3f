"""Bytes to commands: the server's half of the wire, one event at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from protocols.imap.commands import Append, Command
from protocols.imap.errors import BadCharset, Malformed
from protocols.imap.grammar import Cursor
from protocols.imap.verbs import VERBS, Verb


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command may take of memory; an APPEND's message is not counted."""

    line_bytes: int = 65_536
    literal_bytes: int = 65_536
    command_bytes: int = 131_072


LOGGED_IN_LIMITS: Final = Limits()
STRANGER_LIMITS: Final = Limits(line_bytes=8_192, literal_bytes=1_024, command_bytes=16_384)


@dataclass(frozen=True, slots=True)
class Received:
    """A whole command. Whether its state allows it is the session's business."""

    tag: bytes
    verb: Verb
    command: Command


@dataclass(frozen=True, slots=True)
class ContinuationWanted:
    """The client waits for `+` before it sends a literal."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What came is no command; the reader stands behind it. `tag` is None if there was none."""

    tag: bytes | None
    text: str
    code: bytes = b""  # of the response, without brackets
    is_no: bool = False  # answered NO and not BAD


@dataclass(frozen=True, slots=True)
class AppendOffered:
    """An APPEND up to its message: answer with `accept_message` or `refuse_message`."""

    tag: bytes
    verb: Verb
    command: Append
    is_synchronising: bool  # the client waits for `+`, or for a refusal


@dataclass(frozen=True, slots=True)
class MessageChunk:
    """The next octets of the message of the accepted APPEND."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class AppendReceived:
    """The accepted APPEND is complete."""

    tag: bytes


@dataclass(frozen=True, slots=True)
class LineReceived:
    """A line that is no command, after `expect_line`; without its end."""

    line: bytes


Event = (
    Received
    | ContinuationWanted
    | Refused
    | AppendOffered
    | MessageChunk
    | AppendReceived
    | LineReceived
)

CONTINUATION_WANTED: Final = ContinuationWanted()
_TAG = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,256})(?: |\r|\n|\Z)')
_HEAD = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,256}) ((?:UID )?[A-Z]{1,20})', re.I)
_IS_APPEND = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]{1,256} APPEND ', re.I)
_LITERAL_HEADER = re.compile(rb"\{(\d{1,10})(\+?)\}\r?\n\Z")


class _Mode(Enum):
    COMMAND = auto()
    LINE = auto()
    SKIP_LINE = auto()  # a refused command: up to its end
    SKIP_OCTETS = auto()  # a literal of a refused command
    OFFER = auto()  # nothing moves before accept_message or refuse_message
    MESSAGE = auto()
    MESSAGE_END = auto()  # the line end after the message


class CommandReader:
    """Feed it what the socket gives; take events until None.

    Between two events the session may change what comes next: `expect_line` for the lines of IDLE
    and AUTHENTICATE, `discard` at STARTTLS. Nothing is parsed ahead of the event taken.
    """

    __slots__ = ("_buffer", "_mode", "_offered", "_refusal", "_scan", "_wanted", "limits")

    def __init__(self, limits: Limits = STRANGER_LIMITS) -> None:
        self.limits = limits
        self._buffer = bytearray()
        self._mode = _Mode.COMMAND
        self._scan = 0  # the start of the last line; lines and literals before it are whole
        self._wanted = 0  # octets still to come of a message, or of a literal to skip
        self._offered: AppendOffered | None = None
        self._refusal: Refused | None = None

    @property
    def buffered_bytes(self) -> int:
        return len(self._buffer)

    def feed(self, octets: bytes) -> None:
        self._buffer += octets

    def discard(self) -> None:
        """Forget what came in clear before TLS began: anybody may have put it there."""
        self._buffer = bytearray()
        self._scan = 0

    def expect_line(self) -> None:
        """The next line is no command."""
        self._mode = _Mode.LINE

    def accept_message(self) -> None:
        """Let the message of the offered APPEND come in chunks."""
        assert self._mode is _Mode.OFFER
        self._mode = _Mode.MESSAGE

    def refuse_message(self) -> None:
        """The offered APPEND got its NO; what the client sends of it all the same is skipped."""
        assert self._mode is _Mode.OFFER
        assert self._offered is not None
        self._mode = _Mode.COMMAND if self._offered.is_synchronising else _Mode.SKIP_OCTETS
        self._offered = None

    def next_event(self) -> Event | None:
        """None: more octets are needed, or the offered APPEND waits for its answer."""
        while self._buffer:
            mode = self._mode
            event = _STEPS[mode](self)
            if event is not None or self._mode is mode:
                return event
        return None

    def _take(self, end: int) -> bytes:
        buffer = self._buffer
        self._scan = 0
        if end >= len(buffer):  # nearly always: a client waits for the answer
            octets = bytes(buffer)
            buffer.clear()
            return octets
        octets = bytes(buffer[:end])
        del buffer[:end]
        return octets

    def _read_command(self) -> Event | None:
        buffer = self._buffer
        while True:
            newline = buffer.find(b"\n", self._scan)
            length = (newline if newline >= 0 else len(buffer)) - self._scan
            if length > self.limits.line_bytes:
                self._refuse_line("Line is too long")
                return None
            if newline < 0:
                return None
            end = newline + 1
            if 0x7D in buffer[max(newline - 2, 0) : newline]:  # "}": perhaps a literal follows
                header = _LITERAL_HEADER.search(buffer, max(self._scan, newline - 14), end)
                if header is not None:
                    event = self._read_literal(header.start(), end, int(header[1]), not header[2])
                    if event is not None or self._mode is not _Mode.COMMAND:
                        return event
                    continue
            return _parse(self._take(end))

    def _read_literal(
        self, start: int, end: int, size: int, is_synchronising: bool
    ) -> Event | None:
        """The event at a literal's header, `{5}CRLF`; None when its octets simply follow."""
        append = _IS_APPEND.match(self._buffer)
        if append is not None and append.end() != start:  # at its end: the folder's literal
            return self._offer(self._take(end), size, is_synchronising)
        if size > self.limits.literal_bytes or end + size > self.limits.command_bytes:
            tag = _tag(self._take(end))
            refused = Refused(tag, "Literal is too large", b"TOOBIG", is_no=True)
            return self._refuse_literal(refused, size, is_synchronising)
        self._scan = end + size
        return CONTINUATION_WANTED if is_synchronising else None

    def _offer(self, octets: bytes, size: int, is_synchronising: bool) -> Event | None:
        parsed = _parse(octets)
        if isinstance(parsed, Refused):
            return self._refuse_literal(parsed, size, is_synchronising)
        assert isinstance(parsed.command, Append)
        self._offered = AppendOffered(parsed.tag, parsed.verb, parsed.command, is_synchronising)
        self._wanted = size
        self._mode = _Mode.OFFER
        return self._offered

    def _refuse_line(self, text: str) -> None:
        self._refusal = Refused(_tag(bytes(self._buffer[:300])), text)
        self._mode = _Mode.SKIP_LINE

    def _refuse_literal(self, refused: Refused, size: int, is_synchronising: bool) -> Event | None:
        """A synchronising literal is not sent after a refusal; any other has to be skipped."""
        if is_synchronising:
            return refused
        self._refusal = refused
        self._wanted = size
        self._mode = _Mode.SKIP_OCTETS
        return None

    def _skip_line(self) -> Event | None:
        newline = self._buffer.find(b"\n")
        if newline < 0:
            self._take(max(len(self._buffer) - 15, 0))  # a literal's header may begin here
            return None
        line = self._take(newline + 1)
        header = _LITERAL_HEADER.search(line)
        if header is not None and header[2]:
            self._wanted = int(header[1])
            self._mode = _Mode.SKIP_OCTETS
            return None
        refusal, self._refusal = self._refusal, None
        self._mode = _Mode.COMMAND
        return refusal

    def _skip_octets(self) -> None:
        self._wanted -= len(self._take(self._wanted))
        if not self._wanted:
            self._mode = _Mode.SKIP_LINE

    def _read_line(self) -> Event | None:
        newline = self._buffer.find(b"\n")
        length = newline if newline >= 0 else len(self._buffer)
        if length > self.limits.line_bytes:
            self._refuse_line("Line is too long")
            return None
        if newline < 0:
            return None
        self._mode = _Mode.COMMAND
        return LineReceived(_without_end(self._take(newline + 1)))

    def _await_answer(self) -> None:
        return None

    def _read_message(self) -> Event | None:
        octets = self._take(self._wanted)
        self._wanted -= len(octets)
        if not self._wanted:
            self._mode = _Mode.MESSAGE_END
        return MessageChunk(octets) if octets else None

    def _read_message_end(self) -> Event | None:
        assert self._offered is not None
        if self._buffer.startswith((b"\r\n", b"\n")):
            self._take(self._buffer.index(b"\n") + 1)
            tag, self._offered = self._offered.tag, None
            self._mode = _Mode.COMMAND
            return AppendReceived(tag)
        if self._buffer != b"\r":
            self._refusal = Refused(self._offered.tag, "Unexpected arguments")
            self._offered = None
            self._mode = _Mode.SKIP_LINE
        return None


_STEPS: Final[dict[_Mode, Callable[[CommandReader], Event | None]]] = {
    _Mode.COMMAND: CommandReader._read_command,
    _Mode.LINE: CommandReader._read_line,
    _Mode.SKIP_LINE: CommandReader._skip_line,
    _Mode.SKIP_OCTETS: CommandReader._skip_octets,
    _Mode.OFFER: CommandReader._await_answer,
    _Mode.MESSAGE: CommandReader._read_message,
    _Mode.MESSAGE_END: CommandReader._read_message_end,
}


def _parse(octets: bytes) -> Received | Refused:
    line = _without_end(octets)
    head = _HEAD.match(line)
    if head is None:
        return Refused(_tag(line), "Expected a tag and a command")
    tag, name = head.groups()
    verb = VERBS.get(name) or VERBS.get(name.upper())
    if verb is None:
        return Refused(tag, "Unknown command")
    try:
        return Received(tag, verb, verb.parse(Cursor(line, head.end())))
    except BadCharset as reason:
        return Refused(tag, reason.text, b"BADCHARSET (US-ASCII UTF-8)", is_no=True)
    except Malformed as reason:
        return Refused(tag, reason.text)


def _without_end(line: bytes) -> bytes:
    # A bare LF ends a line too: people type commands with tools that send nothing else.
    return line[:-2] if line.endswith(b"\r\n") else line[:-1]


def _tag(line: bytes) -> bytes | None:
    match = _TAG.match(line)
    return match[1] if match is not None else None
